import { isCache, type Model, type ModelState } from '@hidden-attention/model';
import { add, affine, record, scope, Tensor, type Float } from '@hidden-attention/tensor';
import type { TrainConfig } from './config.js';
import type { Sample } from './data/data.js';
import { lossFrom, stateAfter, type LossOptions } from './loss.js';

/** A loss (1), and its gradients by trained weight. */
export interface LossAndGradients {
  value: Tensor<Float>;
  gradients: Tensor<Float>[];
}

/** Their sums, in place of both. */
export function sumOf(a: LossAndGradients, b: LossAndGradients): LossAndGradients {
  const into = (x: Tensor<Float>, y: Tensor<Float>): Tensor<Float> => {
    const total = add(x, y);
    x.dispose();
    y.dispose();
    return total;
  };
  return { value: into(a.value, b.value), gradients: a.gradients.map((tensor, i) => into(tensor, b.gradients[i]!)) };
}

/** A sample's rows cut into chunks of so many positions, the last one shorter. Rows that end earlier go on with id 0, which nobody learns. */
function chunksOf({ rows = [], labels }: Sample, positions: number): Sample[] {
  const length = labels.length / rows.length;
  return Array.from({ length: Math.ceil(length / positions) }, (_, i) => {
    const [start, end] = [i * positions, Math.min(length, (i + 1) * positions)];
    const own = new Int32Array(rows.length * (end - start));
    rows.forEach((_row, r) => own.set(labels.subarray(r * length + start, r * length + end), r * (end - start)));
    return { rows: rows.map((row) => Int32Array.from({ length: end - start }, (_id, at) => row[start + at] ?? 0)), labels: own };
  });
}

/** Σ −log p(label) of a sample that is read in chunks, the state carried: that of the whole rows (1). */
export function chunkedLoss(model: () => Model, sample: Sample, positions: number): Tensor<Float> {
  let carried: { loss: Tensor<Float>; state: ModelState } | undefined;
  for (const chunk of chunksOf(sample, positions)) {
    const before = carried;
    carried = scope(() => {
      const { loss, state } = lossFrom(model(), chunk, {}, before?.state);
      return { loss: before ? add(before.loss, loss) : loss, state };
    });
    if (before) for (const tensor of [before.loss, ...tensorsOf(before.state)]) tensor.dispose();
  }
  return carried!.loss;
}

/**
 * The loss of a sample times `factor`, and its gradients, in the memory of one chunk and one state a chunk. Where the gradient is stopped,
 * a chunk's state counts as given (truncated backpropagation: Williams and Peng 1990). Where it is carried, it is that of the whole row:
 * the chunks are read once for their states, then again from the last to the first, and what a chunk asks of the state before it goes
 * on into the chunk before, as a gradient of the scan's initial state, of the convolution's first inputs and of a cache.
 */
export function chunkedGradients(
  model: () => Model,
  sample: Sample,
  options: LossOptions & { chunk: NonNullable<TrainConfig['chunk']> },
  parameters: readonly Tensor[],
  factor: number,
): LossAndGradients {
  const { positions, gradient } = options.chunk;
  const chunks = chunksOf(sample, positions);
  const steps =
    gradient === 'stopped' ? forwards(model, chunks, options, parameters, factor) : backwards(model, chunks, options, parameters, factor);
  let total: LossAndGradients | undefined;
  for (const step of steps) total = total ? sumOf(total, step) : step;
  return total!;
}

/** Chunk by chunk from the first, each from the state that the one before left. */
function* forwards(
  model: () => Model,
  chunks: readonly Sample[],
  options: LossOptions,
  parameters: readonly Tensor[],
  factor: number,
): Iterable<LossAndGradients> {
  let before: ModelState | undefined;
  for (const chunk of chunks) {
    const { state, ...own } = scope(() => gradientsOf(model, chunk, options, parameters, factor, before, []));
    if (before) for (const tensor of tensorsOf(before)) tensor.dispose();
    before = state;
    yield own;
  }
}

/** Chunk by chunk from the last, each given what the one behind it asks of its state. */
function* backwards(
  model: () => Model,
  chunks: readonly Sample[],
  options: LossOptions,
  parameters: readonly Tensor[],
  factor: number,
): Iterable<LossAndGradients> {
  const states: (ModelState | undefined)[] = [undefined];
  for (const chunk of chunks.slice(0, -1)) states.push(scope(() => stateAfter(model(), chunk, options, states.at(-1))));
  let asked: Tensor<Float>[] = [];
  for (const [i, chunk] of [...chunks.entries()].toReversed()) {
    const before = states[i];
    const { value, gradients } = scope(() => {
      const inputs = [...parameters, ...(before ? carriedBy(before) : [])];
      return gradientsOf(model, chunk, options, inputs, factor, before, asked);
    });
    for (const tensor of [...asked, ...(before ? tensorsOf(before) : [])]) tensor.dispose();
    asked = gradients.slice(parameters.length);
    yield { value, gradients: gradients.slice(0, parameters.length) };
  }
}

/** One chunk on a tape. `asked`: the gradient of what it leaves to the next one, in the order of `carriedBy`. */
function gradientsOf(
  model: () => Model,
  chunk: Sample,
  options: LossOptions,
  inputs: readonly Tensor[],
  factor: number,
  before: ModelState | undefined,
  asked: readonly Tensor[],
): LossAndGradients & { state: ModelState } {
  const { value: own, tape } = record(inputs, () => {
    const { loss, state } = lossFrom(model(), chunk, options, before);
    return { loss: affine(loss, factor), state };
  });
  const left = carriedBy(own.state);
  const seeds = asked.map((seed, i): [Tensor, Tensor] => [left[i]!, seed]);
  try {
    const gradients = tape.gradients([[own.loss, Tensor.full(own.loss.shape, 1, own.loss.device)], ...seeds], inputs);
    return { value: own.loss, gradients, state: own.state };
  } finally {
    tape.dispose();
  }
}

/** The tensors of a state through which gradients pass. */
function carriedBy({ layers }: ModelState): Tensor[] {
  return layers.flatMap((layer) => (isCache(layer) ? [layer.keys, layer.values] : tensorsOf({ layers: [layer] })));
}

const tensorsOf = ({ layers }: ModelState): Tensor[] =>
  layers.flatMap((layer) => Object.values(layer).filter((value): value is Tensor => value instanceof Tensor));
