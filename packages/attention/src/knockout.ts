import {
  layerKindsOf,
  shapeOfBatch,
  type Batch,
  type LayerKind,
  type Model,
  type PatchValue,
  type ScanDynamics,
  type SoftmaxDynamics,
} from '@hidden-attention/model';
import { add, multiply, scope, subtract, Tensor, type Float } from '@hidden-attention/tensor';
import { channelsBySpeed, type ChannelSpeed } from './channel-speed.js';
import { edgeMasks, type EdgeMask, type EdgeSet } from './edge-sets.js';
import { byChannel, scanOperator } from './scan.js';
import { softmaxBlockOperator } from './softmax.js';
import { reversed } from './two-way.js';
import { isSoftmax, isTwoWay, type Direction } from './view.js';

/** Which edges are cut, and where. */
export interface KnockoutOptions {
  edges: readonly EdgeSet[];
  /** negative from the end; default all */
  layers?: readonly number[];
  /** in these channels only: numbers, or the slowest or fastest third of each layer's; default all */
  channels?: ChannelSpeed | readonly number[];
  /** of layers that read both ways (Vision Mamba) one direction; default both */
  direction?: Direction;
}

/** The site of what a layer's attention acts on, and that of what it gives. */
interface Ends {
  values: string;
  result: string;
  direction?: Direction;
}
const endsOf: Readonly<Record<LayerKind, readonly Ends[]>> = {
  scan: [{ values: 'u', result: 'scan' }],
  softmax: [{ values: 'v', result: 'attended' }],
  'two-way scan': [
    { values: 'forward.u', result: 'forward.scan', direction: 'forward' },
    { values: 'backward.u', result: 'backward.scan', direction: 'backward' },
  ],
};

/**
 * Cuts edges of the hidden attention: patches for `model.forward(batch, { patch })` under which, in some layers, outputs `to` read
 * nothing of inputs `from`, as if those entries of α (of softmax attention: the probabilities) were 0 and everything else as
 * computed (math.md section 5; Geva et al. 2023, Endy et al. 2025). Where the outputs lose the same inputs, a layer costs one scan more,
 * with its dynamics held: y − α·(x′ at the inputs alone). D stays; what passes through the convolution and into Δ, B, C stays too,
 * and later layers see the changed stream. Softmax rows are not made to sum to 1 again.
 * @returns patches for this batch (its rows and lengths); gradients pass through them
 * @throws RangeError for a layer, a position, a channel or a direction that does not exist, or no edges
 */
export async function knockoutPatches(model: Model, batch: Batch, options: KnockoutOptions): Promise<Record<string, PatchValue>> {
  const kinds = layerKindsOf(model);
  const chosen = layersOf(options.layers, kinds.length);
  const device = model.device;
  const masks = edgeMasks(options.edges, batch.lengths, shapeOfBatch(batch)[1], device);
  const patches: Record<string, PatchValue> = {};
  for (const layer of chosen) {
    const kind = kinds[layer]!;
    if (options.direction && kind !== 'two-way scan')
      throw new RangeError(`layer ${layer} reads one way; it has no direction '${options.direction}'`);
    const ends = endsOf[kind].filter(({ direction }) => !options.direction || direction === options.direction);
    const seen: Record<string, Tensor> = {};
    const watch =
      (name: string): PatchValue =>
      (value) =>
        (seen[name] = value);
    for (const name of model.family.dynamicsSites(layer, model.config)) patches[name] = watch(name);
    for (const { values, result, direction } of ends) {
      const { channels } = options;
      const numbers = typeof channels === 'string' ? await channelsBySpeed(model, layer, channels, direction) : channels;
      const valuesName = `layers.${layer}.${values}`;
      patches[valuesName] = watch(valuesName);
      patches[`layers.${layer}.${result}`] = (given) =>
        scope(() => {
          const lost = readAlong(model, layer, seen, direction, seen[valuesName]!, masks, batch).view(given.shape);
          return subtract(given, numbers ? multiply(lost, channelMask(numbers, given)) : lost);
        });
    }
  }
  return patches;
}

/** What the outputs read along the edges: Σ over masks of to ⊙ α·(from ⊙ values), (b l d). */
function readAlong(
  model: Model,
  layer: number,
  seen: Record<string, Tensor>,
  direction: Direction | undefined,
  values: Tensor,
  masks: readonly EdgeMask[],
  { lengths, startsTensor: starts }: Batch,
): Tensor<Float> {
  const [rows, length] = values.shape as [number, number];
  const channels = values.size / (rows * length);
  const apply = productOf({ ...dynamicsSeen(model, layer, seen, direction), starts }, direction, channels, lengths);
  const flat = values.view([rows, length, channels]);
  return masks
    .map(({ from, to }) => scope(() => multiply(apply(multiply(flat, from)), to)))
    .reduce((sum, next) => scope(() => add(sum, next)));
}

/** A layer's attention as a product, in the order of the tokens. */
function productOf(
  dynamics: ScanDynamics | SoftmaxDynamics,
  direction: Direction | undefined,
  channels: number,
  lengths: readonly number[],
): (v: Tensor) => Tensor<Float> {
  if (isSoftmax(dynamics)) return (v) => softmaxBlockOperator('softmax attention', dynamics, lengths).apply(v);
  const scan = scanOperator('the scan', byChannel(dynamics, channels), lengths);
  return (v) => (direction === 'backward' ? reversed(scan) : scan).apply(v);
}

/** The dynamics of a layer out of what has been seen of it in this pass. */
function dynamicsSeen(
  model: Model,
  layer: number,
  seen: Record<string, Tensor>,
  direction: Direction | undefined,
): ScanDynamics | SoftmaxDynamics {
  const { family } = model;
  const other = direction === 'forward' ? 'backward' : 'forward';
  // the forward scan is done before the backward one has begun: any values do for what is not looked at
  const complete = Object.fromEntries(
    family.dynamicsSites(layer, model.config).map((name) => {
      const own = seen[direction ? name.replace(`.${other}.`, `.${direction}.`) : name]!;
      return [name, own];
    }),
  );
  const dynamics = family.dynamics(model, complete, layer);
  if (!isTwoWay(dynamics)) return dynamics;
  return dynamics[direction!];
}

/** (d): 1 at the channels that are meant. */
function channelMask(numbers: readonly number[], like: Tensor): Tensor {
  const count = like.shape.at(-1)!;
  const wrong = numbers.find((channel) => !Number.isInteger(channel) || channel < 0 || channel >= count);
  if (wrong !== undefined) throw new RangeError(`channel ${wrong} does not exist; the layer has channels 0 to ${count - 1}`);
  const mask = new Float32Array(count);
  for (const channel of numbers) mask[channel] = 1;
  return Tensor.from(mask, [count], like.device);
}

/** @throws RangeError for a layer that does not exist */
function layersOf(layers: readonly number[] | undefined, count: number): number[] {
  return (layers ?? Array.from({ length: count }, (_, layer) => layer)).map((layer) => {
    const found = layer < 0 ? count + layer : layer;
    if (!Number.isInteger(layer) || found < 0 || found >= count)
      throw new RangeError(`layer ${layer} does not exist; the model has layers 0 to ${count - 1} (or −1 to −${count} from the end)`);
    return found;
  });
}
