import { disposeBatch, disposeState, layerKindsOf, type Model } from '@hidden-attention/model';
import { embedding, multiply, scope, sumLast, Tensor } from '@hidden-attention/tensor';
import { ExplainError } from '../errors.js';
import { cleanRun, effectOn, type Effect, type Subject } from './subject.js';

export interface PruningRequest extends Omit<Subject, 'input'> {
  /** one text */
  ids: ArrayLike<number>;
  /** the layers in which tokens are dropped, first to last, negative from the end */
  layers: readonly number[];
  /** tokens kept in the first of these; default 2000 */
  keep?: number;
  /** what of that is kept from one to the next; default 0.5 */
  decay?: number;
  /** tokens kept at least; default 20 */
  minimum?: number;
  /** positions that always stay, negative from the end; default the last, where a language model answers */
  protect?: readonly number[];
}

export interface PruningResult extends Effect {
  target: number;
  /** positions left after each of the layers, ascending */
  kept: { layer: number; positions: number[] }[];
}

/**
 * Drops tokens inside the model, as DeciMamba does for texts longer than a model was trained on (Ben-Kish et al. 2025, arXiv 2406.14528): in
 * each of some layers the max(min(L, keep·decay^s), minimum) tokens with the largest ‖Δ‖₂ over channels stay, s counting these layers
 * from 0; the scan steps over the others (Δ = 0 neither decays nor writes) and later layers do not see them.
 * @throws ExplainError for a layer that is no scan, or figures out of range
 */
export async function pruneTokens(request: PruningRequest): Promise<PruningResult> {
  const { model, keep = 2000, decay = 0.5, minimum = 20, protect = [-1] } = request;
  const ids = Int32Array.from(request.ids);
  const layers = scansOf(model, request.layers);
  const stay = protect.map((at) => (at < 0 ? ids.length + at : at));
  check({ keep, minimum }, decay, stay, ids.length);
  const clean = await cleanRun({ ...request, input: ids }, ['embeddings']);
  let positions = Array.from(ids.keys());
  let stream = clean.captured['embeddings']!.view();
  let from = 0;
  const kept: PruningResult['kept'] = [];
  for (const [step, layer] of layers.entries()) {
    const count = Math.max(Math.min(positions.length, Math.floor(keep * decay ** step)), Math.min(minimum, positions.length));
    const sizes = await stepSizes(model, stream, from, layer);
    const rank = [...positions.keys()].toSorted(
      (a, b) => Number(stay.includes(positions[b]!)) - Number(stay.includes(positions[a]!)) || sizes[b]! - sizes[a]! || a - b,
    );
    const chosen = rank.slice(0, count).toSorted((a, b) => a - b);
    const next = through(model, stream, from, layer, chosen);
    stream.dispose();
    stream = next;
    positions = chosen.map((at) => positions[at]!);
    kept.push({ layer, positions });
    from = layer + 1;
  }
  const left = await cleanRun({ model, input: positions.map((at) => ids[at]!), target: clean.target }, [], {
    embeddings: stream,
    fromLayer: from,
  });
  for (const held of [clean, left]) held.dispose();
  stream.dispose();
  return { target: clean.target, kept, ...effectOn(clean.target, clean.logits, left.logits) };
}

function scansOf(model: Model, layers: readonly number[]): number[] {
  const kinds = layerKindsOf(model);
  if (layers.length === 0)
    throw new ExplainError('no layers were given in which tokens are dropped; name some, for example the middle one');
  const chosen = layers.map((layer) => (layer < 0 ? kinds.length + layer : layer));
  for (const [i, layer] of chosen.entries()) {
    if (kinds[layer] === undefined) throw new ExplainError(`layer ${layer} does not exist; the model has layers 0 to ${kinds.length - 1}`);
    if (kinds[layer] !== 'scan') throw new ExplainError(`tokens are dropped by the Δ of a scan; layer ${layer} is ${kinds[layer]}`);
    if (i > 0 && layer <= chosen[i - 1]!)
      throw new ExplainError(`layer ${layer} comes after layer ${chosen[i - 1]}; give layers from the first to the last`);
  }
  return chosen;
}

function check(counts: Record<string, number>, decay: number, protect: readonly number[], length: number): void {
  for (const [name, value] of Object.entries(counts))
    if (!Number.isInteger(value) || value < 1)
      throw new ExplainError(`${name} is ${value}; a whole number of tokens of at least 1 is needed`);
  if (!(decay > 0 && decay <= 1)) throw new ExplainError(`decay is ${decay}; a share above 0 and at most 1 is needed`);
  const wrong = protect.find((at) => !Number.isInteger(at) || at < 0 || at >= length);
  if (wrong !== undefined) throw new ExplainError(`position ${wrong} does not exist; the text has positions 0 to ${length - 1}`);
}

/** ‖Δ‖₂ of each token in a layer: (l). */
async function stepSizes(model: Model, stream: Tensor, fromLayer: number, layer: number): Promise<Float32Array> {
  const squares = scope(() => {
    const batch = model.batch([new Int32Array(stream.shape[1]!)]);
    const { captured } = model.forward(batch, { embeddings: stream, fromLayer, capture: [`layers.${layer}.delta`], logits: 'none' });
    return sumLast(captured[`layers.${layer}.delta`]!, 'squares'); //                                  (1 l)
  });
  const numbers = await squares.read();
  squares.dispose();
  return numbers.map(Math.sqrt);
}

/** The stream of the chosen tokens after a layer whose scan steps over the others: (1 kept m). */
function through(model: Model, stream: Tensor, fromLayer: number, layer: number, chosen: readonly number[]): Tensor {
  const [, length, width] = stream.shape as [number, number, number];
  const batch = model.batch([new Int32Array(length)]); // any ids: the stream stands for them
  const mask = new Float32Array(length);
  for (const at of chosen) mask[at] = 1;
  const result = scope(() => {
    const kept = Tensor.from(mask, [1, length, 1], model.device);
    const output = `layers.${layer}.output`;
    const patch = { [`layers.${layer}.delta`]: (value: Tensor): Tensor => multiply(value, kept) };
    const { captured, state } = model.forward(batch, { embeddings: stream, fromLayer, patch, capture: [output], logits: 'none' });
    disposeState(state);
    const numbers = Tensor.from(Int32Array.from(chosen), [chosen.length], model.device);
    return embedding(numbers, captured[output]!.view([length, width])).view([1, chosen.length, width]);
  });
  disposeBatch(batch);
  return result;
}
