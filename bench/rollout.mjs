// A rollout over 100,000 bytes of text through zoo:prose, in memory linear in its length; and its agreement with the matrix form at
// L = 512: node bench/rollout.mjs [TEXT_FILE]
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(join(here, '../packages/cli/package.json'));
const load = (name) => import(require.resolve(name));
const { attentionView, rolloutLongRow, rolloutMatrix } = await load('@hidden-attention/attention');
const { loadZoo } = await load('@hidden-attention/zoo');
const { model } = await loadZoo('prose');
const sample = readFileSync(process.argv[2] ?? join(here, '../packages/zoo/test/fixtures/prose-sample.txt'));
const text = Int32Array.from({ length: 100_000 }, (_, i) => sample[i % sample.length]);

for (const length of [25_000, 50_000, 100_000]) {
  model.device.trim();
  await model.device.finish();
  model.device.memory({ resetPeak: true });
  const before = model.device.memory().live;
  const start = performance.now();
  await rolloutLongRow(model, text.subarray(0, length));
  const { peak } = model.device.memory();
  console.log(
    `rollout of the last row over ${length.toLocaleString('en')} bytes: ${((performance.now() - start) / 1000).toFixed(1)} s, device peak ${((peak - before) / 2 ** 20).toFixed(0)} MiB, process ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB`,
  );
}

const ids = text.subarray(0, 512);
const long = await rolloutLongRow(model, ids);
const view = await attentionView(model, [ids]);
const { matrix, exponent } = await rolloutMatrix(view);
const last = (await matrix.read()).subarray(-512);
const row = Array.from(long.data, (x) => x * 2 ** -exponent);
const largest = Math.max(...row.map(Math.abs));
console.log(
  `L = 512: largest difference from the matrix form ${(Math.max(...row.map((x, i) => Math.abs(x - last[i]))) / largest).toExponential(1)} of the largest entry`,
);
process.exit(0);
