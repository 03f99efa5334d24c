// The comparison of Mamba, Mamba-2 and a transformer of equal size: what train.mjs trains and measure.mjs measures.
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readImage, readSafetensors } from '@hidden-attention/checkpoint';

export const tasks = ['text', 'images'];
export const kinds = ['mamba', 'mamba2', 'transformer'];
export const seeds = [1, 2, 3];

const cache = process.env.HIDDEN_ATTENTION_CACHE ?? join(homedir(), '.cache/hidden-attention');
/** Where the models are trained. */
export const trainedFolder = join(cache, 'comparison');
/** The models of seed 1, their weights in 16 bits, which are kept. */
export const keptFolder = fileURLToPath(new URL('../../models/comparison', import.meta.url));
const zoo = new URL('../../../zoo/', import.meta.url);

/** The recipe of one model; the seed is all that differs between trainings of a kind, `model` all that differs between kinds. */
export const recipeOf = (task, kind, seed) => ({
  ...JSON.parse(readFileSync(new URL(`${task}/${kind}.json`, import.meta.url), 'utf8')),
  seed,
});

/** What a task's models are trained on. */
export const trainingData = { text: [join(cache, 'mail/train.jsonl')], images: [join(cache, 'images/fashion/train.safetensors')] };

/**
 * Held-out inputs, as ids or normalised pixels, with their labels by number.
 * @param excerpt those that are kept in the repository, in place of all
 */
export async function heldOut(task, excerpt = false) {
  const recipe = recipeOf(task, 'mamba', 1);
  if (task === 'text') {
    const path = excerpt ? new URL('test/fixtures/mail-sample.jsonl', zoo) : join(cache, 'mail/heldout.jsonl');
    const lines = readFileSync(path, 'utf8').trim().split('\n');
    return lines.map((line) => {
      const { text, label } = JSON.parse(line);
      return { ids: new TextEncoder().encode(text).subarray(0, recipe.length), label: recipe.model.label2id[label] };
    });
  }
  const { grey, labels } = excerpt ? await keptImages() : await testImages();
  const { mean, deviation } = recipe.images;
  const size = 28 * 28;
  return Array.from(labels, (label, i) => {
    const own = Float32Array.from(grey.subarray(i * size, (i + 1) * size), (value) => (value / 255 - mean) / deviation);
    return { pixels: Float32Array.from({ length: 3 * size }, (_, at) => own[at % size]), label };
  });
}

async function testImages() {
  const file = await readSafetensors(join(cache, 'images/fashion/test.safetensors'));
  const [grey, labels] = await Promise.all(['images', 'labels'].map((name) => file.tensors.get(name).read()));
  await file.close();
  return { grey, labels };
}

async function keptImages() {
  const folder = fileURLToPath(new URL('recipes/images/excerpt', zoo));
  const { images } = JSON.parse(readFileSync(join(folder, 'labels.json'), 'utf8'));
  const read = await Promise.all(images.map(({ file }) => readImage(join(folder, file))));
  return {
    grey: Uint8Array.from(read.flatMap(({ data }) => [...data].filter((_, at) => at % 3 === 0))),
    labels: images.map(({ label }) => label),
  };
}

/** Inputs as batches of a model, with what they are labelled. */
export function* batches(model, inputs, count) {
  for (let start = 0; start < inputs.length; start += count) {
    const part = inputs.slice(start, start + count);
    const labels = part.map(({ label }) => label);
    if (part[0].ids) yield { batch: model.batch(part.map(({ ids }) => ids)), labels };
    else {
      const each = part[0].pixels.length;
      const pixels = new Float32Array(part.length * each);
      part.forEach(({ pixels: own }, i) => pixels.set(own, i * each));
      const side = Math.sqrt(each / 3);
      yield { batch: model.images(pixels, [part.length, 3, side, side]), labels };
    }
  }
}
