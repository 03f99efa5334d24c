import { knockoutPatches, type KnockoutOptions } from '@hidden-attention/attention';
import { disposeBatch, type Model } from '@hidden-attention/model';
import { scope, type Tensor } from '@hidden-attention/tensor';
import { positionsAtOnce } from '../answer.js';
import { ExplainError } from '../errors.js';
import { answersUnder, cleanRun, copiesOf, effectOn, repeatRow, type Effect, type Input, type Subject } from './subject.js';

/** Edges to cut, and of which answer the change is reported. */
export type KnockoutRequest = Subject & KnockoutOptions;

/**
 * Attention knockout: what becomes of the answer when some positions cannot read some others, in some layers and channels; see
 * `knockoutPatches` for what is cut. After Geva et al. 2023 (arXiv 2304.14767) and, for Mamba, Endy et al. 2025 (arXiv 2505.24244).
 * One pass more, linear in the length.
 */
export async function knockout(request: KnockoutRequest): Promise<Effect & { target: number }> {
  const { windows, target } = await knockoutWindows({ ...request, width: request.layers?.length ?? request.model.config.layers });
  const { layers: _, ...effect } = windows[0]!;
  return { target, ...effect };
}

/** The effect of cutting edges in a window of layers. */
export interface WindowEffect extends Effect {
  layers: number[];
}

/**
 * The same in each window of `width` neighbouring layers (of those in `layers`), the first to the last: where in depth the flow of
 * information passes. A window's pass starts at its first layer.
 * @param request.width layers that are cut together; default 1
 */
export async function knockoutWindows(request: KnockoutRequest & { width?: number }): Promise<{ target: number; windows: WindowEffect[] }> {
  const { model, input, width = 1, layers = Array.from({ length: model.config.layers }, (_, layer) => layer), ...options } = request;
  if (!Number.isInteger(width) || width < 1 || width > layers.length)
    throw new ExplainError(`width is ${width}; a whole number from 1 to ${layers.length} is needed, the number of layers`);
  const batch = copiesOf(model, input);
  const cuts = { edges: options.edges, ...(options.channels ? { channels: options.channels } : {}), ...directionOf(options) };
  const chosen = Array.from({ length: layers.length - width + 1 }, (_, first) => layers.slice(first, first + width));
  const patches = [];
  for (const window of chosen) patches.push(await knockoutPatches(model, batch, { ...cuts, layers: window })); // refuses before work starts
  const starts = chosen.map((window) => Math.min(...window.map((layer) => (layer < 0 ? model.config.layers + layer : layer))));
  const clean = await cleanRun(request, [...new Set(starts.map((layer) => `layers.${layer}.input`))]);
  const windows: WindowEffect[] = [];
  for (const [index, window] of chosen.entries()) {
    const from = starts[index]!;
    const embeddings = clean.captured[`layers.${from}.input`]!;
    const [logits] = await answersUnder(model, batch, { patch: patches[index]!, embeddings, fromLayer: from });
    windows.push({ layers: window, ...effectOn(clean.target, clean.logits, logits!) });
  }
  clean.dispose();
  disposeBatch(batch);
  return { target: clean.target, windows };
}

const directionOf = ({ direction }: Pick<KnockoutOptions, 'direction'>): Pick<KnockoutOptions, 'direction'> =>
  direction ? { direction } : {};

/**
 * The effect of each group of positions on the answer through attention: every other position stops reading the group, in all
 * layers. Groups are run as rows of batches.
 * @returns one effect a group
 */
export async function knockoutOfGroups({
  model,
  input,
  target,
  groups,
}: Subject & { groups: readonly (readonly number[])[] }): Promise<Effect[]> {
  const clean = await cleanRun({ model, input, target }, ['embeddings']);
  const effects: Effect[] = [];
  const some = Math.max(1, Math.floor(positionsAtOnce / clean.length));
  for (let start = 0; start < groups.length; start += some) {
    const own = groups.slice(start, start + some);
    const logits = await answersWithout(model, input, clean.captured['embeddings']!, own, clean.length);
    effects.push(...logits.map((after) => effectOn(clean.target, clean.logits, after)));
  }
  clean.dispose();
  return effects;
}

/** The answers when, in row r, nobody outside of group r reads it. */
async function answersWithout(
  model: Model,
  input: Input,
  stream: Tensor,
  groups: readonly (readonly number[])[],
  length: number,
): Promise<Float32Array[]> {
  const batch = copiesOf(model, input, groups.length);
  const others = groups.map((group) => Array.from({ length }, (_, at) => at).filter((at) => !group.includes(at)));
  const patch = await knockoutPatches(model, batch, { edges: [{ from: groups, to: others }] });
  const embeddings = scope(() => repeatRow(stream, groups.length));
  const logits = await answersUnder(model, batch, { patch, embeddings });
  embeddings.dispose();
  disposeBatch(batch);
  return logits;
}
