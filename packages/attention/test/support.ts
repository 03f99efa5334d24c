// What the tests of this package share: small models with every bias at work, and matrices in float64.
import { createModel, Model } from '@hidden-attention/model';
import { Tensor } from '@hidden-attention/tensor';
import type { AttentionLayer, Part } from '../src/index.js';

/** Uniform numbers in [−1, 1), the same for the same seed. */
export function randomNumbers(seed: number, count: number): Float32Array<ArrayBuffer> {
  let x = (seed * 2654435761 + 1) >>> 0 || 1;
  return Float32Array.from({ length: count }, () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 31 - 1;
  });
}

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
  const fresh = createModel(json, { seed });
  const parameters = new Map(fresh.parameters);
  let index = seed * 1000;
  for (const [name, tensor] of fresh.parameters) {
    if (!name.endsWith('bias') && !name.endsWith('.D')) continue;
    parameters.set(
      name,
      Tensor.from(
        randomNumbers(++index, tensor.size).map((value) => 0.7 * value),
        tensor.shape,
      ),
    );
  }
  return new Model(fresh.family, fresh.config, fresh.json, parameters, fresh.device);
}

/** Rows of ids for a model. */
export function randomIds(seed: number, ...lengths: number[]): number[][] {
  return lengths.map((length, row) => Array.from(randomNumbers(seed * 31 + row, length), (value) => Math.floor(((value + 1) / 2) * 40)));
}

export async function numbers(tensor: Tensor): Promise<Float64Array> {
  return Float64Array.from(await tensor.read());
}

/** ‖a − b‖ / ‖b‖; the distance itself where b is 0. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let apart = 0;
  let size = 0;
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    apart += (a[i]! - b[i]!) ** 2;
    size += b[i]! ** 2;
  }
  return Math.sqrt(size === 0 ? apart : apart / size);
}

/** All matrices of a layer, by the matrix kernels: entry (b, c, i, j). */
export async function dense(layer: AttentionLayer): Promise<(b: number, c: number, i: number, j: number) => number> {
  const [, length, channels] = layer.shape;
  const all = await numbers(layer.matrix({ channels: 'all' }));
  return (b, c, i, j) => all[((b * channels + c) * length + i) * length + j]!;
}

export const parts: readonly Part[] = ['scan', 'block', 'unified', 'literal'];
