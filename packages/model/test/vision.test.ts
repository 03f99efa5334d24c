import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createModel, isImages, ModelError, type Model } from '../src/index.js';
import { bicubic } from '../src/vision/embed.js';

const small = { img_size: 12, patch_size: 4, embed_dim: 8, depth: 2, num_classes: 3 };
const vim = (more: object = {}): Model => createModel({ ...small, model_type: 'vim', ...more }, { seed: 2 });
const vit = (more: object = {}): Model => createModel({ ...small, model_type: 'vit', num_heads: 2, ...more }, { seed: 2 });
const noise = (count: number): Float32Array => Float32Array.from({ length: count }, (_, at) => Math.sin(at * at + 1));

describe('patches', () => {
  test('row by row of the grid; in a patch channel, row, column', async () => {
    const pixels = Float32Array.from({ length: 3 * 8 * 12 }, (_, at) => at);
    const { patches, grid, lengths, classPositions } = vim().images(pixels, [1, 3, 8, 12]);
    expect([grid, lengths, classPositions]).toEqual([[2, 3], [7], [3]]);
    const numbers = await patches.read();
    for (let patch = 0; patch < 6; patch++)
      for (let i = 0; i < 48; i++) {
        const [channel, y, x] = [Math.floor(i / 16), Math.floor(i / 4) % 4, i % 4];
        const [row, column] = [Math.floor(patch / 3) * 4 + y, (patch % 3) * 4 + x];
        expect(numbers[patch * 48 + i]).toBe((channel * 8 + row) * 12 + column);
      }
  });

  test('with a smaller stride they overlap', () => {
    const { grid } = vim({ stride: 2 }).images(noise(3 * 144), [1, 3, 12, 12]);
    expect(grid).toEqual([5, 5]);
  });

  test.each([
    ['first', [0], 10],
    ['middle', [4], 10],
    ['last', [9], 10],
    ['ends', [0, 10], 11],
    ['none', [], 9],
  ] as const)('class tokens %s', async (cls_token_position, positions, length) => {
    const model = vim({ cls_token_position });
    const batch = model.images(noise(2 * 3 * 144), [2, 3, 12, 12]);
    expect(isImages(batch) && [...batch.classPositions]).toEqual([...positions]);
    const { captured, logits } = model.forward(batch, { capture: ['embeddings', 'finalNorm'] });
    expect(captured['embeddings']!.shape).toEqual([2, length, 8]);
    expect(logits!.shape).toEqual([2, 3]);
  });
});

test.each([
  ['Vision Mamba without a backward scan', vim({ bimamba_type: 'none', cls_token_position: 'last' })],
  ['Mamba-2 over patches', vim({ model_type: 'vim2', headdim: 4, d_state: 4 })],
  ['a causal ViT', vit({ is_causal: true })],
])('%s: what a position holds depends on the patches before it alone', async (_, model) => {
  expect([...model.parameters.keys()].filter((name) => /_b\b|_b_log/.test(name))).toEqual([]);
  const pixels = noise(3 * 144);
  const later = pixels.map((value, at) => (at % 144 >= 96 ? value + 1 : value)); // the last row of patches: positions 6 to 8
  const [first, second] = await Promise.all(
    [pixels, later].map((own) =>
      model.forward(model.images(own, [1, 3, 12, 12]), { capture: ['finalNorm'] }).captured['finalNorm']!.read(),
    ),
  );
  expect([...first!.subarray(0, 6 * 8)]).toEqual([...second!.subarray(0, 6 * 8)]);
  for (let position = 6; position < 10; position++)
    expect([...first!.subarray(position * 8, position * 8 + 8)]).not.toEqual([...second!.subarray(position * 8, position * 8 + 8)]);
});

test('what is refused, by name', () => {
  const model = vim();
  expect(() => model.images(noise(3 * 100), [1, 3, 10, 10])).toThrow(/10 × 10 pixels; patches of 4, 4 apart, do not cover 10.*12 × 12/);
  expect(() => model.images(noise(144), [1, 1, 12, 12])).toThrow(/1 channels; this model reads 3/);
  expect(() => model.images(noise(10), [1, 3, 12, 12])).toThrow(/10 numbers were given for images of shape \(1, 3, 12, 12\)/);
  expect(() => model.images(Float32Array.from([...noise(431), NaN]), [1, 3, 12, 12])).toThrow(/number 431 of the pixels is NaN/);
  expect(() => model.batch([[1, 2]])).toThrow(ModelError);
  expect(() =>
    createModel({ model_type: 'mamba', vocab_size: 9, hidden_size: 4, num_hidden_layers: 1 }).images(noise(3), [1, 3, 1, 1]),
  ).toThrow(/reads token ids, not images/);
  expect(() => vim({ stride: 5 })).toThrow(/stride is 5; beyond patch_size, 4/);
  expect(() => vit({ num_heads: 3 })).toThrow(/num_heads is 3; it must divide embed_dim, 8/);
  expect(() => vim({ bimamba_type: 'v1' })).toThrow(/bimamba_type is "v1"/);
  for (const make of [
    (): Model => vim({ bimamba_type: 'none', cls_token_position: 'first' }),
    (): Model => vim({ model_type: 'vim2', headdim: 4, cls_token_position: 'first' }),
    (): Model => vit({ is_causal: true, cls_token_position: 'first' }),
  ])
    expect(make).toThrow(/stands first, where it reads no patch/);
  expect(() => vim({ model_type: 'vim2', headdim: 5 })).toThrow(/headdim is 5; it must divide expand · embed_dim, 16/);
  expect(() => vim({ model_type: 'vim2', headdim: 4, ngroups: 3 })).toThrow(/ngroups is 3; it must divide the number of heads, 4/);
});

describe('positions', () => {
  test('interpolated weights of each place add up to 1, and a grid onto itself is the identity', () =>
    fc.assert(
      fc.property(
        fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 })),
        fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })),
        (from, to) => {
          const weights = bicubic(from, to);
          const each = from[0] * from[1];
          for (let at = 0; at < to[0] * to[1]; at++)
            expect(weights.subarray(at * each, (at + 1) * each).reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 5);
          const same = bicubic(from, from);
          for (let i = 0; i < same.length; i++) expect(same[i]).toBeCloseTo(i % (each + 1) === 0 ? 1 : 0, 6);
        },
      ),
      { numRuns: 20, seed: 5 },
    ));

  test('twice as fine: the four coefficients of the cubic with a = −3/4 at a quarter', () => {
    const weights = bicubic([1, 8], [1, 16]);
    // place 7 of 16 stands at 3.25 of 8
    expect([...weights.subarray(7 * 8, 8 * 8)]).toEqual([0, 0, -0.10546875, 0.87890625, 0.26171875, -0.03515625, 0, 0]);
  });

  test.each([vim(), vim({ cls_token_position: 'ends' }), vit()])('images of other sizes are read, model %#', async (model) => {
    for (const [height, width] of [
      [8, 8],
      [12, 20],
      [24, 4],
    ] as const) {
      const { logits } = model.forward(model.images(noise(3 * height * width), [1, 3, height, width]));
      expect((await logits!.read()).every(Number.isFinite)).toBe(true);
    }
  });
});

test('the first and the last patch change the answer', async () => {
  const model = vim({ cls_token_position: 'none' });
  const pixels = noise(3 * 144);
  const answer = async (of: Float32Array): Promise<Float32Array> => model.forward(model.images(of, [1, 3, 12, 12])).logits!.read();
  const before = await answer(pixels);
  for (const at of [0, 431]) {
    const changed = pixels.slice();
    changed[at] = changed[at]! + 1;
    expect(await answer(changed)).not.toEqual(before);
  }
});
