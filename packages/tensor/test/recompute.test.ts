import { expect, test } from 'vitest';
import { gradient, linear, openDevice, recomputed, rmsNorm, scope, silu, sum, Tensor, type RuleSet } from '../src/index.js';
import { Random } from './support.js';

const random = new Random(11);
const make = (shape: number[]): Tensor => Tensor.from(Float32Array.from(random.array(shape).data), shape);
const weights = Array.from({ length: 4 }, () => make([16, 16]));
const x = make([32, 16]);

/** Layers in a row; each of two results, one of which only the next layer uses. */
function layers(again: boolean): Tensor {
  let h: Tensor = x;
  let side: Tensor = x;
  for (const weight of weights) {
    const [hIn, sideIn] = [h, side];
    const body = (): { h: Tensor; side: Tensor } => {
      const normed = rmsNorm({ x: hIn, residual: sideIn }, { epsilon: 1e-5 }).y;
      return { h: silu(linear(normed, weight)), side: silu(normed) };
    };
    ({ h, side } = again ? recomputed([hIn, sideIn, weight], body) : body());
  }
  return sum(h);
}

test.each<[string, RuleSet]>([
  ['true gradients', {}],
  ['rules', { rmsNorm: 'holdScale', silu: 'holdRatio' }],
])('recomputing gives the same bits: %s', async (_, rules) => {
  const plain = gradient(() => layers(false), [x, ...weights], { rules });
  const again = gradient(() => layers(true), [x, ...weights], { rules });
  expect(await again.value.read()).toEqual(await plain.value.read());
  for (const [i, tensor] of again.gradients.entries()) expect(await tensor.read()).toEqual(await plain.gradients[i]!.read());
});

test('what is made inside is not kept', async () => {
  const device = openDevice();
  const peakOf = async (again: boolean): Promise<number> => {
    await device.finish();
    const before = device.memory({ resetPeak: true }).live;
    scope(() => {
      const wide = Tensor.full([4096, 16], 0.5, device);
      const body = (h: Tensor, weight: Tensor): { y: Tensor } => {
        let y: Tensor = h;
        for (let i = 0; i < 8; i++) y = silu(linear(y, weight));
        return { y };
      };
      gradient(() => {
        let h: Tensor = wide;
        for (const weight of weights) h = (again ? recomputed([h, weight], () => body(h, weight)) : body(h, weight)).y;
        return sum(h);
      }, weights);
    });
    return device.memory().peak - before;
  };
  const [all, few] = [await peakOf(false), await peakOf(true)];
  expect(few).toBeLessThan(all / 2);
});

test('a constant that its owner has freed meanwhile is still there', async () => {
  const { value, gradients } = gradient(() => {
    const shift = Tensor.full([16], 1);
    const { y } = recomputed([x, shift], () => ({ y: linear(x, weights[0]!, shift) }));
    shift.dispose();
    return sum(y);
  }, [x]);
  expect(Number.isFinite(await value.item())).toBe(true);
  expect((await gradients[0]!.read()).length).toBe(x.size);
});
