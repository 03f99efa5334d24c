import { getExplainer } from '@hidden-attention/explain';
import { ModelCase } from '../../model-case.js';
import { rankerOf } from '../../ranker.js';
import { pictureOf } from '../../report/examples.js';
import { Variants } from '../../variants.js';
import { bootstrap, mean } from '../../statistics.js';
import type { ReproductionRow, ResultTable } from '../row.js';
import { compared } from '../verdict.js';

const methods = {
  'scenes-mamba': { Raw: 'raw', Rollout: 'rollout', Attribution: 'mamba-attribution' },
  'scenes-transformer': { Raw: 'raw', Rollout: 'rollout', Attribution: 'transformer-attribution' },
} as const;
type Role = keyof typeof methods;
const kinds = ['Raw', 'Rollout', 'Attribution'] as const;
type Kind = (typeof kinds)[number];
const shownScenes = 2;

/** How much of the object a map covers where it is above its mean, and how much of what it covers is object. */
interface Coverage {
  covered: number;
  precise: number;
}

function coverage(map: Float64Array, mask: Uint8Array): Coverage {
  const threshold = mean([...map]);
  let [both, chosen, object] = [0, 0, 0];
  map.forEach((value, at) => {
    if (value > threshold) {
      chosen++;
      both += mask[at]!;
    }
    object += mask[at]!;
  });
  return { covered: both / object, precise: chosen === 0 ? 0 : both / chosen };
}

export const gallery: ReproductionRow = {
  id: 'E5',
  title: 'Maps side by side',
  item: 'Figure 4',
  method:
    'Raw attention, rollout and attribution of a Vision Mamba and of a vision transformer of the same size on the same scenes. How “complete” a map is, is measured as the share of the object’s pixels at which the map is above its mean; beside it, how much of what it marks is object.',
  samples: 200,
  roles: Object.keys(methods),
  async run(context) {
    const { imageFigure } = await import('@hidden-attention/plot');
    const found = new Map<string, Coverage[]>();
    const figures: { picture: string; maps: Map<string, Float64Array> }[] = [];
    await context.eachModel(Object.keys(methods), 'scenes', {}, async (role, model, examples) => {
      const variants = new Variants(model);
      for (const kind of kinds) {
        const ranker = rankerOf(getExplainer(methods[role as Role][kind]));
        const all: Coverage[] = [];
        for (const [at, example] of examples.entries()) {
          if (at % 20 === 0) context.step(`${role}, ${kind}, scene ${at} of ${examples.length}`);
          const item = new ModelCase({ data: 'scenes', model, variants, others: [] }, example, ranker, 1);
          all.push(coverage(await item.pixelScores(), example.mask!));
          if (at >= shownScenes) continue;
          figures[at] ??= { picture: await pictureOf(example.image!), maps: new Map() };
          figures[at].maps.set(`${role}, ${kind}`, await item.unitScores());
        }
        found.set(`${role}, ${kind}`, all);
      }
    });
    const both = ['scenes-mamba', 'scenes-transformer'].every((role) => found.has(`${role}, Raw`));
    const verdicts = both
      ? kinds.map((kind) =>
          compared({
            claim: `${kind}: Mamba’s maps are often more complete`,
            published: 'said of figure 4',
            expected: 'larger',
            first: { name: 'Mamba', records: found.get(`scenes-mamba, ${kind}`)! },
            second: { name: 'transformer', records: found.get(`scenes-transformer, ${kind}`)! },
            figure: (records) => mean(records.map(({ covered }) => covered)),
          }),
        )
      : [];
    const table: ResultTable = {
      title: 'Share of the object that is marked, and share of what is marked that is object',
      columns: ['object marked', 'marked is object'],
      rows: [...found].map(([name, all]) => ({
        name,
        cells: (['covered', 'precise'] as const).map((of) =>
          bootstrap(
            all.map((own) => [own[of]]),
            mean,
          ),
        ),
      })),
    };
    const columns = [...found.keys()];
    const side = 14;
    const picture = (): string =>
      imageFigure({
        rows: figures.map((own, at) => ({
          picture: own.picture,
          name: `scene ${at + 1}`,
          maps: columns.map((name) => ({ title: name, grid: [side, side], scores: own.maps.get(name)!, signed: signedOf(name) })),
        })),
        columnTitles: columns.map((name) => name.split(', ')[1]!),
        groups: [...new Set(columns.map((name) => name.split(', ')[0]!))].map((title) => ({ title, columns: kinds.length })),
        width: 112,
      });
    const text = 'Two scenes, each beside raw attention, rollout and attribution of a Vision Mamba and of a vision transformer';
    return {
      verdicts,
      tables: [table],
      pictures: figures.length > 0 ? [{ file: 'E5-gallery.svg', text, svg: picture() }] : [],
      lacking: [],
    };
  },
};

/** Raw attention and rollout of a Mamba can be negative. */
function signedOf(name: string): boolean {
  const [role, kind] = name.split(', ') as [Role, Kind];
  return role === 'scenes-mamba' && rankerOf(getExplainer(methods[role][kind])).signed;
}
