import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  cast,
  causalConv1d,
  concat,
  gradient,
  linear,
  multiply,
  reshape,
  rmsNorm,
  selectiveScan,
  split,
  sum,
  Tensor,
  type Float,
} from '../../src/index.js';
import { distance, Random, runs } from '../support.js';

/** Largest relative error of rounding to a type: half a unit in the last place. */
const rounding: Record<'bf16' | 'f16', number> = { bf16: 2 ** -8, f16: 2 ** -11 };
const narrow = ['bf16', 'f16'] as const;

test.each(narrow)('%s: rounds to the nearest, widens without loss', async (dtype) => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 3 }), fc.integer(), async (shape, seed) => {
      const x = new Random(seed).array(shape, -8, 8);
      const once = cast(Tensor.from(Float32Array.from(x.data), shape), dtype);
      const numbers = await once.read();
      expect(once.dtype).toBe(dtype);
      numbers.forEach((number, i) =>
        expect(Math.abs(number - x.data[i]!)).toBeLessThanOrEqual(Math.max(Math.abs(x.data[i]!) * rounding[dtype], 2 ** -25)),
      );
      expect(await cast(once, 'f32').read()).toEqual(numbers);
      expect(await cast(cast(once, 'f32'), dtype).read()).toEqual(numbers);
    }),
    runs(20),
  );
});

test('bf16: ties go to the even neighbour; bits come in as files store them', async () => {
  const ties = Tensor.from(Float32Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8));
  expect(Array.from(await cast(ties, 'bf16').read())).toEqual([1, 1 + 2 ** -6]);
  const stored = Tensor.fromBits(Uint16Array.of(0x3f80, 0xc049), 'bf16', [2]);
  expect(Array.from(await stored.read())).toEqual([1, -3.140625]);
  expect(Array.from(await Tensor.fromBits(Uint16Array.of(0x3c00, 0xc248), 'f16', [2]).read())).toEqual([1, -3.140625]);
  expect(() => Tensor.fromBits(Uint16Array.of(1), 'f16', [2])).toThrow('fromBits: shape (2) needs 2 numbers; 1 were given');
});

test('its gradient comes back in the type of x', async () => {
  const x = Tensor.from(Float32Array.of(1, -2, 3));
  const { gradients } = gradient(() => {
    const y = cast(x, 'bf16');
    return multiply(y, y);
  }, [x]);
  expect(gradients[0]!.dtype).toBe('f32');
  expect(Array.from(await gradients[0]!.read())).toEqual([2, -4, 6]);
});

/** A little of every op that a block is made of. */
function block(x: Tensor, w: Record<string, Tensor>): Tensor {
  const [u, z] = split(linear(rmsNorm({ x, weight: w.norm! }, { epsilon: 1e-5 }).y, w.in!), [6, 6]) as [Tensor, Tensor];
  const c = causalConv1d({ x: u, weight: w.taps! }).y;
  const [delta, BC] = split(linear(c, w.x!), [6, 4]) as [Tensor, Tensor];
  const [B, C] = split(BC, [2, 2]).map((part) => reshape(part, [2, 9, 1, 2])) as [Tensor, Tensor];
  const { y } = selectiveScan({ u: c, delta, A: w.A!, B, C, z }, { softplus: true });
  return linear(concat([y, u], 2), w.out!);
}

test.each(narrow)('a block in %s: results in that type, near those in f32; so are its gradients', async (dtype) => {
  const random = new Random(7);
  const make = (shape: number[], low = -1, high = 1): Tensor => Tensor.from(Float32Array.from(random.array(shape, low, high).data), shape);
  const x = make([2, 9, 8]);
  const w: Record<string, Tensor> = {
    norm: make([8], 0.5, 1.5),
    in: make([12, 8], -0.3, 0.3),
    taps: make([6, 3]),
    x: make([10, 6]),
    A: make([6, 2], -2, -0.5),
    out: make([8, 12]),
  };
  const run = (type: Float): ReturnType<typeof gradient> =>
    gradient(() => {
      const weights = Object.fromEntries(Object.entries(w).map(([name, tensor]) => [name, name === 'A' ? tensor : cast(tensor, type)]));
      const y = block(x, weights);
      expect(y.dtype).toBe(type);
      return sum(multiply(cast(y, 'f32'), cast(y, 'f32')));
    }, [x, ...Object.values(w)]);
  const [exact, rounded] = [run('f32'), run(dtype)];
  // a value passes some ten roundings on its way, a gradient as many again
  expect(Math.abs((await rounded.value.read())[0]! / (await exact.value.read())[0]! - 1)).toBeLessThan(20 * rounding[dtype]);
  for (const [i, tensor] of rounded.gradients.entries()) {
    expect(tensor.dtype).toBe('f32');
    expect(distance(await tensor.read(), await exact.gradients[i]!.read())).toBeLessThan(20 * rounding[dtype]);
  }
});
