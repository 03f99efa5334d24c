import * as z from '@hidden-attention/model/schema';
import { allOf, explained, needsImage, needsMask } from '../choices.js';
import { defineProtocol, type Protocol } from '../protocol.js';
import { averagePrecision, f1, minMaxed } from '../ranking.js';

interface Options {
  explain: 'predicted' | 'label';
}

/**
 * The map as a segmentation: stretched to 0…1 and cut at its mean. Pixel accuracy and mIoU are ratios of sums over the whole data set; mAP
 * and mF1 are means over images.
 */
export const segmentation: Protocol<Options> = defineProtocol({
  name: 'segmentation',
  title: 'Segmentation',
  summary: 'How well the map, cut at its mean, covers the object that the answer is about.',
  cite: 'Chefer, Gur, Wolf 2021, arXiv 2012.09838; Ali, Zimerman, Wolf 2025, table 2',
  figures: [
    { name: 'mIoU', better: 'higher', summary: 'intersection over union, mean of object and background, in percent' },
    { name: 'pixel-accuracy', better: 'higher', summary: 'share of pixels told rightly, in percent' },
    { name: 'mAP', better: 'higher', summary: 'average precision over both classes, mean over images, in percent' },
    { name: 'mF1', better: 'higher', summary: 'F1 of the object, mean over images, in percent' },
  ],
  options: () => z.strictObject({ explain: explained() }),
  oracle: true,
  supports: (example) => allOf(needsImage(example), needsMask(example)),
  async measure(item, { explain }) {
    const map = minMaxed(await item.pixelScores({ explained: explain }));
    const mask = item.example.mask!;
    const threshold = map.reduce((sum, value) => sum + value, 0) / map.length;
    const chosen = Array.from(map.keys()).filter((at) => map[at]! > threshold);
    const object = mask.reduce((sum, value) => sum + value, 0);
    const both = chosen.reduce((sum, at) => sum + mask[at]!, 0);
    const neither = map.length - object - chosen.length + both;
    const certainty = Float64Array.from({ length: 2 * map.length }, (_, i) => (i < map.length ? 1 - map[i]! : map[i - map.length]!));
    const relevant = Uint8Array.from({ length: 2 * map.length }, (_, i) => (i < map.length ? 1 - mask[i]! : mask[i - map.length]!));
    return {
      values: {
        right: both + neither,
        pixels: map.length,
        both,
        either: object + chosen.length - both,
        neither,
        'not-both': map.length - both,
        ap: averagePrecision(certainty, relevant),
        f1: f1(chosen, mask),
      },
    };
  },
  summarize(records) {
    const sum = (name: string): number => records.reduce((total, record) => total + record[name]!, 0);
    const share = (a: number, b: number): number => (b === 0 ? 1 : a / b);
    return {
      mIoU: 50 * (share(sum('both'), sum('either')) + share(sum('neither'), sum('not-both'))),
      'pixel-accuracy': 100 * share(sum('right'), sum('pixels')),
      mAP: (100 * sum('ap')) / records.length,
      mF1: (100 * sum('f1')) / records.length,
    };
  },
});
