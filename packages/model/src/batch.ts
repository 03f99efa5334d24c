import { Tensor, type Device, type Float } from '@hidden-attention/tensor';
import { ModelError } from './errors.js';

/** What a model reads: rows of token ids, or images. */
export type Batch = TextBatch | ImageBatch;

/** Rows of token ids, right-padded by length. A row is never recognised by an id: padding can be any. */
export interface TextBatch {
  /** (b l), i32 */
  ids: Tensor<'i32'>;
  /** number of ids of each row */
  lengths: readonly number[];
  /** the same on the device, where rows differ in length; undefined when all are full */
  lengthsTensor: Tensor<'i32'> | undefined;
  /** lengths of the texts that each row holds, one behind the other; absent where each row is one */
  texts?: readonly (readonly number[])[] | undefined;
  /** where the text of each position begins (b l), where rows hold several: nothing passes from one to the next */
  startsTensor?: Tensor<'i32'> | undefined;
}

/** Images, cut into patches. A model's positions are the patches, row by row of the grid, and its class tokens between them. */
export interface ImageBatch {
  /** (b p n): p patches of n numbers: channel, row and column of the patch */
  patches: Tensor<Float>;
  grid: readonly [rows: number, columns: number];
  /** positions of each row, class tokens included */
  lengths: readonly number[];
  lengthsTensor: undefined;
  startsTensor?: undefined;
  /** positions of the class tokens, first to last; none where the answer is read from all patches */
  classPositions: readonly number[];
}

/** Whether a batch is of images. */
export const isImages = (batch: Batch): batch is ImageBatch => 'patches' in batch;

/** Rows of a batch, and positions of its longest row. */
export function shapeOfBatch(batch: Batch): [rows: number, length: number] {
  return isImages(batch) ? [batch.patches.shape[0]!, batch.lengths[0]!] : (batch.ids.shape as [number, number]);
}

/** The device that a batch lies on. */
export const deviceOfBatch = (batch: Batch): Device => (isImages(batch) ? batch.patches : batch.ids).device;

/** Frees a batch. */
export function disposeBatch(batch: Batch): void {
  (isImages(batch) ? batch.patches : batch.ids).dispose();
  batch.lengthsTensor?.dispose();
  batch.startsTensor?.dispose();
}

/** The ids of a batch; throws ModelError where it is of images. */
export function idsOf(batch: Batch): Tensor<'i32'> {
  if (isImages(batch)) throw new ModelError('the input is images, and this model reads token ids; use a vision model, or text');
  return batch.ids;
}

/** The patches of a batch; throws ModelError where it is of token ids. */
export function patchesOf(batch: Batch): ImageBatch {
  if (!isImages(batch)) throw new ModelError('the input is token ids, and this model reads images; make the batch with model.images');
  return batch;
}

/**
 * A batch of rows of any lengths ≥ 1.
 * @param texts lengths of the texts that each row is made of, where rows hold several: each text gets what it gets alone, up to rounding
 * @throws ModelError for no rows, an empty row, an id that is not a whole number from 0 to vocabSize − 1, or texts that do not make up
 * their row (row, place and value named)
 */
export function makeBatch(
  rows: readonly ArrayLike<number>[],
  vocabSize: number,
  device?: Device,
  texts?: readonly (readonly number[])[],
): TextBatch {
  if (rows.length === 0) throw new ModelError('the input has no rows; give at least one row of token ids');
  const lengths = rows.map((row) => row.length);
  const length = Math.max(...lengths);
  const ids = new Int32Array(rows.length * length);
  rows.forEach((row, r) => {
    if (row.length === 0) throw new ModelError(`row ${r} of the input is empty; at least one token is needed`);
    for (let i = 0; i < row.length; i++) {
      const id = row[i]!;
      if (!Number.isInteger(id) || id < 0 || id >= vocabSize) {
        throw new ModelError(`id ${id} at position ${i} of row ${r} is out of range; ids of this model are 0 to ${vocabSize - 1}`);
      }
      ids[r * length + i] = id;
    }
  });
  const ragged = lengths.some((own) => own !== length);
  return {
    ids: Tensor.from(ids, [rows.length, length], device),
    lengths,
    lengthsTensor: ragged ? Tensor.from(Int32Array.from(lengths), [rows.length], device) : undefined,
    ...(texts ? packing(texts, lengths, length, device) : {}),
  };
}

/** Several texts a row: where the text of each position begins. Past a row's end stands its last text. */
function packing(
  texts: readonly (readonly number[])[],
  lengths: readonly number[],
  length: number,
  device: Device | undefined,
): Pick<TextBatch, 'texts' | 'startsTensor'> {
  if (texts.length !== lengths.length)
    throw new ModelError(`texts of ${texts.length} rows were given; the input has ${lengths.length} rows`);
  const starts = new Int32Array(lengths.length * length);
  texts.forEach((own, r) => {
    const total = own.reduce((sum, each) => sum + each, 0);
    if (total !== lengths[r] || own.some((each) => !Number.isInteger(each) || each < 1))
      throw new ModelError(
        `row ${r} has ${lengths[r]} tokens and is said to hold texts of ${own.join(' + ')}; whole numbers of at least 1 that add up to the row are needed`,
      );
    let start = 0;
    for (const each of own) {
      starts.fill(start, r * length + start, (r + 1) * length);
      start += each;
    }
  });
  return { texts, startsTensor: Tensor.from(starts, [lengths.length, length], device) };
}

/** The number of each position within its own text (b l), for tables of learned positions; undefined where each row is one text. */
export function positionsWithinTexts({ texts, ids }: TextBatch): Int32Array | undefined {
  if (!texts) return undefined;
  const [rows, length] = ids.shape as [number, number];
  const positions = new Int32Array(rows * length);
  texts.forEach((own, r) => {
    let at = r * length;
    for (const each of own) for (let i = 0; i < each; i++) positions[at++] = i;
  });
  return positions;
}

/** (b l 1): 1 at a row's own positions, 0 past its end. */
export function maskOf(batch: Batch): Tensor<Float> {
  const [rows, length] = shapeOfBatch(batch);
  const mask = new Float32Array(rows * length);
  batch.lengths.forEach((own, r) => mask.fill(1, r * length, r * length + own));
  return Tensor.from(mask, [rows, length, 1], deviceOfBatch(batch));
}

/** Which positions a classifier's answer is read from: all alike, each row's last, or the class tokens of an image. */
export type Pooling = 'mean' | 'last' | 'class-token';

/**
 * Weights (b l) that pick positions: `weightedSum` of them is the mean of each row ('mean'), its last position ('last'), the mean of
 * its class tokens, or a position of each row (an array; negative from the row's end).
 * @throws ModelError for a position outside its row
 */
export function pickPositions(batch: Batch, what: Pooling | readonly number[]): Tensor<Float> {
  const [rows, length] = shapeOfBatch(batch);
  const weights = new Float32Array(rows * length);
  if (typeof what !== 'string' && what.length !== rows) throw new ModelError(`${what.length} positions for ${rows} rows; give one a row`);
  batch.lengths.forEach((own, r) => {
    if (what === 'class-token') {
      for (const at of patchesOf(batch).classPositions) weights[r * length + at] = 1 / patchesOf(batch).classPositions.length;
      return undefined;
    }
    if (what === 'mean') return weights.fill(1 / own, r * length, r * length + own);
    const asked = what === 'last' ? -1 : what[r]!;
    const position = asked < 0 ? own + asked : asked;
    if (!Number.isInteger(position) || position < 0 || position >= own) {
      throw new ModelError(
        `position ${asked} of row ${r} does not exist; the row has positions 0 to ${own - 1} (or −1 to −${own} from its end)`,
      );
    }
    weights[r * length + position] = 1;
    return undefined;
  });
  return Tensor.from(weights, [rows, length], deviceOfBatch(batch));
}
