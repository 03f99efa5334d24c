import type { ReproductionRow } from '../row.js';
import { runOwnSweep } from '../sweep-findings.js';

/** mIoU in table 5; the mean has 51.51. */
const published = {
  max: 48.73,
  min: 34.71,
  product: 50.46,
  'mean, discard 0.2': 50.86,
  'mean, discard 0.4': 50.45,
  'mean, discard 0.6': 50.66,
  'mean, discard 0.8': 48.95,
} as const;

export const aggregation: ReproductionRow = {
  id: 'E11',
  title: 'Bringing channels together',
  item: 'Table 5',
  method:
    'Rollout of the Vision Mamba on the scenes of E7, the channels’ matrices of each layer brought together in the paper’s eight ways, and by means weighted by what each channel gives and by its gradient. Discarding sets the smallest entries of the mean to 0. The product is taken as its root over the number of channels, its sign kept: the product itself underflows.',
  samples: 200,
  roles: ['scenes-mamba'],
  async run(context) {
    const found = await runOwnSweep(context, 'aggregation.json');
    const place = (method: string) => ({ data: 'scenes', model: 'scenes-mamba', method, name: method, protocol: 'segmentation' });
    const verdicts = Object.entries(published).flatMap(([name, value]) =>
      found.compare(
        { claim: `mIoU: the mean is ahead of ${name}`, published: `51.51 against ${value}`, expected: 'larger' },
        'mIoU',
        place('mean'),
        place(name),
      ),
    );
    return {
      verdicts,
      tables: [found.table('Segmentation of scenes', 'scenes', 'segmentation', ['pixel-accuracy', 'mAP', 'mIoU'])],
      lacking: [],
    };
  },
};
