// node bench/sequences.mjs [ROWS] [ROUNDS] [--processor-time]: a training step (forward, backward) of the models of long sequences and of the transformers of the
// same size beside them, at the length L that they are trained at and at 4 L: seconds (the least of several rounds, models in turn), and the
// peak of device memory beside the weights. ROWS (default 2) are trained on at once. With --processor-time it is the time that the process
// took of the processor, all threads together: for a busy machine, with HIDDEN_ATTENTION_THREADS=1.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const from = (name) => import(join(root, `packages/${name}/dist/index.js`));
const { createModel } = await from('model');
const { lossAndGradients } = await from('train');

const { positionals, values } = parseArgs({ allowPositionals: true, options: { 'processor-time': { type: 'boolean', default: false } } });
const [rows, rounds] = [Number(positionals[0] ?? 2), Number(positionals[1] ?? 3)];
/** Milliseconds. */
const now = () => {
  if (!values['processor-time']) return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const labels = Int32Array.from({ length: rows }, (_, row) => row % 10);
const images = (side) => {
  const pixels = Float32Array.from({ length: rows * 3 * side * side }, (_, at) => Math.sin(at * at));
  return { labels, images: { pixels, shape: [rows, 3, side, side] } };
};
const symbols = (length) => ({
  labels,
  rows: Array.from({ length: rows }, (_, row) => Int32Array.from({ length }, (_, at) => (at * at + row) % 14)),
});
const cases = ['pixels', 'listops'].flatMap((task) =>
  ['mamba', 'transformer'].map((kind) => {
    const name = `${task}-${kind}`;
    const { model: json } = JSON.parse(readFileSync(join(root, `packages/zoo/recipes/${name}/recipe.json`), 'utf8'));
    const samples = task === 'pixels' ? { 784: images(28), 3136: images(56) } : { 500: symbols(500), 2000: symbols(2000) };
    return { name, model: createModel(json, { seed: 1 }), samples };
  }),
);

/** One step: seconds, and the peak of memory above what lay there before, in bytes. */
async function step({ model }, sample) {
  const { device } = model;
  const before = device.memory({ resetPeak: true });
  const begun = now();
  const { loss, gradients } = lossAndGradients(model, [sample]);
  await loss.item();
  await gradients.at(-1).read();
  const seconds = (now() - begun) / 1000;
  const { peak } = device.memory();
  for (const tensor of [loss, ...gradients]) tensor.dispose();
  return { seconds, bytes: peak - before.live };
}

const figures = new Map();
for (let round = 0; round < rounds; round++)
  for (const one of cases)
    for (const [length, sample] of Object.entries(one.samples)) {
      const key = `${one.name} ${length}`;
      const { seconds, bytes } = await step(one, sample);
      const best = figures.get(key);
      figures.set(key, { seconds: Math.min(seconds, best?.seconds ?? Infinity), bytes });
    }

console.log(`one step of ${rows} rows, ${process.env.HIDDEN_ATTENTION_THREADS ?? 'all'} threads, the least of ${rounds} rounds`);
console.log('| model | parameters | L | seconds | device peak, MiB |\n| --- | --- | --- | --- | --- |');
for (const { name, model, samples } of cases)
  for (const length of Object.keys(samples)) {
    const { seconds, bytes } = figures.get(`${name} ${length}`);
    console.log(
      `| ${name} | ${model.parameterCount.toLocaleString('en')} | ${length} | ${seconds.toFixed(3)} | ${(bytes / 2 ** 20).toFixed(0)} |`,
    );
  }
process.exit(0);
