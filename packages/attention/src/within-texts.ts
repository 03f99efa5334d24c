import { multiply, scope, Tensor, type Float } from '@hidden-attention/tensor';
import type { Operator } from './layer.js';
import type { RowRange } from './positions.js';

/**
 * An operator over rows that hold several texts, one behind the other (`texts`: their lengths), seen so that no text reads of another:
 * a matrix of blocks along the diagonal. Within a text the kernels' matrices are right as they are, since nothing of what lies before the
 * text is in them; what they say of other texts is taken out. Products are the operator's own, which knows where texts begin.
 */
export function withinTexts<Of extends Operator>(operator: Of, texts: readonly (readonly number[])[]): Of {
  const length = operator.shape[1];
  const within = (matrix: Tensor, range: RowRange, heads: number): Tensor<Float> =>
    multiply(matrix, Tensor.from(diagonalBlocks(texts, length, range, heads), matrix.shape, operator.device));
  return {
    ...operator,
    matrixOf: (channels, range) => scope(() => within(operator.matrixOf(channels, range), range, channels.length)),
    matrixReduced: (reduce, range) => scope(() => within(operator.matrixReduced(reduce, range), range, 1)),
  };
}

/** Rows start…end−1 of `heads` matrices a row (b heads rows l): 1 where the position lies in the row's text, 0 elsewhere. */
function diagonalBlocks(
  texts: readonly (readonly number[])[],
  length: number,
  { start, end }: RowRange,
  heads: number,
): Float32Array<ArrayBuffer> {
  const size = (end - start) * length;
  const mask = new Float32Array(texts.length * heads * size);
  texts.forEach((own, b) => {
    const one = mask.subarray(b * heads * size, (b * heads + 1) * size);
    let first = 0;
    for (const each of own) {
      for (let i = Math.max(first, start); i < Math.min(first + each, end); i++) {
        const row = (i - start) * length;
        one.fill(1, row + first, row + first + each);
      }
      first += each;
    }
    for (let head = 1; head < heads; head++) mask.set(one, (b * heads + head) * size);
  });
  return mask;
}
