import { recomputed, scope, type Tensor } from '@hidden-attention/tensor';
import type { ForwardOptions } from './family.js';
import type { Model } from './model.js';
import type { Sites } from './sites.js';
import { factsOf, tensorsOf, type LayerState } from './state.js';

/** What a layer gives. */
export interface LayerResult<State extends LayerState = LayerState> {
  output: Tensor;
  state: State;
}

/** A layer, and everything that it reads. */
export interface LayerCall {
  model: Model;
  /** in front of the names of its parameters */
  prefix: string;
  /** the names of its sites */
  sites: readonly string[];
  /** what it reads beside its parameters */
  inputs: readonly (Tensor | undefined)[];
  body: () => LayerResult;
}

/**
 * Runs a layer and frees what it made on the way, but what a tape keeps and what was captured; with `recompute` and nobody looking
 * inside, it keeps only its ends for a gradient.
 */
export function runLayer({ recompute }: ForwardOptions, watched: Sites, { model, prefix, sites, inputs, body }: LayerCall): LayerResult {
  if (watched.patched(...sites)) return body(); // a patch may hold on to what it was shown
  if (!recompute || !watched.quiet(...sites)) return scope(() => ({ result: body(), captured: watched.captured })).result;
  const parameters = [...model.parameters].filter(([name]) => name.startsWith(prefix)).map(([, tensor]) => tensor);
  const used = [...inputs.filter((tensor) => tensor !== undefined), ...parameters];
  let facts: Record<string, unknown> = {};
  const { output, ...state } = recomputed(used, () => {
    const result = body();
    facts = factsOf(result.state);
    return { ...tensorsOf(result.state), output: result.output };
  });
  return { output: output!, state: { ...state, ...facts } as LayerState };
}
