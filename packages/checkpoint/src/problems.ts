import type { ModelConfig, ParameterSpec } from '@hidden-attention/model';
import { formatShape } from '@hidden-attention/tensor';
import { CheckpointError } from './errors.js';
import type { StoredTensor } from './file-reading.js';
import type { Weights } from './weights.js';

/** What keeps a model from being made of its weights. */
export interface Problems {
  /** parameters that no file has */
  missing: { name: string; shape: readonly number[] }[];
  /** parameters of another shape or type than config.json makes them: a sentence each */
  wrong: string[];
}

export function problemsOf({ tensors }: Weights, specs: Record<string, ParameterSpec>): Problems {
  const problems: Problems = { missing: [], wrong: [] };
  for (const [name, { shape }] of Object.entries(specs)) {
    const stored = tensors.get(name);
    if (!stored) problems.missing.push({ name, shape });
    else if (formatShape(stored.shape) !== formatShape(shape))
      problems.wrong.push(`${name} is ${formatShape(stored.shape)}; config.json makes it ${formatShape(shape)}`);
    else if (!/^B?F/.test(stored.dtype)) problems.wrong.push(`${name} is ${stored.dtype}; a floating-point type is needed`);
  }
  return problems;
}

/** @throws CheckpointError naming all of them */
export function refuseProblems(path: string, { missing, wrong }: Problems): void {
  const all = [...missing.map(({ name, shape }) => `${name} ${formatShape(shape)} is missing`), ...wrong];
  if (all.length > 0) throw new CheckpointError(`the weights of ${path} are not those of its config.json: ${all.join('; ')}`);
}

/** Masks and tables of angles that older checkpoints store beside the weights of transformers. */
const computed = /\.(attn|attention)\.(bias|masked_bias|rotary_emb\.inv_freq)$/;

/** Names that the model has no use for. The head of a tied model counts as used where it holds what the embeddings hold. */
export async function unusedNames({ tensors }: Weights, specs: Record<string, ParameterSpec>, { head }: ModelConfig): Promise<string[]> {
  const unused = [...tensors.keys()].filter((name) => !Object.hasOwn(specs, name) && !computed.test(name));
  const tied = head.kind === 'language-model' && head.tied && unused.find((name) => /^(lm_head|embed_out)\.weight$/.test(name));
  const [embeddings] = Object.keys(specs);
  const held = tensors.get(embeddings!);
  if (!tied || !held || !(await sameNumbers(tensors.get(tied)!, held))) return unused;
  return unused.filter((name) => name !== tied);
}

async function sameNumbers(a: StoredTensor, b: StoredTensor): Promise<boolean> {
  if (formatShape(a.shape) !== formatShape(b.shape)) return false;
  const [left, right] = await Promise.all([a.read(), b.read()]);
  return left.every((number: number | bigint, i: number) => Object.is(number, right[i]));
}
