// What each method costs, in forward passes: node bench/explain.mjs [METHOD…] [--lengths 256,4096] [--rounds 5] [--units N] [--processor-time]
// METHOD is a name, or one with an option as it is printed: 'mamba-attribution clamp=none'. Methods that take inputs away do so with
// N stretches of tokens of equal length (--units); by default with single tokens.
// A forward pass is the model's, fused, with the last position's logits. Each method is asked of a question of its own, so that the passes that
// it needs (forward, recorded forward, backward, the attention view) are all in its time; the audit and the removals of `explain` are not.
// Rounds are interleaved and the best is taken: other work on the machine then counts for little. What takes little time is repeated in every
// round, so that the engine has compiled what it runs and sized its heap when it counts. With --processor-time it is the time that
// the process took of the processor, all threads together: for a busy machine, with HIDDEN_ATTENTION_THREADS=1.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(join(here, '../packages/cli/package.json'));
const load = (name) => import(require.resolve(name));
const { attentionView } = await load('@hidden-attention/attention');
const { fullName, listExplainers, optionsFor, Question } = await load('@hidden-attention/explain');
const { loadZoo } = await load('@hidden-attention/zoo');
const { disposeState } = await load('@hidden-attention/model');

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    lengths: { type: 'string', default: '256,4096' },
    rounds: { type: 'string', default: '5' },
    units: { type: 'string' },
    'processor-time': { type: 'boolean', default: false },
  },
});
const lengths = values.lengths.split(',').map(Number);
const rounds = Number(values.rounds);
const clock = () => {
  if (!values['processor-time']) return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const { model } = await loadZoo('prose');
const sample = readFileSync(join(here, '../packages/zoo/test/fixtures/prose-sample.txt'));

/** Methods, and those with options that change what they cost. */
const variants = [
  ...listExplainers()
    .filter((explainer) => explainer.supports(model) === true)
    .map((explainer) => ({ explainer, options: {} })),
  ...[
    ['mamba-attribution', { clamp: 'none' }],
    ['whole-block', { form: 'rollout' }],
    ['edge-attribution', { clamp: 'none' }],
    ['mambalrp', { gamma: 0.25 }],
  ].map(([name, options]) => ({ explainer: listExplainers().find((each) => fullName(each) === name), options })),
]
  .map(({ explainer, options }) => ({
    explainer,
    options,
    name: [fullName(explainer), ...Object.entries(options).map(([key, value]) => `${key}=${value}`)].join(' '),
  }))
  .filter(({ name }) => positionals.length === 0 || positionals.includes(name));

for (const length of lengths) {
  const ids = Int32Array.from({ length }, (_, i) => sample[i % sample.length]);
  const units = Math.min(length, Number(values.units ?? length));
  const cutAt = (unit) => Math.floor((unit * length) / units);
  const groups = Array.from({ length: units }, (_, unit) =>
    Array.from({ length: cutAt(unit + 1) - cutAt(unit) }, (_unused, at) => cutAt(unit) + at),
  );
  const best = new Map();
  const timed = async (name, body) => {
    const times = best.has(name) ? Math.min(10, Math.ceil(300 / best.get(name))) : 1;
    for (let time = 0; time < times; time++) {
      const start = clock();
      await body();
      await model.device.finish();
      best.set(name, Math.min(best.get(name) ?? Infinity, clock() - start));
    }
  };
  const forward = async () => {
    const batch = model.batch([ids]);
    const { logits, state } = model.forward(batch, { logits: 'last' });
    await logits.read();
    for (const tensor of [logits, batch.ids]) tensor.dispose();
    disposeState(state);
  };
  const means = async () => {
    const view = await attentionView(model, [ids]);
    for (let layer = 0; layer < view.layers; layer++)
      for (let start = 0; start < length; start += 1024) {
        const part = view.layer(layer).matrix({ reduce: 'mean', rows: { start, end: Math.min(length, start + 1024) } });
        await part.read();
        part.dispose();
      }
    view.dispose();
  };
  const methods = [];
  for (const { explainer, options, name } of variants) {
    const [parsed] = optionsFor([explainer], { [fullName(explainer)]: options });
    methods.push([
      name,
      async () => {
        const question = new Question(model, ids, undefined, groups);
        try {
          await explainer.explain(question, parsed);
        } finally {
          await question.dispose();
        }
      },
    ]);
  }
  await forward();
  for (let round = 0; round < rounds; round++) {
    for (const [name, body] of methods) {
      await timed('forward', forward);
      if (round > 0 && best.get(name) > Math.max(1000, 20 * best.get('forward'))) continue; // once is enough
      await timed(name, body);
    }
    if (positionals.length === 0 || positionals.includes('mamba-attribution')) await timed('mean matrices', means);
  }
  const pass = best.get('forward');
  console.log(`L = ${length.toLocaleString('en')}: a forward pass ${pass.toFixed(1)} ms`);
  for (const [name] of methods)
    console.log(
      `  ${name.padEnd(34)}${best.get(name).toFixed(0).padStart(8)} ms${(best.get(name) / pass).toFixed(1).padStart(8)} forward passes`,
    );
  const matrices = best.get('mean matrices');
  if (matrices !== undefined && best.has('mamba-attribution'))
    console.log(
      `  mean matrices of all layers, view included: ${matrices.toFixed(0)} ms; the clamped Mamba-Attribution takes ${(best.get('mamba-attribution') / matrices).toFixed(2)} of that`,
    );
  const { peak } = model.device.memory();
  console.log(`  device memory at most ${(peak / 2 ** 20).toFixed(0)} MiB so far`);
}
process.exit(0);
