import { overSmoothing } from '@hidden-attention/attention';
import { disposeBatch } from '@hidden-attention/model';
import { bootstrap, mean } from '../../statistics.js';
import { batchOf } from '../inputs.js';
import type { ReproductionRow, ResultTable, Verdict } from '../row.js';
import { compared } from '../verdict.js';

/** A curve over depths 0 … 1 at so many places, between its points in a straight line. */
const resampled = (curve: readonly number[], places = 21): number[] =>
  Array.from({ length: places }, (_, i) => {
    const at = (i / (places - 1)) * (curve.length - 1);
    const low = Math.min(curve.length - 2, Math.floor(at));
    return curve[low]! + (at - low) * (curve[low + 1]! - curve[low]!);
  });

const groups = [
  ['garments', ['garments-mamba', 'garments-transformer']],
  ['scenes', ['scenes-mamba', 'scenes-transformer']],
  ['mail', ['mail-mamba', 'mail-mamba2', 'mail-transformer']],
  ['garments', ['garments-mamba-causal', 'garments-mamba2-causal', 'garments-transformer-causal']],
] as const;

export const similarity: ReproductionRow = {
  id: 'E19',
  title: 'Over-smoothing',
  item: 'Figure 6 and appendix A of the first version',
  method:
    'The mean cosine similarity of all pairs of positions in the residual stream, after the embeddings and after each block, of pairs of models of the same size on the same inputs; compared by its mean over relative depth from the first block on.',
  samples: 200,
  roles: groups.flatMap(([, roles]) => roles),
  async run(context) {
    const { curves } = await import('@hidden-attention/plot');
    const found = new Map<string, number[][]>();
    for (const [name, roles] of groups) {
      await context.eachModel(roles, name, name === 'mail' ? { length: 256 } : {}, async (role, model, examples) => {
        context.step(role);
        const curvesOf: number[][] = [];
        for (const example of examples) {
          const batch = batchOf(model, example);
          curvesOf.push((await overSmoothing(model, batch))[0]!);
          disposeBatch(batch);
        }
        found.set(role, curvesOf);
      });
    }
    const beyond = (role: string): number[] => found.get(role)!.map((curve) => mean(resampled(curve).slice(1)));
    const verdicts = groups.flatMap(([name, roles]): Verdict[] => {
      const transformer = roles.at(-1)!;
      return roles.slice(0, -1).flatMap((mamba) =>
        found.has(mamba) && found.has(transformer)
          ? [
              compared({
                claim: `positions stay less alike than in the transformer: ${mamba}`,
                published: 'lower at every relative depth (figure 6)',
                expected: 'smaller',
                first: { name: mamba, records: beyond(mamba) },
                second: { name: transformer, records: beyond(transformer) },
                figure: mean,
              }),
            ]
          : (context.lack(`${name}: no pair of models to compare`), []),
      );
    });
    const places = [0, 0.25, 0.5, 0.75, 1];
    const table: ResultTable = {
      title: 'Mean cosine similarity by relative depth',
      columns: places.map(String),
      rows: [...found].map(([name, all]) => ({
        name,
        cells: places.map((place) =>
          bootstrap(
            all.map((curve) => [resampled(curve)[Math.round(20 * place)]!]),
            mean,
          ),
        ),
      })),
    };
    const series = [...found].map(([name, all]) => {
      const own = all.map((curve) => resampled(curve));
      return { name, x: own[0]!.map((_, i) => i / 20), y: own[0]!.map((_, i) => mean(own.map((curve) => curve[i]!))) };
    });
    const svg = (): string => curves({ series, xLabel: 'relative depth', yLabel: 'mean cosine similarity' });
    const text = 'Cosine similarity of positions by relative depth';
    return {
      verdicts,
      tables: [table],
      pictures: series.length > 0 ? [{ file: 'E19-similarity.svg', text, svg: svg() }] : [],
      lacking: [],
    };
  },
};
