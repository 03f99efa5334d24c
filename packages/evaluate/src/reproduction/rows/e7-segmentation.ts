import { kinds, methods } from '../kinds.js';
import type { ReproductionRow, Verdict } from '../row.js';
import { runOwnSweep } from '../sweep-findings.js';

/** Table 2: pixel accuracy, mAP, mIoU of [Mamba, transformer]. */
const published = {
  Raw: { 'pixel-accuracy': [67.64, 59.69], mAP: [74.88, 77.25], mIoU: [45.09, 36.94] },
  Rollout: { 'pixel-accuracy': [71.01, 66.84], mAP: [80.78, 80.34], mIoU: [51.51, 47.85] },
  Attribution: { 'pixel-accuracy': [74.72, 79.26], mAP: [81.7, 84.85], mIoU: [54.24, 60.63] },
} as const;

export const segmentationRow: ReproductionRow = {
  id: 'E7',
  title: 'Segmentation',
  item: 'Table 2',
  method:
    'Maps of the predicted class, cut at their mean, against the true masks of the garments in scenes of 56 × 56 pixels (196 patches). The oracle is the mask itself.',
  samples: 200,
  roles: ['scenes-mamba', 'scenes-transformer'],
  async run(context) {
    const found = await runOwnSweep(context, 'segmentation.json');
    const verdicts: Verdict[] = [];
    const place = (model: string, method: string, name: string) => ({ data: 'scenes', model, method, name, protocol: 'segmentation' });
    for (const kind of kinds)
      for (const [figure, variant] of [
        ['mIoU', ''],
        ['pixel-accuracy', ''],
        ['mAP', ''],
        ['mIoU', ':released'],
      ] as const) {
        const [mamba, transformer] = published[kind][figure];
        const [ours, theirs] = methods[kind];
        verdicts.push(
          ...found.compare(
            {
              claim: `${kind}${variant}, ${figure}: ${mamba > transformer ? 'Mamba' : 'the transformer'} is ahead`,
              published: `${mamba} against ${transformer}`,
              expected: mamba > transformer ? 'larger' : 'smaller',
            },
            figure,
            place('scenes-mamba', ours + variant, 'Mamba'),
            place('scenes-transformer', theirs, 'transformer'),
          ),
        );
      }
    for (const [better, other, values] of [
      ['mamba-attribution', 'rollout', '54.24 against 51.51'],
      ['rollout', 'raw', '51.51 against 45.09'],
      ['raw', 'random', '—'],
    ] as const)
      verdicts.push(
        ...found.compare(
          { claim: `mIoU of Mamba: ${better} is ahead of ${other}`, published: values, expected: 'larger' },
          'mIoU',
          place('scenes-mamba', better, better),
          place('scenes-mamba', other, other),
        ),
      );
    return {
      verdicts,
      tables: [found.table('Scenes, predicted class', 'scenes', 'segmentation', ['pixel-accuracy', 'mAP', 'mIoU', 'mF1'])],
      lacking: [],
    };
  },
};
