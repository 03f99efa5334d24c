import type { ReproductionRow } from '../row.js';
import { runOwnSweep } from '../sweep-findings.js';

export const clamp: ReproductionRow = {
  id: 'E12',
  title: 'The clamp of Mamba-Attribution',
  item: 'Table 6',
  method:
    'Mamba-Attribution on the scenes of E7 with its clamp (negative entries set to 0, “ours” in the paper), without it, and with absolute values in its place.',
  samples: 200,
  roles: ['scenes-mamba'],
  async run(context) {
    const found = await runOwnSweep(context, 'clamp.json');
    const place = (method: string) => ({ data: 'scenes', model: 'scenes-mamba', method, name: method, protocol: 'segmentation' });
    const verdicts = (
      [
        ['no clamp', 'mIoU', '54.24 against 48.71'],
        ['no clamp', 'pixel-accuracy', '74.72 against 68.15'],
        ['absolute', 'mIoU', '54.24 against 48.16'],
        ['absolute', 'pixel-accuracy', '74.72 against 69.82'],
      ] as const
    ).flatMap(([other, figure, published]) =>
      found.compare(
        { claim: `${figure}: with the clamp ahead of ${other}`, published, expected: 'larger' },
        figure,
        place('ours'),
        place(other),
      ),
    );
    return {
      verdicts,
      tables: [found.table('Segmentation of scenes', 'scenes', 'segmentation', ['pixel-accuracy', 'mAP', 'mIoU'])],
      lacking: [],
    };
  },
};
