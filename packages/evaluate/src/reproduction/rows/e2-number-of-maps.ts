import type { Model } from '@hidden-attention/model';
import type { ReproductionRow } from '../row.js';
import { atLeast } from '../verdict.js';

/** Attention matrices of a layer: D·N of a scan, H of softmax attention. */
function mapsOf({ config }: Model): number {
  const { innerSize, stateSize, heads } = config as unknown as { innerSize?: number; stateSize?: number; heads?: number };
  return stateSize === undefined ? heads! : innerSize! * stateSize;
}

/** A path without its way there. */
const nameOf = (path: string): string => path.replace(/^(\.{1,2}\/)+/, '');

const pairs = [
  ['garments-mamba', 'garments-transformer'],
  ['scenes-mamba', 'scenes-transformer'],
  ['digits-mamba', 'digits-transformer'],
  ['mail-mamba', 'mail-transformer'],
] as const;

export const numberOfMaps: ReproductionRow = {
  id: 'E2',
  title: 'How many attention matrices a layer has',
  item: 'Section 3',
  method:
    'A scan has one matrix for each channel and state (D·N), softmax attention one for each head (H). Counted at the published sizes and of the pairs of models here; `hidden-attention inspect` prints it for any model.',
  samples: 0,
  roles: pairs.flat(),
  async run(context) {
    const published = { name: 'Vim-Tiny (D = 384, N = 16) and DeiT-Tiny (H = 3)', cells: [384 * 16, 3, (384 * 16) / 3] };
    const rows = [published];
    for (const [mamba, transformer] of pairs) {
      const [a, b] = [await context.model(mamba), await context.model(transformer)];
      if (!a || !b) continue;
      const counts = [mapsOf(a.model), mapsOf(b.model)] as const;
      rows.push({
        name: `${nameOf(context.roles.models[mamba]!)} and ${nameOf(context.roles.models[transformer]!)}`,
        cells: [...counts, counts[0] / counts[1]],
      });
      for (const { model } of [a, b]) model.dispose();
    }
    const smallest = Math.min(...rows.slice(1).map(({ cells }) => cells[2]!));
    return {
      verdicts: [
        atLeast('about 100·N times as many as self-attention', '100·N = 1,600', 'at the published sizes', published.cells[2]!, 1600),
        atLeast('three orders of magnitude more', '10³', 'at the published sizes', published.cells[2]!, 1000),
        atLeast('three orders of magnitude more, in models of this size', '10³', 'the smallest ratio here', smallest, 1000),
      ],
      tables: [{ title: 'Matrices a layer and direction', columns: ['scan', 'softmax', 'ratio'], rows }],
      lacking: [],
    };
  },
};
