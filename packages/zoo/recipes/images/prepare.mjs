// Images for the classifiers: Fashion-MNIST, MNIST and scenes with true masks, train and test.safetensors of each.
// usage: node prepare.mjs [--out FOLDER] [--fashion FOLDER] [--mnist FOLDER] [--scenes COUNT] [--test-scenes COUNT] [--seed TEXT]
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeSafetensors } from '@hidden-attention/checkpoint';
import { main, outputFolder } from '../files.mjs';
import { readDataset, SIDE } from './datasets.mjs';
import { composeScenes, SCENE } from './scenes.mjs';

/** Writes `images` and `masks` [count, side, side] and `labels` [count], all U8; says how many there are of each class. */
async function writeSplit(folder, split, side, { images, labels, masks }) {
  const shape = [labels.length, side, side];
  const tensors = [
    { name: 'images', dtype: 'U8', shape, data: images },
    { name: 'labels', dtype: 'U8', shape: [labels.length], data: labels },
  ];
  if (masks) tensors.push({ name: 'masks', dtype: 'U8', shape, data: masks });
  await mkdir(folder, { recursive: true });
  await writeSafetensors(join(folder, `${split}.safetensors`), tensors, {});
  const perClass = Array(10).fill(0);
  for (const label of labels) perClass[label]++;
  const hash = createHash('sha256').update(images).update(labels);
  if (masks) hash.update(masks);
  return { images: labels.length, perClass: perClass.join(' '), sha256: hash.digest('hex') };
}

/** How many scenes have one, two and three objects. */
function objects({ labels, masks }) {
  const counts = [0, 0, 0];
  const area = SCENE ** 2;
  for (let i = 0; i < labels.length; i++) counts[new Set(masks.subarray(i * area, (i + 1) * area)).size - 2]++;
  return counts.join(' ');
}

function wholeNumber(text, flag) {
  if (!/^\d+$/.test(text)) throw new Error(`${flag} is ${JSON.stringify(text)}; a whole number is needed`);
  return Number(text);
}

async function prepare() {
  const text = (value) => ({ type: 'string', ...(value === undefined ? {} : { default: value }) });
  const { values } = parseArgs({
    options: {
      out: text(outputFolder('images')),
      fashion: text(),
      mnist: text(),
      scenes: text('20000'),
      'test-scenes': text('2000'),
      seed: text('scenes-1'),
    },
  });
  const counts = { train: wholeNumber(values.scenes, '--scenes'), test: wholeNumber(values['test-scenes'], '--test-scenes') };
  const fashion = await readDataset('fashion', values.fashion);
  const mnist = await readDataset('mnist', values.mnist);
  const report = { out: values.out, seed: values.seed, fashion: {}, mnist: {}, scenes: {} };
  for (const split of ['train', 'test']) {
    report.fashion[split] = await writeSplit(join(values.out, 'fashion'), split, SIDE, fashion[split]);
    report.mnist[split] = await writeSplit(join(values.out, 'mnist'), split, SIDE, mnist[split]);
    console.error(`images: composing ${counts[split]} scenes (${split}) ...`);
    const scenes = composeScenes({ garments: fashion[split], digits: mnist[split] }, counts[split], `${values.seed}/${split}`);
    report.scenes[split] = { ...(await writeSplit(join(values.out, 'scenes'), split, SCENE, scenes)), objects: objects(scenes) };
  }
  console.log(JSON.stringify(report, null, 2));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(prepare);
