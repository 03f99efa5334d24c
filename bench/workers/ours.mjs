// This library, with as many threads as HIDDEN_ATTENTION_THREADS says.
import { readFileSync } from 'node:fs';
import { filesOf, load } from '../models.mjs';
import { serve, timed } from '../worker.mjs';

const { createModel, inPrecision } = await load('model');
const { loadModel } = await load('checkpoint');
const { generate } = await load('runner');
const { attentionView, rolloutLongRow } = await load('attention');
const { gradient, multiply, openDevice, scope, sum, Tensor } = await load('tensor');
const device = openDevice('cpu');

const mambaOf = (width, layers) => ({
  model_type: 'mamba',
  state_size: 16,
  vocab_size: 256,
  hidden_size: width,
  num_hidden_layers: layers,
});
const kept = new Map();
/** What `make` gives, made once; models are kept one at a time. */
async function keep(key, make) {
  if (!kept.has(key)) {
    for (const model of kept.values()) model.dispose();
    kept.clear();
    kept.set(key, await make());
  }
  return kept.get(key);
}
const model = (name, dtype) =>
  keep(`${name} ${dtype}`, async () => {
    const { model } = await loadModel(filesOf(name).safetensors, { dtype: 'f32' });
    if (dtype === 'f32') return model;
    const narrow = inPrecision(model, dtype);
    await device.finish();
    return narrow;
  });
const small = (width, layers) => keep(`${width} ${layers}`, () => createModel(mambaOf(width, layers), { seed: 1 }));
const ids = (length, vocabulary) => Int32Array.from({ length }, (_, i) => (i * 7919 + 13) % vocabulary);

/** Bytes that tensors took at most during `body`, beside what they took before. */
async function peakOf(body) {
  device.trim();
  await device.finish();
  device.memory({ resetPeak: true });
  const before = device.memory().live;
  await body();
  await device.finish();
  return device.memory().peak - before;
}
const resident = () => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? NaN) * 1024;

/** One block, forward and backward: gradients of its input and of all its parameters. */
async function block({ batch, length, dtype }) {
  const own = await keep(`block ${dtype}`, async () => {
    const wide = createModel(mambaOf(768, 1), { seed: 1 });
    return dtype === 'f32' ? wide : inPrecision(wide, dtype);
  });
  const inputs = scope(() => {
    const noise = () =>
      Tensor.from(
        Float32Array.from({ length: batch * length * 768 }, (_, i) => Math.sin(i * 1.7)),
        [batch, length, 768],
        device,
      );
    return { embeddings: noise(), seed: noise() };
  });
  const rows = Array.from({ length: batch }, () => new Int32Array(length));
  const parameters = [...own.parameters].filter(([name]) => name.includes('layers.0.')).map(([, tensor]) => tensor);
  const step = () => {
    scope(() => {
      gradient(() => {
        const { captured } = own.forward(own.batch(rows), {
          embeddings: inputs.embeddings,
          capture: ['layers.0.output'],
          logits: 'none',
        });
        return sum(multiply(captured['layers.0.output'], inputs.seed));
      }, [inputs.embeddings, ...parameters]);
    });
    return device.finish();
  };
  const ms = await timed(step);
  for (const tensor of Object.values(inputs)) tensor.dispose();
  return { ms };
}

/** The last logits of a prompt. */
async function prefill({ name, dtype, length }) {
  const own = await model(name, dtype);
  const prompt = ids(length, own.config.vocabSize);
  const ms = await timed(async () => {
    const logits = scope(() => own.forward(own.batch([prompt]), { logits: 'last' }).logits);
    await logits.read();
    logits.dispose();
  });
  return { ms };
}

/** Some tokens after a short prompt, one after another; the time of one step, of all sequences. */
async function decode({ name, dtype, sequences, tokens }) {
  const own = await model(name, dtype);
  const prompts = Array.from({ length: sequences }, (_, row) => ids(8, own.config.vocabSize).map((id) => (id + row) % 5000));
  let [count, start] = [0, 0];
  for await (const token of generate(own, prompts, { maxTokens: tokens + 1, ignoreEos: true })) {
    void token;
    if (++count === sequences) start = performance.now();
  }
  const bytes = [...own.parameters.values()].reduce(
    (total, tensor) => total + tensor.size * ({ f32: 4, bf16: 2, f16: 2, i8: 1.125 }[tensor.dtype] ?? 4),
    0,
  );
  return { ms: (performance.now() - start) / tokens, bytes };
}

/** The plain rollout's last row through all layers of a text. */
async function rollout({ width, layers, length }) {
  const own = await small(width, layers);
  let ms;
  const peak = await peakOf(async () => {
    ms = await timed(() => rolloutLongRow(own, ids(length, 256)));
  });
  return { ms, peak, resident: resident() };
}

/** What must grow with the length alone. */
async function growth({ kind, length }) {
  const own = await small(256, 2);
  const text = ids(length, 256);
  const run = {
    prefill: async () => {
      const state = scope(() => own.forward(own.batch([text]), { logits: 'last' }).logits);
      await state.read();
      state.dispose();
    },
    training: async () => {
      scope(() => void gradient(() => sum(own.forward(own.batch([text])).logits), [...own.parameters.values()]));
      await device.finish();
    },
    row: async () => {
      const view = await attentionView(own, [text]);
      const row = view.layer(1).row('last', { reduce: 'mean' });
      await (await row).read();
      view.dispose();
    },
    rollout: () => rolloutLongRow(own, text),
  }[kind];
  let ms;
  const peak = await peakOf(async () => {
    ms = await timed(run);
  });
  return { ms, peak };
}

await serve({ block, prefill, decode, rollout, growth, about: () => ({ level: device.level, threads: device.threads }) });
