// Trained, not constructed: one selective channel and one attention head (softmax, and without) learn to count ones in a row on texts of 16
// bits, and are then asked about longer ones. Prints the error against the length.
import {
  adamw,
  add,
  gradient,
  matmul,
  reshape,
  scope,
  selectiveScan,
  softmaxAttention,
  softplus,
  square,
  subtract,
  sum,
  Tensor,
} from '@hidden-attention/tensor';
import { countInRow } from './count-in-row.mjs';

const hidden = 4; // numbers that a bit becomes: query, key and value of the head, and B, C of the channel, have as many

function randomBits(seed) {
  let state = seed * 2654435761 + 1;
  return () => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32 < 0.7 ? 1 : 0);
}
function batchOf(seed, rows, length) {
  const draw = randomBits(seed);
  const bits = Array.from({ length: rows }, () => Array.from({ length }, draw));
  const flat = (lists) => Float32Array.from(lists.flat());
  // a bit as two numbers: which one it is
  const oneHot = Float32Array.from(bits.flat().flatMap((bit) => [1 - bit, bit]));
  return { x: Tensor.from(oneHot, [rows * length, 2]), wanted: Tensor.from(flat(bits.map(countInRow)), [rows * length, 1]), rows, length };
}

/** y of one channel: Δ, B, C linear in the bit, as in S6; its input is the bit's number, too. */
const channel = {
  shapes: { u: [2, 1], delta: [2, 1], B: [2, hidden], C: [2, hidden], logA: [1, hidden], out: [1, 1], bias: [1, 1] },
  forward(w, { x, rows, length }) {
    const of = (name, shape) => reshape(matmul(x, w[name]), [rows, length, ...shape]);
    const { y } = selectiveScan({
      u: of('u', [1]),
      delta: softplus(of('delta', [1])),
      A: reshape(subtract(Tensor.full([1, hidden], 0), softplus(w.logA)), [1, hidden]),
      B: of('B', [1, hidden]),
      C: of('C', [1, hidden]),
    });
    return add(matmul(reshape(y, [rows * length, 1]), w.out), w.bias);
  },
};
/** y of one softmax head without positions. */
const head = {
  shapes: { q: [2, hidden], k: [2, hidden], v: [2, hidden], out: [hidden, 1], bias: [1, 1] },
  forward(w, { x, rows, length }) {
    const of = (name) => reshape(matmul(x, w[name]), [rows, length, 1, hidden]);
    const { y } = softmaxAttention({ q: of('q'), k: of('k'), v: of('v') });
    return add(matmul(reshape(y, [rows * length, hidden]), w.out), w.bias);
  },
};
/** y of one causal head without softmax: the scan with a state that never decays, v alone its input. */
const linearHead = {
  shapes: { u: [2, 1], B: [2, hidden], C: [2, hidden], out: [1, 1], bias: [1, 1] },
  forward(w, { x, rows, length }) {
    const of = (name, shape) => reshape(matmul(x, w[name]), [rows, length, ...shape]);
    const { y } = selectiveScan({
      u: of('u', [1]),
      delta: Tensor.full([rows, length, 1], 1),
      A: Tensor.full([1, hidden], 0),
      B: of('B', [1, hidden]),
      C: of('C', [1, hidden]),
    });
    return add(matmul(reshape(y, [rows * length, 1]), w.out), w.bias);
  },
};
export const mixers = { channel, head, linearHead };

/** Mean squared error after training with AdamW, by length of the text asked about. */
export async function trained(mixer, { seed = 1, steps = 600, lengths = [8, 16, 32, 64, 128, 256] } = {}) {
  const draw = randomBits(seed + 77);
  const uniform = () => Array.from({ length: 24 }, draw).reduce((a, bit, i) => a + bit * 2 ** -(i + 1), 0) - 0.5;
  const names = Object.keys(mixer.shapes);
  const fresh = (value) =>
    names.map((name) => Tensor.from(Float32Array.from({ length: mixer.shapes[name].reduce((a, b) => a * b) }, value), mixer.shapes[name]));
  const [weights, m, v] = [fresh(uniform), fresh(() => 0), fresh(() => 0)];
  const named = Object.fromEntries(names.map((name, i) => [name, weights[i]]));
  const loss = (batch) => sum(square(subtract(mixer.forward(named, batch), batch.wanted)));
  for (let step = 1; step <= steps; step++)
    scope(() => {
      const batch = batchOf(1000 * seed + step, 32, 16);
      const { gradients } = gradient(() => loss(batch), weights);
      const rate = 0.03 * Math.min(1, step / 20) * (1 - step / (steps + 1));
      adamw(
        weights.map((parameter, i) => ({ parameter, gradient: gradients[i], m: m[i], v: v[i] })),
        { learningRate: rate, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decay: 0, step, gradientScale: 1 / 512 },
      );
    });
  const errors = [];
  for (const length of lengths) {
    const total = scope(() => loss(batchOf(999_983 + seed, 32, length)));
    errors.push((await total.item()) / (32 * length));
    total.dispose();
  }
  for (const tensor of [...weights, ...m, ...v]) tensor.dispose();
  return errors;
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const lengths = [8, 16, 32, 64, 128, 256];
  console.log('mean squared error of', 'length', ...lengths);
  for (const [name, mixer] of Object.entries(mixers))
    for (const seed of [1, 2, 3])
      console.log(name, 'seed', seed, ...(await trained(mixer, { seed, lengths })).map((error) => error.toPrecision(3)));
}
