import { Model } from '@hidden-attention/model';
import { Tensor } from '@hidden-attention/tensor';
import * as z from '@hidden-attention/model/schema';
import type { MapRequest } from '../case.js';
import { explained } from '../choices.js';
import { defineProtocol, type Protocol } from '../protocol.js';
import { randomFor } from '../random.js';

interface Options {
  explain: 'predicted' | 'label';
  radius: number;
  samples: number;
}

/** Numbers moved by uniform noise of up to `radius` times their root mean square. */
function noisy(numbers: Float32Array, radius: number, random: () => number): Float32Array<ArrayBuffer> {
  const size = Math.sqrt(numbers.reduce((sum, value) => sum + value * value, 0) / numbers.length);
  return Float32Array.from(numbers, (value) => value + radius * size * (2 * random() - 1));
}

/** The model with its embeddings moved: what moves a text a little, since ids cannot be. */
async function movedEmbeddings(model: Model, radius: number, random: () => number): Promise<Model> {
  const [name] = Object.keys(model.family.parameters(model.config));
  const table = model.parameter(name!);
  const moved = Tensor.from(noisy(await table.read(), radius, random), table.shape, model.device);
  return new Model(model.family, model.config, model.json, new Map([...model.parameters, [name!, moved]]), model.device);
}

/** Max-sensitivity (Yeh et al. 2019): the largest relative change of a map, ‖R(x + δ) − R(x)‖/‖R(x)‖, over small moves of the input. */
export const maxSensitivity: Protocol<Options> = defineProtocol({
  name: 'max-sensitivity',
  title: 'Max-sensitivity',
  summary: 'How much the map changes at most when the input (pixels, or the embeddings of a text) is moved a little.',
  cite: 'Yeh, Hsieh, Suggala, Inouye, Ravikumar 2019, arXiv 1901.09392',
  figures: [{ name: 'max-sensitivity', better: 'lower', summary: 'largest ‖R(x + δ) − R(x)‖/‖R(x)‖' }],
  options: () =>
    z.strictObject({
      explain: explained(),
      radius: z.coerce.number().positive().default(0.02),
      samples: z.coerce.number().int().min(1).max(1000).default(5),
    }),
  draws: true,
  oracle: true,
  supports: () => true,
  async measure(item, { explain, radius, samples }) {
    const { example } = item;
    const target = await item.target(explain);
    const clean = await item.unitScores({ explained: target });
    const norm = Math.hypot(...clean);
    let largest = 0;
    for (let sample = 0; sample < samples; sample++) {
      const change = `move ${sample}`;
      const request: MapRequest = { explained: target, change };
      // pixels of each image are moved for themselves, embeddings for all texts alike
      if (example.image) {
        const random = randomFor('max-sensitivity', item.seed, sample, example.index);
        request.input = { ...example.image, pixels: noisy(example.image.pixels, radius, random) };
      } else {
        const key = `${change}, ${radius}, seed ${item.seed}`;
        request.model = await item.variant(key, (model) => movedEmbeddings(model, radius, randomFor('max-sensitivity', item.seed, sample)));
      }
      const moved = await item.unitScores(request);
      largest = Math.max(largest, Math.hypot(...moved.map((score, unit) => score - clean[unit]!)) / norm);
    }
    return { values: { 'max-sensitivity': norm === 0 ? 0 : largest } };
  },
});
