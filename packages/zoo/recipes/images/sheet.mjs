// A contact sheet of the first 64 images of a file of prepare.mjs, as a PNG; masks beside them in colours, where there are any.
// usage: node sheet.mjs FILE.safetensors OUT.png [--from INDEX]
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { encodePng, readSafetensors } from '@hidden-attention/checkpoint';
import { main, writeWhole } from '../files.mjs';

const [COLUMNS, ROWS, ZOOM, GAP] = [8, 8, 2, 2];
const COLOURS = [undefined, [255, 80, 60], [70, 160, 255], [90, 220, 120]];

/** @returns an RGB picture of 8 × 8 images; with masks, each image is shown twice, the second time under its objects' colours */
export function contactSheet(images, masks, side) {
  const views = masks ? 2 : 1;
  const [cellWidth, cellHeight] = [views * side * ZOOM + GAP, side * ZOOM + GAP];
  const [width, height] = [COLUMNS * cellWidth, ROWS * cellHeight];
  const data = new Uint8Array(width * height * 3);
  for (let cell = 0; cell < Math.min(COLUMNS * ROWS, images.length / side ** 2); cell++) {
    for (let y = 0; y < side * ZOOM; y++) {
      for (let x = 0; x < views * side * ZOOM; x++) {
        const from = cell * side ** 2 + Math.floor(y / ZOOM) * side + (Math.floor(x / ZOOM) % side);
        const colour = x >= side * ZOOM ? COLOURS[masks[from]] : undefined;
        const to = ((Math.floor(cell / COLUMNS) * cellHeight + y) * width + (cell % COLUMNS) * cellWidth + x) * 3;
        for (let c = 0; c < 3; c++) data[to + c] = colour ? (images[from] + colour[c]) / 2 : images[from];
      }
    }
  }
  return { width, height, channels: 3, data };
}

async function sheet() {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { from: { type: 'string', default: '0' } } });
  const [path, out] = positionals;
  if (!out) throw new Error('usage: node sheet.mjs FILE.safetensors OUT.png [--from INDEX]');
  const file = await readSafetensors(path);
  try {
    const side = file.tensors.get('images').shape[1];
    const part = async (name) => (await file.tensors.get(name)?.read())?.subarray(Number(values.from) * side ** 2);
    await writeWhole(out, await encodePng(contactSheet(await part('images'), await part('masks'), side)));
  } finally {
    await file.close();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(sheet);
