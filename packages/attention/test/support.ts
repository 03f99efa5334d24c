// What the tests of this package share: small models with every bias at work, and matrices in float64.
import type { Model } from '@hidden-attention/model';
import type { Tensor } from '@hidden-attention/tensor';
import { modelWithBiases } from '../../../test/models.js';
import { distance, randomNumbers } from '../../../test/numbers.js';
import type { AttentionLayer, Part } from '../src/index.js';

export { distance, randomNumbers };

export interface Sizes {
  layers?: number;
  hidden?: number;
  state?: number;
  kernel?: number;
  vocabulary?: number;
  extra?: Record<string, unknown>;
}

/** A model with random biases and sizeable steps, so that no term of the block vanishes. */
export function smallModel({ layers = 3, hidden = 12, state = 5, kernel = 4, vocabulary = 40, extra = {} }: Sizes = {}, seed = 1): Model {
  const json = {
    model_type: 'mamba',
    vocab_size: vocabulary,
    hidden_size: hidden,
    state_size: state,
    conv_kernel: kernel,
    num_hidden_layers: layers,
    use_bias: true,
    initializer_range: 0.6,
    ...extra,
  };
  return modelWithBiases(json, seed);
}

/** Rows of ids for a model. */
export function randomIds(seed: number, ...lengths: number[]): number[][] {
  return lengths.map((length, row) => Array.from(randomNumbers(seed * 31 + row, length), (value) => Math.floor(((value + 1) / 2) * 40)));
}

export async function numbers(tensor: Tensor): Promise<Float64Array> {
  return Float64Array.from(await tensor.read());
}

/** All matrices of a layer, by the matrix kernels: entry (b, c, i, j). */
export async function dense(layer: AttentionLayer): Promise<(b: number, c: number, i: number, j: number) => number> {
  const [, length, channels] = layer.shape;
  const all = await numbers(layer.matrix({ channels: 'all' }));
  return (b, c, i, j) => all[((b * channels + c) * length + i) * length + j]!;
}

export const parts: readonly Part[] = ['scan', 'block', 'unified', 'literal'];
