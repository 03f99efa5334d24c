// Writes state.svg: what each layer's state still holds of each character of a sentence.
import { writeFileSync } from 'node:fs';
import { stateLens } from '@hidden-attention/explain';
import { heatmap } from '@hidden-attention/plot';
import { loadZoo } from 'hidden-attention';

const { model, tokenizer } = await loadZoo('prose');
const { ids } = tokenizer.encode('Call me Ishmael. Some years ago, never mind how long');
const layers = await stateLens({ model, ids });
const values = layers.flatMap(({ remaining }) => [...remaining]);
const columnLabels = ids.map((id) => tokenizer.tokenText(id));
writeFileSync('state.svg', heatmap({ values, rows: layers.length, columns: ids.length, signed: false, limit: 1, columnLabels }));
for (const { layer, halfLife } of layers) {
  const known = halfLife.filter((steps) => steps !== null);
  console.log(`layer ${layer}: half of a character is gone after ${(known.reduce((a, b) => a + b, 0) / known.length).toFixed(1)} steps`);
}
