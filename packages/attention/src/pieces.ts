import { disposeState, layerKindsOf, type Dynamics, type ScanDynamics, type Model, type ModelState } from '@hidden-attention/model';
import { scope, Tensor } from '@hidden-attention/tensor';

/** A stretch of a text, positions start…end−1, and the model's state before it. */
export interface Piece {
  start: number;
  end: number;
  state: ModelState;
}

/** Where a text of `length` positions is cut into pieces of `size`. */
export function cut(length: number, size: number): { start: number; end: number }[] {
  if (!Number.isInteger(size) || size < 1) throw new RangeError(`piece is ${size}; it must be a whole number of positions, at least 1`);
  return Array.from({ length: Math.ceil(length / size) }, (_, i) => ({ start: i * size, end: Math.min(length, (i + 1) * size) }));
}

/** Runs a text through the model piece by piece and keeps the state before each; `visit` sees each piece before the next is run. */
export async function walk(model: Model, ids: Int32Array, size: number, visit?: (piece: Piece) => Promise<void>): Promise<Piece[]> {
  const pieces: Piece[] = [];
  let state = model.initialState(1);
  for (const range of cut(ids.length, size)) {
    const piece = { ...range, state };
    pieces.push(piece);
    await visit?.(piece);
    if (range.end < ids.length) {
      state = scope(() => model.forward(model.batch([ids.subarray(range.start, range.end)]), { state: piece.state, logits: 'none' }).state);
      await model.device.finish(); // one piece in flight
    }
  }
  return pieces;
}

/**
 * That some layers are scans, whose state carries what earlier positions ask.
 * @throws RangeError naming the first that is not, and what to do
 */
export function requireScans(model: Model, layers: readonly number[], what: string): void {
  const kinds = layerKindsOf(model);
  const other = layers.find((layer) => kinds[layer] !== 'scan');
  if (other !== undefined)
    throw new RangeError(
      `${what} follows the states of scans; layer ${other} is softmax attention. Use an attention view, or other layers`,
    );
}

/** The dynamics of some layers over a piece, computed from its state; by default all are scans (`requireScans`). */
export function dynamicsOf<Of extends Dynamics = ScanDynamics>(
  model: Model,
  ids: Int32Array,
  { start, end, state }: Piece,
  layers: readonly number[],
): Of[] {
  const { family } = model;
  return scope(() => {
    const capture = layers.flatMap((layer) => family.dynamicsSites(layer, model.config));
    const { captured } = model.forward(model.batch([ids.subarray(start, end)]), { state, capture, logits: 'none' });
    return layers.map((layer) => family.dynamics(model, captured, layer) as Of);
  });
}

/** Frees tensors, wherever they stand in these values. */
export function disposeAll(values: readonly (Dynamics | Tensor | Piece)[]): void {
  for (const value of values) {
    if (value instanceof Tensor) value.dispose();
    else if ('state' in value) disposeState(value.state);
    else for (const tensor of Object.values(value)) if (tensor instanceof Tensor) tensor.dispose();
  }
}
