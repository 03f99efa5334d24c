// One row of the hidden attention and one of the rollout over 1,000,000 bytes of text through zoo:prose on the processor: seconds, device
// memory, memory of the whole process; and their agreement with the dense matrices at L = 512. Each row in a process of its own.
// node bench/long-rows.mjs [TEXT_FILE] [LENGTH]
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const [file = join(here, '../packages/zoo/test/fixtures/prose-sample.txt'), length = '1000000', kind] = process.argv.slice(2);
if (!kind) {
  for (const each of ['agreement', 'attention', 'rollout'])
    spawnSync(process.execPath, [fileURLToPath(import.meta.url), file, length, each], { stdio: 'inherit' });
  process.exit(0);
}

const require = createRequire(join(here, '../packages/cli/package.json'));
const load = (name) => import(require.resolve(name));
const { attentionView, longRow, rolloutLongRow, rolloutMatrix } = await load('@hidden-attention/attention');
const { loadZoo } = await load('@hidden-attention/zoo');
const { model } = await loadZoo('prose');
const sample = readFileSync(file);
const count = Number(length);
const text = Int32Array.from({ length: count }, (_, i) => sample[i % sample.length]);
const apart = (a, b) => {
  const largest = b.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return (a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0) / largest).toExponential(1);
};

if (kind === 'agreement') {
  const ids = text.subarray(0, 512);
  const view = await attentionView(model, [ids]);
  const rows = await longRow(model, ids, { piece: 100 });
  for (const { layer, data } of rows) {
    const matrix = await view.layer(layer).matrix().read();
    console.log(
      `L = 512, layer ${layer}: the row in pieces is within ${apart(data, matrix.subarray(-512))} of the matrix's, of the largest entry`,
    );
  }
  const { matrix, exponent } = await rolloutMatrix(view);
  const { data } = await rolloutLongRow(model, ids, { piece: 100 });
  const scaled = Float64Array.from(data, (value) => value * 2 ** -exponent);
  console.log(`L = 512: the rollout's row in pieces is within ${apart(scaled, (await matrix.read()).subarray(-512))} of the matrix's`);
  process.exit(0);
}

model.device.memory({ resetPeak: true });
let highest = 0;
const watch = setInterval(() => (highest = Math.max(highest, process.memoryUsage().rss)), 250);
const start = performance.now();
const found = kind === 'attention' ? await longRow(model, text, { layers: [-1] }) : await rolloutLongRow(model, text);
const seconds = (performance.now() - start) / 1000;
clearInterval(watch);
const { peak } = model.device.memory();
const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
const what = kind === 'attention' ? "the last layer's attention row" : "the rollout's row through all layers";
console.log(
  `${what} over ${count.toLocaleString('en')} bytes: ${seconds.toFixed(1)} s, device at most ${mib(peak)}, process at most ${mib(highest)}`,
);
if (kind === 'rollout') console.log(`  smallest |1 + row sum| ${found.smallestRowSum}, largest |v| ${found.largestValue.toExponential(2)}`);
process.exit(0);
