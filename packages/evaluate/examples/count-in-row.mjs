// One selective channel counts ones in a row, for any length; one softmax head without positions cannot (theorem 2 of the paper).
import { scope, selectiveScan, softmaxAttention, Tensor } from '@hidden-attention/tensor';

/** What is to be computed: at each position the ones in a row that end there. */
export const countInRow = (bits) => {
  let count = 0;
  return Array.from(bits, (bit) => (count = bit ? count + 1 : 0));
};

/**
 * The construction: one channel, one state, no discretisation: Ā_t = x_t, B̄_t = 1, C = 1, so that h_t = x_t·h_{t−1} + x_t. Lemma 1 as printed
 * has h_t = h_{t−1} + x_t, which never goes back to zero and counts all ones.
 */
export const construction = (bits) => {
  let state = 0;
  return Array.from(bits, (bit) => (state = bit * state + bit));
};
export const asPrinted = (bits) => {
  let state = 0;
  return Array.from(bits, (bit) => (state = state + bit));
};

/**
 * The same by the kernel that models run, discretisation and all: A = −1; Δ of a one is 2⁻³⁰, whose decay is 1 in f32, of a zero 200,
 * whose decay is 0; B = 2³⁰ undoes the Δ in B̄.
 */
export async function byTheKernel(bits) {
  const length = bits.length;
  const column = (values, shape) => Tensor.from(Float32Array.from(values), shape);
  const y = scope(
    () =>
      selectiveScan({
        u: column(bits, [1, length, 1]),
        delta: column(
          Array.from(bits, (bit) => (bit ? 2 ** -30 : 200)),
          [1, length, 1],
        ),
        A: column([-1], [1, 1]),
        B: column(Array(length).fill(2 ** 30), [1, length, 1, 1]),
        C: column(Array(length).fill(1), [1, length, 1, 1]),
      }).y,
  );
  const numbers = await y.read();
  y.dispose();
  return numbers;
}

/**
 * What any softmax head without positions gives at the last of some bits, its query, key and value being any functions of a bit (two
 * numbers each): (0 1 1) and (1 0 1) are the same bits with the same query, and must be told apart.
 */
export async function lastOfHead(bits, { query, key, value }) {
  const row = (of) =>
    Tensor.from(
      Float32Array.from(bits, (bit) => of[bit]),
      [1, bits.length, 1, 1],
    );
  const y = scope(() => softmaxAttention({ q: row(query), k: row(key), v: row(value) }).y);
  const numbers = await y.read();
  y.dispose();
  return numbers.at(-1);
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const bits = [0, 1, 1, 0, 1, 1, 1, 0, 1];
  console.log('bits            ', ...bits);
  console.log('ones in a row   ', ...countInRow(bits));
  console.log('one channel     ', ...construction(bits));
  console.log('by the kernel   ', ...(await byTheKernel(bits)));
  console.log('lemma as printed', ...asPrinted(bits));
  const head = { query: [0.3, -1.2], key: [0.7, 2], value: [-0.5, 3] };
  console.log(
    'a head at the end of 0 1 1 and of 1 0 1:',
    await lastOfHead([0, 1, 1], head),
    await lastOfHead([1, 0, 1], head),
    '(needed: 2 and 1)',
  );
}
