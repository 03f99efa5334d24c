import { multiply, scope, sum, sumLast, type Tensor } from '@hidden-attention/tensor';

/** Value times gradient, summed over the last axis: (1 l m) twice → (l). */
export async function relevanceOf(value: Tensor, gradient: Tensor): Promise<Float64Array> {
  const relevance = scope(() => sumLast(multiply(value, gradient)));
  const result = Float64Array.from(await relevance.read());
  relevance.dispose();
  return result;
}

/** Value times gradient, summed over everything. */
export async function totalRelevance(value: Tensor, gradient: Tensor): Promise<number> {
  const total = scope(() => sum(multiply(value, gradient)));
  const result = await total.item();
  total.dispose();
  return result;
}
