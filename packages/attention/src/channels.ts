import { embedding, sumLast, Tensor, transpose, type Float } from '@hidden-attention/tensor';

/** A mean over all channels: of the numbers, of their absolute values, of their positive parts. */
export type Reduce = 'mean' | 'meanAbs' | 'meanPositive';

/** Which channels are wanted: one mean over all of them (`reduce`, default 'mean'), or some or all, each by itself. */
export interface ChannelChoice {
  reduce?: Reduce;
  channels?: readonly number[] | 'all';
}

/** What `sumLast` sums for a mean. */
export const sumKinds: Readonly<Record<Reduce, 'sum' | 'abs' | 'positive'>> = { mean: 'sum', meanAbs: 'abs', meanPositive: 'positive' };

/**
 * The channels of a choice, or the mean it asks for.
 * @throws RangeError when both are asked for, or a channel does not exist
 */
export function resolveChannels({ reduce, channels }: ChannelChoice, count: number): { reduce: Reduce } | { channels: readonly number[] } {
  if (channels === undefined) return { reduce: checkedReduce(reduce ?? 'mean') };
  if (reduce !== undefined)
    throw new RangeError(`reduce ('${reduce}') and channels were both asked for; choose a mean over all channels, or channels`);
  if (channels === 'all') return { channels: Array.from({ length: count }, (_, channel) => channel) };
  if (channels.length === 0) throw new RangeError(`no channels were asked for; give numbers from 0 to ${count - 1}, or 'all'`);
  const wrong = channels.find((channel) => !Number.isInteger(channel) || channel < 0 || channel >= count);
  if (wrong !== undefined) throw new RangeError(`channel ${wrong} does not exist; the layer has channels 0 to ${count - 1}`);
  return { channels };
}

function checkedReduce(reduce: Reduce): Reduce {
  if (!(reduce in sumKinds)) throw new RangeError(`reduce is '${reduce}'; it must be one of ${Object.keys(sumKinds).join(', ')}`);
  return reduce;
}

/** Rows of a table: table (v …), numbers (c) → (c …). */
export function pickRows(table: Tensor, numbers: readonly number[]): Tensor<Float> {
  const [count, ...inner] = table.shape as [number, ...number[]];
  const ids = Tensor.from(Int32Array.from(numbers), [numbers.length], table.device);
  return embedding(ids, table.view([count, table.size / count])).view([numbers.length, ...inner]);
}

/** What was chosen of values in every channel, channels before positions: values (b l d) → (b c l). */
export function chosen(values: Tensor, choice: ChannelChoice): Tensor<Float> {
  const [rows, length, count] = values.shape as [number, number, number];
  const wanted = resolveChannels(choice, count);
  if ('reduce' in wanted) return sumLast(values, sumKinds[wanted.reduce], 1 / count).view([rows, 1, length]);
  const table = transpose(values).view([rows * count, length]);
  const numbers = Array.from({ length: rows }, (_, row) => wanted.channels.map((channel) => row * count + channel)).flat();
  return pickRows(table, numbers).view([rows, wanted.channels.length, length]);
}
