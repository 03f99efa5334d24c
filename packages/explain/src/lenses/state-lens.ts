import { attentionView, checkFits } from '@hidden-attention/attention';
import { layerKindsOf, type BlockParts, type Model } from '@hidden-attention/model';
import {
  abs,
  attentionMatrixReduced,
  embedding,
  multiply,
  reshape,
  scope,
  selectiveScanTransposed,
  sumLast,
  Tensor,
} from '@hidden-attention/tensor';
import { ExplainError } from '../errors.js';

export interface StateLensRequest {
  model: Model;
  /** one text */
  ids: ArrayLike<number>;
  /** the position after which the state is looked at, negative from the end; default the last */
  position?: number;
  /** negative from the end; default all that carry a state */
  layers?: readonly number[];
  /** less than this share of what was written counts as forgotten; default 0.01 */
  forgotten?: number;
  /** follow each token through the text for `halfLife` and `forgottenAt`, in time quadratic in its length; default up to 4096 positions */
  history?: boolean;
}

/** What one layer's state holds of each token. */
export interface StateReading {
  layer: number;
  /** of what each token wrote, the share that is left: Σ|decay·write| / Σ|write| over channels and states; 0 to 1 */
  remaining: Float64Array;
  /** of all that is left of all tokens, each one's share: they sum to 1 */
  share: Float64Array;
  /** steps after which at most half of a token's write was left; null where the text ends before */
  halfLife?: (number | null)[];
  /** the position at which less than `forgotten` was left; null where that has not happened */
  forgottenAt?: (number | null)[];
}

/** Up to this length tokens are followed unless told otherwise. */
const shortText = 4096;

/**
 * State lens: what the states hold after a position. Token j wrote Δ_j·B_j·x′_j into each layer's state, and exp(A·Σ_{k=j+1..t} Δ_k) of
 * it is left at t (math.md section 2). One scan backwards a layer: a row of α with C = 1 and |B|, times |x′|. With `history` rows of
 * that matrix are made in pieces.
 * @throws ExplainError for a layer that carries no state (softmax attention keeps all, and a layer that reads both ways nothing), or a
 * position that does not exist
 */
export async function stateLens(request: StateLensRequest): Promise<StateReading[]> {
  const { model, forgotten = 0.01 } = request;
  const ids = Int32Array.from(request.ids);
  const layers = scansOf(model, request.layers);
  const asked = request.position ?? -1;
  const position = asked < 0 ? ids.length + asked : asked;
  if (!Number.isInteger(position) || position < 0 || position >= ids.length)
    throw new ExplainError(`position ${asked} does not exist; the text has positions 0 to ${ids.length - 1}`);
  if (!(forgotten > 0 && forgotten < 1)) throw new ExplainError(`forgotten is ${forgotten}; a share between 0 and 1 is needed`);
  const history = request.history ?? ids.length <= shortText;
  using view = await attentionView(model, [ids.subarray(0, position + 1)]);
  const readings: StateReading[] = [];
  for (const layer of layers)
    readings.push(await readLayer(layer, view.layer(layer).parts() as BlockParts, history ? forgotten : undefined));
  return readings;
}

function scansOf(model: Model, layers: readonly number[] | undefined): number[] {
  const kinds = layerKindsOf(model);
  const scans = [...kinds.keys()].filter((layer) => kinds[layer] === 'scan');
  const chosen = (layers ?? scans).map((layer) => (layer < 0 ? kinds.length + layer : layer));
  for (const layer of chosen) {
    const kind = kinds[layer];
    if (kind === undefined) throw new ExplainError(`layer ${layer} does not exist; the model has layers 0 to ${kinds.length - 1}`);
    if (kind !== 'scan')
      throw new ExplainError(
        `layer ${layer} ${kind === 'softmax' ? 'is softmax attention, which keeps every position' : 'reads both ways and carries no state'}; layers with a state: ${scans.join(', ') || 'none'}`,
      );
  }
  if (chosen.length === 0)
    throw new ExplainError(
      `no layer of this model carries a state: its layers are ${[...new Set(kinds)].join(', ')}; the state lens needs scans`,
    );
  return chosen;
}

async function readLayer(layer: number, { delta, A, B, u }: BlockParts, forgotten: number | undefined): Promise<StateReading> {
  const [, length] = u.shape as [number, number];
  const size = abs(B);
  const ones = Tensor.full(B.shape, 1, B.device);
  const weight = abs(u);
  const found = scope(() => {
    const left = selectiveScanTransposed({ delta, A, B: size, C: ones }, { position: length - 1 }); // (1 l d)
    const [groups] = B.shape.slice(2) as [number];
    const each = multiply(weight, delta).view([length * groups, weight.size / (length * groups)]);
    const written = multiply(each, sumLast(size).view([length * groups, 1])).view(weight.shape); //     |x′|·Δ·Σ_n |B|
    return { left: sumLast(multiply(left, weight)), written: sumLast(written) }; //                     (1 l)
  });
  const [left, written] = await Promise.all([found.left.read(), found.written.read()]);
  for (const tensor of Object.values(found)) tensor.dispose();
  const total = left.reduce((sum, value) => sum + value, 0);
  const reading: StateReading = {
    layer,
    remaining: Float64Array.from(left, (value, at) => (written[at] === 0 ? 0 : value / written[at]!)),
    share: Float64Array.from(left, (value) => (total === 0 ? 0 : value / total)),
  };
  const followed = forgotten === undefined ? {} : await follow({ delta, A, B: size, u: weight }, written, forgotten);
  for (const tensor of [size, ones, weight]) tensor.dispose();
  return { ...reading, ...followed };
}

/** Numbers that a piece of the matrix may hold. */
const pieceSize = 2 ** 21;

/** When each token's write had halved, and when it was forgotten: rows of what is left of all tokens, in pieces. */
async function follow(
  { delta, A, B, u }: Pick<BlockParts, 'delta' | 'A' | 'B' | 'u'>,
  written: ArrayLike<number>,
  forgotten: number,
): Promise<{ halfLife: (number | null)[]; forgottenAt: (number | null)[] }> {
  const [, length, channels] = u.shape as [number, number, number];
  const [, , groups, states] = B.shape as [number, number, number, number];
  checkFits(
    u.device,
    `following ${length} tokens through a state`,
    8 * length * channels * states,
    'Leave history out, or ask about a shorter text',
  );
  const write = scope(() => {
    const rows = Int32Array.from(
      { length: length * channels },
      (_, at) => Math.floor(at / channels) * groups + Math.floor(((at % channels) * groups) / channels),
    );
    const each = embedding(Tensor.from(rows, [rows.length], u.device), B.view([length * groups, states])); // (l·d n)
    return reshape(multiply(each, u.view([length * channels, 1])), [1, length, channels, states]); //  a group a channel
  });
  const ones = Tensor.full(write.shape, 1, u.device);
  const halfLife = new Array<number | null>(length).fill(null);
  const forgottenAt = new Array<number | null>(length).fill(null);
  const rows = Math.max(1, Math.floor(pieceSize / length));
  for (let start = 0; start < length; start += rows) {
    const count = Math.min(rows, length - start);
    const piece = attentionMatrixReduced({ delta, A, B: write, C: ones }, { reduce: 'mean', rowStart: start, rows: count });
    const left = await piece.read();
    piece.dispose();
    for (let row = 0; row < count; row++) {
      const at = start + row;
      for (let token = 0; token <= at; token++) {
        const share = (left[row * length + token]! * channels) / written[token]!;
        if (share <= 0.5) halfLife[token] ??= at - token;
        if (share < forgotten) forgottenAt[token] ??= at;
      }
    }
  }
  for (const tensor of [write, ones]) tensor.dispose();
  return { halfLife, forgottenAt };
}
