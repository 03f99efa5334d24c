import { multiply, scope, sum, sumLast, type RuleSet, type Tensor } from '@hidden-attention/tensor';
import type { Relevance } from '../explainer.js';
import type { Question } from '../question.js';
import { pixelsOf } from './pixels.js';

/** Value times gradient, summed over the last axis: (1 l m) twice → (l). */
export async function relevanceOf(value: Tensor, gradient: Tensor): Promise<Float64Array> {
  const relevance = scope(() => sumLast(multiply(value, gradient)));
  const result = Float64Array.from(await relevance.read());
  relevance.dispose();
  return result;
}

/** Value times gradient, summed over everything. */
async function totalRelevance(value: Tensor, gradient: Tensor): Promise<number> {
  const total = scope(() => sum(multiply(value, gradient)));
  const result = await total.item();
  total.dispose();
  return result;
}

/**
 * Value × gradient under some rules: of the embeddings (and of an image's pixels), of the residual stream after each layer, and of all
 * biases together.
 */
export async function shares(question: Question, rules: RuleSet): Promise<Relevance> {
  const { stream, biases } = await question.gradient(rules);
  const values = question.stream();
  const maps = await Promise.all(values.map((value, at) => relevanceOf(value, stream[at]!)));
  const ofBiases = await Promise.all([...question.biases()].map(([name, bias]) => totalRelevance(bias, biases.get(name)!)));
  const pixels = await pixelsOf(question, stream[0]!);
  return { scores: maps[0]!, layers: maps.slice(1), biases: ofBiases.reduce((total, share) => total + share, 0), ...pixels };
}
