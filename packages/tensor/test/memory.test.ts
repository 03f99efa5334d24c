import { expect, test } from 'vitest';
import {
  adamw,
  causalConv1d,
  crossEntropy,
  embedding,
  gate,
  gradient,
  linear,
  negExp,
  openDevice,
  reshape,
  rmsNorm,
  scope,
  selectiveScan,
  silu,
  split,
  sum,
  Tensor,
} from '../src/index.js';
import { Random, upload } from './support.js';

const [vocabulary, width, inner, state, batch, length] = [11, 6, 10, 4, 2, 7];

function parameters(): Record<string, Tensor> {
  const random = new Random(1);
  const shapes = {
    table: [vocabulary, width],
    norm: [width],
    inProjection: [2 * inner, width],
    taps: [inner, 4],
    select: [inner + 2 * state, inner],
    logA: [inner, state],
    D: [inner],
    outProjection: [width, inner],
  };
  return Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, upload(random.array(shape, -0.5, 0.5))]));
}

/** One block of Mamba between an embedding and its transpose: every kind of op. */
function loss(p: Record<string, Tensor>, ids: Tensor, labels: Tensor): Tensor<'f32'> {
  const h = embedding(ids, p.table!);
  const [x, z] = split(linear(rmsNorm({ x: h, weight: p.norm! }, { epsilon: 1e-5 }).y, p.inProjection!), [inner, inner]);
  const u = silu(causalConv1d({ x: x!, weight: p.taps! }).y);
  const [delta, B, C] = split(linear(u, p.select!), [inner, state, state]);
  const grouped = (tensor: Tensor): Tensor => reshape(tensor, [batch, length, 1, state]);
  const { y } = selectiveScan({ u, delta: delta!, A: negExp(p.logA!), B: grouped(B!), C: grouped(C!), D: p.D! }, { softplus: true });
  const out = rmsNorm({ x: linear(gate({ x: y, z: z! }), p.outProjection!), residual: h }, { epsilon: 1e-5 }).y;
  return sum(crossEntropy(reshape(linear(out, p.table!), [batch * length, vocabulary]), labels));
}

test('1,000 steps of training hold the device memory flat and bring the loss down', async () => {
  const p = parameters();
  const names = Object.keys(p);
  const zeros = (): Record<string, Tensor> => Object.fromEntries(names.map((name) => [name, Tensor.full(p[name]!.shape, 0)]));
  const [m, v] = [zeros(), zeros()];
  const random = new Random(2);
  const some = (): Tensor<'i32'> => Tensor.from(Int32Array.from({ length: batch * length }, () => Math.floor(random.next() * vocabulary)));
  const [ids, labels] = [some().view([batch, length]), some()];

  const step = (number: number): Tensor<'f32'> =>
    scope(() => {
      const { value, gradients } = gradient(
        () => loss(p, ids, labels),
        names.map((name) => p[name]!),
      );
      adamw(
        names.map((name, i) => ({ parameter: p[name]!, gradient: gradients[i]!, m: m[name]!, v: v[name]! })),
        { learningRate: 3e-3, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decay: 0, step: number, gradientScale: 1 },
      );
      return value;
    });

  const device = openDevice();
  const losses: number[] = [];
  const held: number[] = [];
  const cached: number[] = [];
  for (let i = 1; i <= 1000; i++) {
    const value = step(i);
    if (i % 100 === 1 || i === 1000) losses.push(await value.item());
    value.dispose();
    if (i % 100 === 0) {
      held.push(device.memory().live);
      cached.push(device.memory().cached);
    }
  }
  expect(new Set(held).size).toBe(1);
  expect(new Set(cached).size).toBe(1);
  expect(losses.at(-1)).toBeLessThan(0.1 * losses[0]!);
});
