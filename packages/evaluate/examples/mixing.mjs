// How layers mix positions (theorem 1 of the paper): S4-like layers by an operator that no input changes, gated convolutions by one that the
// input changes by a factor for each row and each column, selective layers by one that it changes off the diagonal as well.
import { attentionMatrix, scope, Tensor } from '@hidden-attention/tensor';

const [length, states] = [6, 4];
const numbers = (seed, count, low, high) =>
  Float32Array.from({ length: count }, (_, i) => low + (high - low) * (((Math.sin(seed * 97 + i * 12.9898) * 43758.5453) % 1) + 1) * 0.5);
const fixed = { A: numbers(1, states, -2, -0.2), B: numbers(2, states, 0.2, 1), C: numbers(3, states, 0.2, 1), delta: 0.5 };
const repeated = (values) => Float32Array.from({ length: length * values.length }, (_, i) => values[i % values.length]);

/** The matrix of one channel, row by row; dynamics (l), (l n), (l n). */
async function matrixOf(delta, B, C) {
  const of = (values, shape) => Tensor.from(values, shape);
  const perState = [1, length, 1, states];
  const dynamics = () => ({ delta: of(delta, [1, length, 1]), A: of(fixed.A, [1, states]), B: of(B, perState), C: of(C, perState) });
  const matrix = scope(() => attentionMatrix(dynamics(), { channels: [0] }));
  const values = await matrix.read();
  matrix.dispose();
  return values;
}

/** S4, DSS, S5: Δ, B and C are learnt once, and are the same for all inputs. */
export const fixedMixing = () => matrixOf(new Float32Array(length).fill(fixed.delta), repeated(fixed.B), repeated(fixed.C));

/** GSS, Hyena: the same operator between two gates of the input: a factor a row, a factor a column. */
export async function gatedMixing(input) {
  const matrix = await fixedMixing();
  return matrix.map((value, at) => (1 + input[Math.floor(at / length)]) * value * (2 + input[at % length]));
}

/** S6: Δ, B and C are functions of the input. */
export const selectiveMixing = (input) =>
  matrixOf(
    Float32Array.from(input, (x) => Math.log1p(Math.exp(x))),
    Float32Array.from({ length: length * states }, (_, i) => fixed.B[i % states] * (1 + input[Math.floor(i / states)] ** 2)),
    Float32Array.from({ length: length * states }, (_, i) => fixed.C[i % states] * (2 + input[Math.floor(i / states)])),
  );

/**
 * How two operators differ: 'same'; 'diagonal', if one is the other with a factor for each row and each column, so that all 2 × 2 minors
 * of their ratios vanish; else 'off-diagonal'. Lower triangles only.
 */
export function difference(one, other) {
  const ratio = (i, j) => other[i * length + j] / one[i * length + j];
  let [changed, minors] = [0, 0];
  for (let i = 0; i < length; i++)
    for (let j = 0; j <= i; j++) {
      changed = Math.max(changed, Math.abs(ratio(i, j) - 1));
      if (i + 1 < length && j + 1 <= i)
        minors = Math.max(minors, Math.abs((ratio(i, j) * ratio(i + 1, j + 1)) / (ratio(i, j + 1) * ratio(i + 1, j)) - 1));
    }
  return changed < 1e-5 ? 'same' : minors < 1e-4 ? 'diagonal' : 'off-diagonal';
}

export const inputs = [numbers(5, length, -1, 1), numbers(8, length, -1, 1)];

if (process.argv[1] === new URL(import.meta.url).pathname) {
  console.log('S4-like:', difference(await fixedMixing(inputs[0]), await fixedMixing(inputs[1])));
  console.log('gated:', difference(await gatedMixing(inputs[0]), await gatedMixing(inputs[1])));
  console.log('selective:', difference(await selectiveMixing(inputs[0]), await selectiveMixing(inputs[1])));
}
