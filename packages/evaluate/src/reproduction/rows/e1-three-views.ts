import { attentionView, audit } from '@hidden-attention/attention';
import { batchOfImages } from '@hidden-attention/explain';
import { createModel, disposeBatch, type Batch, type Model } from '@hidden-attention/model';
import { randomFor } from '../../random.js';
import type { Context } from '../context.js';
import type { ReproductionRow } from '../row.js';
import { atMost } from '../verdict.js';

const [length, states] = [96, 16];

/** In float64: the recurrence (eq. 2, 3) beside α̃ x with α̃ by eq. 14 and by eq. 17, of one random channel: the largest error, relative. */
function inDoubles(seed: number): number {
  const random = randomFor('three views', seed);
  const numbers = (count: number, low: number, high: number): number[] =>
    Array.from({ length: count }, () => low + (high - low) * random());
  const A = numbers(states, -4, -0.1);
  const delta = numbers(length, 0.001, 0.3);
  const [B, C] = [numbers(length * states, -1, 1), numbers(length * states, -1, 1)];
  const x = numbers(length, -1, 1);
  const h = new Float64Array(states);
  const summed = [0];
  for (const own of delta) summed.push(summed.at(-1)! + own);
  let [error, largest] = [0, 0];
  for (let t = 0; t < length; t++) {
    let [recurrent, product, closed] = [0, 0, 0];
    for (let n = 0; n < states; n++) {
      h[n] = Math.exp(delta[t]! * A[n]!) * h[n]! + delta[t]! * B[t * states + n]! * x[t]!;
      recurrent += C[t * states + n]! * h[n]!;
      let decay = 1;
      for (let j = t; j >= 0; j--) {
        const read = C[t * states + n]! * delta[j]! * B[j * states + n]! * x[j]!;
        product += read * decay; // Π Ā_k, k = j+1 … t
        closed += read * Math.exp(A[n]! * (summed[t + 1]! - summed[j + 1]!));
        decay *= Math.exp(delta[j]! * A[n]!);
      }
    }
    largest = Math.max(largest, Math.abs(recurrent));
    error = Math.max(error, Math.abs(recurrent - product), Math.abs(recurrent - closed));
  }
  return error / largest;
}

const text =
  'Call me Ishmael. Some years ago--never mind how long precisely--having little or no money in my purse, and nothing particular';

/** An input of the model's kind: words, or a picture of stripes and blots. */
function inputOf(model: Model): Batch {
  if (!model.family.images) return model.batch([Int32Array.from(new TextEncoder().encode(text), (id) => id % model.config.vocabSize)]);
  const { imageSize, channels } = model.config as unknown as { imageSize: [number, number]; channels: number };
  const shape = [channels, ...imageSize] as const;
  const pixels = Float32Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, i) => Math.sin(i / 7) + Math.cos((i % 28) / 3));
  return batchOfImages(model, [{ pixels, shape }]);
}

/** What blocks there are, besides those of trained models. */
const fresh: Record<string, Record<string, unknown>> = {
  'Mamba-2, untrained': {
    model_type: 'mamba2',
    vocab_size: 128,
    hidden_size: 64,
    num_hidden_layers: 3,
    state_size: 32,
    head_dim: 16,
    num_heads: 8,
    n_groups: 1,
  },
  'Jamba, untrained': {
    model_type: 'jamba',
    vocab_size: 128,
    hidden_size: 64,
    intermediate_size: 128,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    attn_layer_period: 4,
    attn_layer_offset: 2,
    num_experts: 1,
    mamba_d_state: 16,
    mamba_dt_rank: 4,
  },
};
const trained = ['mail-classifier', 'prose-mamba', 'garments-mamba', 'pixels-mamba', 'garments-transformer'];

export const threeViews: ReproductionRow = {
  id: 'E1',
  title: 'Three views of one layer',
  item: 'Figure 1, equations 10–17',
  method:
    'The recurrence, the product α̃x and its closed form are computed in float64 on random channels; then each layer of the models is run, and what it gave is compared with what its attention says: the scan, single rows, and the whole block with convolution, gates, biases and skip.',
  samples: 0,
  roles: trained,
  async run(context: Context) {
    const doubles = Math.max(...Array.from({ length: 20 }, (_, seed) => inDoubles(seed)));
    const rows: { name: string; cells: number[] }[] = [];
    const measure = async (name: string, model: Model): Promise<void> => {
      context.step(name);
      const batch = inputOf(model);
      const view = await attentionView(model, batch);
      const { layers } = await audit(view);
      const worst = (of: (layer: (typeof layers)[number]) => number): number => Math.max(...layers.map(of));
      rows.push({ name, cells: [worst((l) => l.scan), worst((l) => l.row), worst((l) => l.block)] });
      view.dispose();
      disposeBatch(batch);
      model.dispose();
    };
    for (const role of trained) {
      const loaded = await context.model(role);
      if (loaded) await measure(context.roles.models[role]!, loaded.model);
    }
    for (const [name, json] of Object.entries(fresh)) await measure(name, createModel(json, { seed: 1 }));
    const worst = (column: number): number => Math.max(...rows.map(({ cells }) => cells[column]!));
    return {
      verdicts: [
        atMost('recurrence = α̃x (eq. 14) = α̃x (eq. 17), float64', 'an identity', 'largest relative error', doubles, 1e-12),
        atMost('the same in the models’ float32, scan and single rows', 'an identity', 'largest error', Math.max(worst(0), worst(1)), 1e-5),
        atMost('the whole block is attention too', 'said of the scan alone', 'largest error', worst(2), 1e-5),
      ],
      tables: [{ title: '‖layer − what its attention says‖ / ‖layer‖, worst layer', columns: ['scan', 'rows', 'whole block'], rows }],
      lacking: [],
    };
  },
};
