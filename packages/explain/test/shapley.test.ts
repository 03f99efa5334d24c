// Methods that take inputs away: against their definitions, over all coalitions.
import { createModel, type Model } from '@hidden-attention/model';
import { describe, expect, test } from 'vitest';
import { explain, type AttributionMap, type ImageInput } from '../src/index.js';
import { answersWithout } from '../src/without.js';
import { classifier, randomIds, smallModel } from './models.js';

const language = smallModel();
const vim = createModel({ model_type: 'vim', img_size: [8, 12], patch_size: 4, embed_dim: 12, depth: 2, num_classes: 3 }, { seed: 6 });
const image: ImageInput = {
  pixels: Float32Array.from({ length: 288 }, (_, at) => Math.sin(at * at)),
  shape: [3, 8, 12],
  black: [-1, -1, -1],
};
const ids = randomIds(4, 7);
const target = 1;

const mapOf = async (model: Model, method: string, options: object = {}, input: unknown = [ids]): Promise<AttributionMap> =>
  (await explain({ model, input: input as never, target, methods: [method], options: { [method]: { ...options } }, check: false }))[0]!
    .maps[0]!;

/** Shapley values in full: the mean over all orders of what each part adds. */
async function shapley(model: Model, count: number, removable: number, empty: number | undefined): Promise<number[]> {
  const all = Array.from({ length: 2 ** removable }, (_, mask) => mask);
  const out = (mask: number): number[] => Array.from({ length: removable }, (_, at) => at).filter((at) => ((mask >> at) & 1) === 0);
  const input = model.family.images ? { model, image } : { model, ids };
  const asked = empty === undefined ? all : all.slice(1);
  const logits = await answersWithout(input, asked.map(out));
  const values = [...(empty === undefined ? [] : [empty]), ...logits.map((each) => each[target]!)];
  const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));
  return Array.from({ length: count }, (_, at) => {
    if (at >= removable) return 0;
    let sum = 0;
    for (const mask of all) {
      if ((mask >> at) & 1) continue;
      const size = removable - out(mask).length;
      sum += ((factorial(size) * factorial(removable - size - 1)) / factorial(removable)) * (values[mask | (1 << at)]! - values[mask]!);
    }
    return sum;
  });
}

const cases = [
  ['a language model, whose last token stays', language, 7, 6, undefined, [ids]],
  ['a classifier, of which nothing is left', classifier('mean'), 7, 7, 0, [ids]],
  ['an image, whose patches become black', vim, 6, 6, undefined, { images: [image] }],
] as const;

describe.each(cases)('of %s', (_, model, count, removable, empty, input) => {
  test('KernelSHAP over all coalitions gives the Shapley values', async () => {
    const expected = await shapley(model, count, removable, empty);
    const map = await mapOf(model, 'kernelshap', {}, input);
    for (const [at, value] of expected.entries()) expect(map.scores[at]).toBeCloseTo(value, 4);
    expect(map.certificate.convergence!.gap).toBeLessThan(1e-5);
  });

  test('sampled values come near them, and add up whatever the number of samples', async () => {
    const expected = await shapley(model, count, removable, empty);
    const size = Math.hypot(...expected);
    for (const [method, samples, tolerance] of [
      ['shapley-sampling', 4000, 0.15],
      ['kernelshap', 56, 0.5],
    ] as const) {
      const { scores, certificate } = await mapOf(model, method, { samples }, input);
      expect(Math.hypot(...expected.map((value, at) => value - scores[at]!)), method).toBeLessThan(tolerance * size);
      expect(certificate.convergence!.gap).toBeLessThan(1e-5);
    }
    const once = await mapOf(model, 'shapley-sampling', { samples: 1 }, input);
    expect(once.certificate.convergence!.gap).toBeLessThan(1e-5);
    expect((await mapOf(model, 'shapley-sampling', { samples: 1, seed: 1 }, input)).scores).not.toEqual(once.scores);
  });
});

describe('occlusion', () => {
  test('is what removing each token takes from the logit', async () => {
    const { scores } = await mapOf(language, 'occlusion');
    const [whole, ...without] = await answersWithout({ model: language, ids }, [[], ...Array.from({ length: 6 }, (_, at) => [at])]);
    for (const [at, logits] of without.entries()) expect(scores[at]).toBeCloseTo(whole![target]! - logits[target]!, 4);
    expect(scores[6]).toBe(0);
  });

  test('with windows, a part gets the mean over those that hide it', async () => {
    const { scores } = await mapOf(language, 'occlusion', { size: 2, replaceWith: 3 });
    const windows = [
      [0, 1],
      [1, 2],
      [2, 3],
      [3, 4],
      [4, 5],
    ];
    const [whole, ...without] = await answersWithout({ model: language, ids, replaceWith: 3 }, [[], ...windows]);
    const fall = without.map((logits) => (whole![target]! - logits[target]!) / 2);
    expect(scores[0]).toBeCloseTo(fall[0]!, 4);
    expect(scores[3]).toBeCloseTo((fall[2]! + fall[3]!) / 2, 4);
    const strided = await mapOf(language, 'occlusion', { size: 3, stride: 3 });
    expect(new Set(strided.scores.slice(0, 3)).size).toBe(1);
  });

  test('of an image hides squares', async () => {
    const { scores } = await mapOf(vim, 'occlusion', { size: 2 }, { images: [image] });
    const [whole, left, right] = await answersWithout({ model: vim, image }, [[], [0, 1, 3, 4], [1, 2, 4, 5]]);
    const fall = [left, right].map((logits) => (whole![target]! - logits![target]!) / 4);
    expect(scores[0]).toBeCloseTo(fall[0]!, 5);
    expect(scores[1]).toBeCloseTo((fall[0]! + fall[1]!) / 2, 5);
  });

  test('takes words away together, and shares their effect among their tokens', async () => {
    const text = 'ab cd ef';
    const tokenizer = {
      encode: (of: string) => ({
        ids: [...of].map((c) => c.codePointAt(0)!),
        offsets: [...of].map((_, at) => [at, at + 1] as [number, number]),
      }),
      tokenText: (id: number) => String.fromCodePoint(id),
    };
    const [result] = await explain({ model: classifier('last'), tokenizer, input: text, target, methods: ['occlusion'], check: false });
    const all = [...text].map((c) => c.codePointAt(0)!);
    const [whole, without] = await answersWithout({ model: classifier('last'), ids: all }, [[], [3, 4, 5]]);
    expect(result!.maps[0]!.words![1]!.score).toBeCloseTo(whole![target]! - without![target]!, 4);
    expect(result!.maps[0]!.scores[3]).toBe(result!.maps[0]!.scores[4]);
  });
});

test('what is too much, too little or meaningless is refused, and said how to get it', async () => {
  await expect(mapOf(language, 'kernelshap', { limit: 100 })).rejects.toThrow(
    'kernelshap would run the input of 7 positions 64 times and read 448 positions; allow it by option kernelshap.limit=448',
  );
  await expect(mapOf(language, 'kernelshap', { samples: 3 })).rejects.toThrow('samples is 3; at least 6 are needed');
  await expect(mapOf(language, 'occlusion', { replaceWith: 300 })).rejects.toThrow('ids of this model are 0 to 299');
  await expect(mapOf(vim, 'occlusion', { replaceWith: 0 }, { images: [image] })).rejects.toThrow('patches of images become black');
  await expect(mapOf(language, 'occlusion', {}, [[4]])).rejects.toThrow('nothing of this input can be taken away');
  await expect(mapOf(language, 'shapley-sampling', { sample: 3 })).rejects.toThrow(
    '"shapley-sampling" has no option "sample"; the nearest are samples',
  );
});
