import { abs, add, concat, matmul, multiply, scope, sumLast, Tensor, type Float } from '@hidden-attention/tensor';
import type { Question } from '../question.js';

/** Positions that are run at once where a method asks many times. */
const positionsAtOnce = 4096;

/** The input's embeddings: (1 l m). */
export const embeddingsOf = (question: Question): Tensor => question.stream()[0]!;

/**
 * Σ_k weight_k·f(∂score/∂embeddings at embeddings k), f the gradient itself or its square: (1 l m). Embeddings are made when their turn
 * comes, some at a time as one batch.
 * @param make embeddings number k: (1 l m)
 */
export async function weightedGradients(
  question: Question,
  weights: readonly number[],
  make: (k: number) => Tensor,
  squared = false,
): Promise<Tensor<Float>> {
  const { shape } = embeddingsOf(question);
  const atOnce = Math.max(1, Math.floor(positionsAtOnce / question.length));
  const parts: Tensor<Float>[] = [];
  for (let from = 0; from < weights.length; from += atOnce) {
    const some = weights.slice(from, from + atOnce);
    const rows = scope(() =>
      concat(
        Array.from(some, (_, i) => make(from + i)),
        0,
      ),
    ); //                 (k l m)
    const gradient = await question.gradientAt(rows);
    const before = parts.pop();
    parts.push(
      scope(() => {
        const flat = gradient.view([some.length, gradient.size / some.length]);
        const own = Tensor.from(Float32Array.from(some), [1, some.length], rows.device);
        const part = matmul(own, squared ? multiply(flat, flat) : flat).view(shape);
        return before ? add(before, part) : part;
      }),
    );
    for (const tensor of [rows, gradient, before]) tensor?.dispose();
  }
  return parts[0]!;
}

/** Over the hidden size. */
export type Norm = 'l1' | 'l2' | 'max';

/** Norms over the hidden size of gradients (1 l m): (l). 'l2' is √Σg², 'l1' Σ|g|, 'max' the largest |g|. */
export async function normsOf(gradient: Tensor, norm: Norm): Promise<Float64Array> {
  const numbers = scope(() => (norm === 'max' ? sumLast(abs(gradient), 'max') : sumLast(gradient, norm === 'l1' ? 'abs' : 'squares')));
  const values = Float64Array.from(await numbers.read());
  numbers.dispose();
  return norm === 'l2' ? values.map(Math.sqrt) : values;
}
