// Ops that write what they carry on over what was carried in.
import { expect, test } from 'vitest';
import { causalConv1d, gradient, selectiveScan, ssdScan, sum, Tensor } from '../../src/index.js';
import { download, expectClose, Random, upload } from '../support.js';

const random = new Random(3);
const of = (...shape: number[]): Tensor => upload(random.array(shape, -1, 1));
const positive = (...shape: number[]): Tensor => upload(random.array(shape, 0.1, 0.8));
const [b, d, n] = [2, 32, 16];
const scan = (l: number) => {
  const operands = {
    u: of(b, l, d),
    delta: positive(b, l, d),
    A: of(d, n),
    B: of(b, l, 1, n),
    C: of(b, l, 1, n),
    D: of(d),
    z: of(b, l, d),
  };
  return (state: Tensor, inPlace: boolean) => {
    const { y, finalState } = selectiveScan({ ...operands, initialState: state }, { inPlace });
    return [y, finalState] as const;
  };
};
const heads = (l: number) => {
  const operands = { x: of(b, l, 4, 8), delta: positive(b, l, 4), A: of(4), B: of(b, l, 1, n), C: of(b, l, 1, n) };
  return (state: Tensor, inPlace: boolean) => {
    const { y, finalState } = ssdScan({ ...operands, initialState: state }, { inPlace });
    return [y, finalState] as const;
  };
};
const convolution = (l: number) => {
  const operands = { x: of(b, l, d), weight: of(d, 4), bias: of(d) };
  return (state: Tensor, inPlace: boolean) => {
    const { y, final } = causalConv1d({ ...operands, initial: state }, { activation: 'silu', inPlace });
    return [y, final] as const;
  };
};

test.each([
  ['selectiveScan', scan, [b, d, n]],
  ['ssdScan', heads, [b, 4, 8, n]],
  ['causalConv1d', convolution, [b, d, 3]],
] as const)('%s in place', async (name, make, shape) => {
  for (const length of [1, 5, 70]) {
    const run = make(length);
    const state = of(...shape);
    const before = await download(state);
    const [wantY, wantState] = run(state, false);
    expectClose(await download(state), before, 0);
    const [y, carried] = run(state, true);
    expect(carried.handle).toBe(state.handle);
    expectClose(await download(y), await download(wantY), 0);
    expectClose(await download(state), await download(wantState), 0);
  }
  const state = of(...shape);
  expect(() => gradient(() => sum(make(2)(state, true)[0]), [state])).toThrow(
    `${name}: no gradient passes through a state that is written over`,
  );
});
