// Copies a small part of the test images into excerpt/: for tests, where nothing is fetched. Two images of each class of Fashion-MNIST,
// and one scene of each class that has no digit: MNIST has another licence.
// usage: node excerpt.mjs [--data FOLDER] [--out FOLDER]
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { encodePng, readSafetensors } from '@hidden-attention/checkpoint';
import { main, outputFolder, writeWhole } from '../files.mjs';
import { DATASETS } from './datasets.mjs';

/** The first `each` places of each class for which `fits` holds, class by class. */
export function firstOfEachClass(labels, each, fits = () => true) {
  const places = Array.from({ length: 10 }, () => []);
  labels.forEach((label, i) => {
    if (places[label].length < each && fits(i)) places[label].push(i);
  });
  return places.flat();
}

const picture = (values, side) => ({
  width: side,
  height: side,
  channels: 3,
  data: Uint8Array.from({ length: side * side * 3 }, (_, i) => values[Math.floor(i / 3)]),
});

async function readAll(path) {
  const file = await readSafetensors(path);
  try {
    const { images, labels, masks } = Object.fromEntries(file.tensors);
    const side = images.shape[1];
    const parts = async (tensor) => {
      const values = await tensor.read();
      return (i) => values.subarray(i * side ** 2, (i + 1) * side ** 2);
    };
    return { side, labels: await labels.read(), image: await parts(images), mask: masks && (await parts(masks)) };
  } finally {
    await file.close();
  }
}

/** JSON with one entry of each list a line. */
function linesOf(lists) {
  const line = (entry) => `    ${JSON.stringify(entry, null, 1).replace(/\n */g, ' ')}`;
  const parts = Object.entries(lists).map(([name, list]) => `  "${name}": [\n${list.map(line).join(',\n')}\n  ]`);
  return `{\n${parts.join(',\n')}\n}\n`;
}

async function excerpt() {
  const { values } = parseArgs({
    options: {
      data: { type: 'string', default: outputFolder('images') },
      out: { type: 'string', default: fileURLToPath(new URL('excerpt', import.meta.url)) },
    },
  });
  const index = { classes: [], images: [], scenes: [] };
  DATASETS.fashion.classes.forEach((name, label) => index.classes.push({ label, name }));
  const fashion = await readAll(join(values.data, 'fashion/test.safetensors'));
  for (const i of firstOfEachClass(fashion.labels, 2)) {
    const file = `fashion-${String(i).padStart(4, '0')}.png`;
    index.images.push({ file, label: fashion.labels[i] });
    await writeWhole(join(values.out, file), await encodePng(picture(fashion.image(i), fashion.side)));
  }
  const scenes = await readAll(join(values.data, 'scenes/test.safetensors'));
  for (const i of firstOfEachClass(scenes.labels, 1, (at) => scenes.mask(at).every((value) => value <= 1))) {
    const [file, mask] = ['', '-mask'].map((suffix) => `scene-${String(i).padStart(4, '0')}${suffix}.png`);
    index.scenes.push({ file, mask, label: scenes.labels[i] });
    await writeWhole(join(values.out, file), await encodePng(picture(scenes.image(i), scenes.side)));
    await writeWhole(join(values.out, mask), await encodePng(picture(scenes.mask(i), scenes.side)));
  }
  await writeWhole(join(values.out, 'labels.json'), linesOf(index));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(excerpt);
