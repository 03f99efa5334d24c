import { readFile } from 'node:fs/promises';
import type { Model } from '@hidden-attention/model';
import { spread } from '../../data/choose.js';
import { spearman } from '../../correlation.js';
import type { Example } from '../../example.js';
import { bootstrap, mean } from '../../statistics.js';
import type { Context } from '../context.js';
import { batchOf } from '../inputs.js';
import { autocorrelation, byOffset, meanDistance, meanMatrices } from '../matrices.js';
import type { ReproductionRow, ResultTable, Verdict } from '../row.js';
import { onOneSide } from '../verdict.js';

const images = [
  ['garments', ['garments-mamba', 'garments-transformer']],
  ['scenes', ['scenes-mamba', 'scenes-transformer']],
] as const;
const mails = ['mail-mamba', 'mail-mamba2', 'mail-transformer'];
const length = 128;

/** What was measured of one model: distances by input and layer, profiles by input (mean over layers). */
interface Found {
  role: string;
  distances: number[][];
  profiles: Float64Array[];
  /** how much larger a row's autocorrelation is at lag √L than at the lags beside it, by input (mean over layers) */
  periods: number[];
  side: number;
}

async function measured(context: Context, role: string, model: Model, examples: readonly Example[]): Promise<Found> {
  const found: Found = { role, distances: [], profiles: [], periods: [], side: 0 };
  for (const [at, example] of examples.entries()) {
    if (at % 20 === 0) context.step(`${role}, input ${at} of ${examples.length}`);
    const layers = await meanMatrices(model, batchOf(model, example));
    found.distances.push(layers.map(meanDistance));
    if (!example.image) continue;
    const profiles = layers.map(byOffset);
    found.side = Math.sqrt(layers[0]!.length);
    const { side } = found;
    const period = layers.map((own) => autocorrelation(own, side) - (autocorrelation(own, side - 1) + autocorrelation(own, side + 1)) / 2);
    found.periods.push(mean(period));
    found.profiles.push(profiles[0]!.map((_, k) => mean(profiles.map((own) => own[k]!))));
  }
  return found;
}

/** Texts of the held-out prose, spread over it. */
async function prose(file: string, count: number): Promise<Example[]> {
  const bytes = await readFile(file);
  return spread(Math.floor(bytes.length / length), count).map((piece, index) => ({
    index,
    ids: Int32Array.from(bytes.subarray(piece * length, (piece + 1) * length)),
  }));
}

/** How much stronger offset √L is than the mean of those one less and one more. */
const band = (profile: Float64Array, side: number): number => profile[side]! / ((profile[side - 1]! + profile[side + 1]!) / 2);

export const distance: ReproductionRow = {
  id: 'E4',
  title: 'How far layers look, and bands in images',
  item: 'Figure 3',
  method: `Of each layer the mean distance Σ|i−j|·|α|/Σ|α| over all rows (mean over channels of |α|; of heads in transformers), on ${length} bytes of held-out prose and e-mails, and on images; of images also whether rows of |α| repeat with the width of the grid, √L, and how strongly patches read those k places away: k = √L is the patch above or below. Class tokens are left out.`,
  samples: 200,
  roles: ['prose-mamba', ...mails, ...images.flatMap(([, roles]) => roles)],
  async run(context) {
    const { curves } = await import('@hidden-attention/plot');
    const found: Found[] = [];
    const file = context.textFile('prose');
    const loaded = file === undefined ? undefined : await context.model('prose-mamba');
    if (loaded) found.push(await measured(context, 'prose-mamba', loaded.model, await prose(file!, context.samples)));
    loaded?.model.dispose();
    const use = async (role: string, model: Model, examples: readonly Example[]): Promise<void> => {
      found.push(await measured(context, role, model, examples));
    };
    await context.eachModel(mails, 'mail', { length }, use);
    for (const [name, roles] of images) await context.eachModel(roles, name, {}, use);
    const verdicts: Verdict[] = [];
    for (const { role, distances } of found)
      verdicts.push(
        onOneSide(
          `deeper layers hold longer dependencies: ${role}`,
          'shown (figure 3)',
          'rank correlation of depth and distance',
          distances.map((layers) => spearman(layers, [...layers.keys()])),
          'above',
        ),
      );
    const banded = found.filter(({ profiles }) => profiles.length > 0);
    for (const { role, profiles, periods, side } of banded)
      verdicts.push(
        onOneSide(
          `rows repeat with the width of the grid: ${role}`,
          'bands shown (figure 3)',
          `autocorrelation of rows at lag ${side}, less the mean of lags ${side - 1} and ${side + 1}`,
          periods,
          'above',
        ),
        onOneSide(
          `patches read the patch above or below more than those beside it: ${role}`,
          'bands shown (figure 3)',
          `log of |α| at offset ${side} over its neighbours`,
          profiles.map((profile) => Math.log(band(profile, side))),
          'above',
        ),
      );
    const most = Math.max(0, ...found.map(({ distances }) => distances[0]?.length ?? 0));
    const table: ResultTable = {
      title: 'Mean distance in positions, by layer',
      columns: Array.from({ length: most }, (_, layer) => `layer ${layer}`),
      rows: found.map(({ role, distances }) => ({
        name: role,
        cells: Array.from({ length: most }, (_, layer) =>
          distances[0]![layer] === undefined
            ? null
            : bootstrap(
                distances.map((own) => [own[layer]!]),
                mean,
              ),
        ),
      })),
    };
    const series = banded
      .filter(({ side }) => side === 14)
      .map(({ role, profiles }) => {
        const x = Array.from({ length: 44 }, (_, k) => k + 1);
        const y = x.map((k) => mean(profiles.map((profile) => profile[k]!)));
        return { name: role, x, y: y.map((value) => value / y[0]!) };
      });
    const picture = (): string =>
      curves({
        series,
        title: 'Scenes of 14 × 14 patches',
        xLabel: 'offset k in patches',
        yLabel: '|α| at k over |α| at 1',
        yScale: 'log',
      });
    const text = 'How strongly patches read patches k places away: peaks at 14, 28 and 42 are bands';
    return {
      verdicts,
      tables: [table],
      pictures: series.length > 0 ? [{ file: 'E4-bands.svg', text, svg: picture() }] : [],
      lacking: [],
    };
  },
};
