// Held-out figures of a trained model folder, as its model card gives them:
//   node packages/zoo/recipes/evaluate.mjs mail MODEL_FOLDER [--data FOLDER]     accuracy, on texts cut as in training
//   node packages/zoo/recipes/evaluate.mjs prose MODEL_FOLDER [--data FOLDER]    bits per byte, the state carried through
//   node packages/zoo/recipes/evaluate.mjs fashion-vim|fashion-vit|scenes-vim|scenes-vit MODEL_FOLDER [--data FOLDER]
//                                                                                accuracy on the test images, of all and of each class
//   node packages/zoo/recipes/evaluate.mjs pixels-mamba|pixels-transformer MODEL_FOLDER [--images N] [--enlarge 2]
//                                                                                the same, and of 500 images enlarged to four times the length;
//                                                                                --enlarge: of enlarged images only
//   node packages/zoo/recipes/evaluate.mjs listops-mamba|listops-transformer MODEL_FOLDER
//                                                                                accuracy by length, also far beyond those trained on, beside
//                                                                                what can be had without reading lists within lists
// --dtype f32|bf16|f16|int8|w8a8: how the weights are held
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadModel, readSafetensors } from '@hidden-attention/checkpoint';
import { createRequire } from 'node:module';
import { baselineFigures, byLength, linesOf } from './listops-mamba/baselines.mjs';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { data: { type: 'string' }, images: { type: 'string' }, enlarge: { type: 'string' }, dtype: { type: 'string', default: 'f32' } },
});
const [name, folder] = positionals;
const images = /^(?:(fashion|scenes)-(?:vim|vit)|pixels-(?:mamba|transformer))$/.exec(name ?? '');
const lists = /^listops-(?:mamba|transformer)$/.test(name ?? '');
if ((!images && !lists && !['mail', 'prose'].includes(name)) || !folder) {
  console.error(
    'usage: node packages/zoo/recipes/evaluate.mjs mail|prose|(fashion|scenes)-(vim|vit)|(pixels|listops)-(mamba|transformer) MODEL_FOLDER [--data FOLDER]',
  );
  process.exit(2);
}
const data =
  values.data ??
  join(
    process.env.HIDDEN_ATTENTION_CACHE ?? join(homedir(), '.cache/hidden-attention'),
    ...(images ? ['images', images[1] ?? 'fashion'] : [lists ? 'listops' : name]),
  );
const recipe = JSON.parse(readFileSync(new URL(`./${name}/recipe.json`, import.meta.url), 'utf8'));
const { model, tokenizer } = await loadModel(folder, { dtype: values.dtype });
const require = createRequire(new URL('../../model/package.json', import.meta.url));
const { crossEntropy, reshape, scope, Tensor } = await import(require.resolve('@hidden-attention/tensor'));

if (images) {
  const { mean, deviation } = recipe.images;
  const file = await readSafetensors(join(data, 'test.safetensors'));
  const [pixels, labels] = await Promise.all(['images', 'labels'].map((tensor) => file.tensors.get(tensor).read()));
  const [all, height, width] = file.tensors.get('images').shape;
  const size = height * width;
  const { labels: names } = model.config.head;
  /** Each pixel `times` times across and down. */
  const enlarged = (image, times) =>
    Float32Array.from(
      { length: size * times ** 2 },
      (_, at) => image[Math.floor(at / (width * times * times)) * width + Math.floor((at % (width * times)) / times)],
    );
  const measured = async (count, times) => {
    const right = names.map(() => 0);
    const of = names.map(() => 0);
    const piece = times > 1 ? 10 : 100;
    for (let start = 0; start < count; start += piece) {
      const rows = Math.min(piece, count - start);
      const area = size * times ** 2;
      const batch = new Float32Array(rows * 3 * area);
      for (let row = 0; row < rows; row++) {
        const own = Float32Array.from(
          pixels.subarray((start + row) * size, (start + row + 1) * size),
          (value) => (value / 255 - mean) / deviation,
        );
        for (let channel = 0; channel < 3; channel++) batch.set(enlarged(own, times), (3 * row + channel) * area);
      }
      const logits = await scope(() => model.forward(model.images(batch, [rows, 3, height * times, width * times])).logits).read();
      for (let row = 0; row < rows; row++) {
        const own = logits.subarray(row * names.length, (row + 1) * names.length);
        const label = labels[start + row];
        of[label]++;
        if (own.indexOf(Math.max(...own)) === label) right[label]++;
      }
    }
    const accuracy = right.reduce((sum, value) => sum + value, 0) / count;
    return { accuracy, byClass: Object.fromEntries(names.map((label, id) => [label, right[id] / of[id]])) };
  };
  const count = Math.min(all, Number(values.images ?? all));
  const times = Number(values.enlarge ?? 1);
  const report = { model: name, heldout: count, ...(await measured(count, times)) };
  if (name.startsWith('pixels') && values.enlarge === undefined) {
    const some = Math.min(count, 500);
    const { accuracy } = await measured(some, 2);
    report.enlarged = { heldout: some, positions: 4 * size, accuracy };
  }
  console.log(JSON.stringify(report));
} else if (lists) {
  const report = { model: name };
  for (const part of ['test', 'long']) {
    const lines = linesOf(data, part);
    const rows = lines.map(({ text, label }) => ({ text, ids: tokenizer.encode(text).ids, label: Number(label) }));
    rows.sort((a, b) => a.ids.length - b.ids.length);
    const answers = [];
    for (let i = 0; i < rows.length; i += 20) {
      const own = rows.slice(i, i + 20);
      const logits = await scope(() => model.forward(model.batch(own.map(({ ids }) => ids))).logits).read();
      own.forEach(({ text, label }, r) => {
        const ten = logits.subarray(10 * r, 10 * r + 10);
        answers.push([text, ten.indexOf(Math.max(...ten)) === label]);
      });
    }
    report[part] = { examples: rows.length, ...byLength(answers), baselines: baselineFigures(lines) };
  }
  console.log(JSON.stringify(report));
} else if (name === 'mail') {
  const { labels } = model.config.head;
  const examples = readFileSync(join(data, 'heldout.jsonl'), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  const rows = examples.map(({ text, label }) => ({
    ids: new TextEncoder().encode(text).subarray(0, recipe.length),
    label: labels.indexOf(label),
  }));
  rows.sort((a, b) => a.ids.length - b.ids.length);
  const wrong = { ham: 0, spam: 0 };
  for (let i = 0; i < rows.length; i += 32) {
    const part = rows.slice(i, i + 32);
    const logits = await scope(() => model.forward(model.batch(part.map(({ ids }) => ids))).logits).read();
    part.forEach(({ label }, r) => {
      const own = logits.subarray(r * labels.length, (r + 1) * labels.length);
      if (own.indexOf(Math.max(...own)) !== label) wrong[labels[label]]++;
    });
  }
  const accuracy = 1 - (wrong.ham + wrong.spam) / rows.length;
  console.log(
    JSON.stringify({
      model: 'mail',
      heldout: rows.length,
      bytes: recipe.length,
      accuracy,
      hamTakenForSpam: wrong.ham,
      spamTakenForHam: wrong.spam,
    }),
  );
} else {
  const ids = readFileSync(join(data, 'heldout.txt'));
  const piece = 4096;
  let state;
  let nats = 0;
  let count = 0;
  for (let start = 0; start + 1 < ids.length; start += piece) {
    const row = ids.subarray(start, Math.min(start + piece, ids.length - 1));
    const labels = Int32Array.from(ids.subarray(start + 1, start + 1 + row.length));
    const last = state;
    const step = scope(() => {
      const result = model.forward(model.batch([row]), last ? { state: last } : {});
      return { loss: crossEntropy(reshape(result.logits, [row.length, 256]), Tensor.from(labels)), state: result.state };
    });
    state = step.state;
    for (const loss of await step.loss.read()) nats += loss;
    count += row.length;
  }
  console.log(JSON.stringify({ model: 'prose', heldout: ids.length, bitsPerByte: nats / count / Math.LN2 }));
}
process.exit(0);
