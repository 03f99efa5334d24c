// node bench/checkpoints.mjs [--json FILE]: a model of the size of mamba-130m with random weights, written in every format and
// loaded again, each in a process of its own: seconds, and the peak of anonymous memory beside what the model takes on the
// device. Then the speed of reading and of decoding, beside node-llama-cpp in the same run.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const from = (name) => import(join(root, `packages/${name}/dist/index.js`));
const config = { model_type: 'mamba', vocab_size: 50280, hidden_size: 768, num_hidden_layers: 24, state_size: 16 };

/** Anonymous memory of this process in bytes. */
const anonymous = () => Number(/RssAnon:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? NaN) * 1024;

/** PyTorch's zip form: a pickle of an ordered dictionary of tensors, and their numbers. */
async function writePyTorch(path, model) {
  const entries = [...model.parameters].map(([name, tensor], key) => ({ name, tensor, key: String(key) }));
  const text = (value) => [0x58, ...Buffer.from(Uint32Array.of(Buffer.byteLength(value)).buffer), ...Buffer.from(value)];
  const whole = (value) => [0x4a, ...Buffer.from(Int32Array.of(value).buffer)];
  const global = (module, name) => [...Buffer.from(`c${module}\n${name}\n`)];
  const tuple = (items) => [0x28, ...items.flat(), 0x74];
  const strides = (shape) => shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
  const items = entries.map(({ name, tensor, key }) => {
    const storage = [...tuple([text('storage'), global('torch', 'FloatStorage'), text(key), text('cpu'), whole(tensor.size)]), 0x51];
    const sizes = [tensor.shape, strides(tensor.shape)].map((list) => tuple(list.map(whole)));
    const args = tuple([storage, whole(0), ...sizes, [0x89], [...global('collections', 'OrderedDict'), 0x29, 0x52]]);
    return [...text(name), ...global('torch._utils', '_rebuild_tensor_v2'), ...args, 0x52];
  });
  const pickle = Buffer.from([0x80, 2, ...global('collections', 'OrderedDict'), 0x29, 0x52, 0x28, ...items.flat(), 0x75, 0x2e]);
  const files = [
    { name: 'archive/data.pkl', size: pickle.length, data: async () => pickle },
    ...entries.map(({ tensor, key }) => ({
      name: `archive/data/${key}`,
      size: 4 * tensor.size,
      data: async () => Buffer.from((await tensor.read()).buffer),
    })),
  ];
  const file = await open(path, 'w');
  const directory = [];
  let offset = 0;
  const put = async (bytes) => {
    await file.writeFile(bytes);
    offset += bytes.length;
  };
  for (const { name, size, data } of files) {
    const header = Buffer.alloc(30 + name.length);
    header.writeUInt32LE(0x04034b50, 0);
    header.writeUInt32LE(size, 18);
    header.writeUInt32LE(size, 22);
    header.writeUInt16LE(name.length, 26);
    header.write(name, 30);
    const entry = Buffer.alloc(46 + name.length);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt32LE(size, 20);
    entry.writeUInt32LE(size, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(offset, 42);
    entry.write(name, 46);
    directory.push(entry);
    await put(header);
    await put(await data());
  }
  const start = offset;
  await put(Buffer.concat(directory));
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(offset - start, 12);
  end.writeUInt32LE(start, 16);
  await put(end);
  await file.close();
}

/** In a process of its own: loads a model and says how long it took and what memory. */
async function load(path, dtype) {
  const { loadModel } = await from('checkpoint');
  const { openDevice } = await from('tensor');
  const device = openDevice();
  const before = anonymous();
  let peak = before;
  const watch = setInterval(() => (peak = Math.max(peak, anonymous())), 5);
  const started = performance.now();
  await loadModel(path, { dtype });
  await device.finish();
  const seconds = (performance.now() - started) / 1000;
  clearInterval(watch);
  peak = Math.max(peak, anonymous());
  console.log(JSON.stringify({ seconds, peak: peak - before, device: device.memory().live }));
}

async function speeds(folder) {
  const { loadModel } = await from('checkpoint');
  const { generate } = await from('runner');
  const { scope } = await from('tensor');
  const rows = [];
  const ids = Array.from({ length: 512 }, (_, i) => (i * 7919 + 13) % 50000);
  const tokens = 64;
  const ours = async (path, dtype) => {
    const { model } = await loadModel(path, { dtype });
    const readOnce = async () => {
      const started = performance.now();
      const logits = scope(() => model.forward(model.batch([ids]), { logits: 'last' }).logits);
      await logits.read();
      logits.dispose();
      return (ids.length / (performance.now() - started)) * 1000;
    };
    const decodeOnce = async () => {
      let [count, started] = [0, 0];
      for await (const token of generate(model, [ids.slice(0, 8)], { maxTokens: tokens + 1, ignoreEos: true })) {
        if (count++ === 0) started = performance.now();
        void token;
      }
      return (tokens / (performance.now() - started)) * 1000;
    };
    return { readOnce, decodeOnce, dispose: () => model.dispose() };
  };
  const require = createRequire(join(root, 'packages/cli/package.json'));
  const { getLlama, LlamaLogLevel } = await import(pathToFileURL(require.resolve('node-llama-cpp')).href);
  const llama = await getLlama({ gpu: false, build: 'never', progressLogs: false, logLevel: LlamaLogLevel.error, maxThreads: 2 });
  const theirs = async (path) => {
    const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
    const context = await model.createContext({ contextSize: 1024, batchSize: 512, threads: 2 });
    const ask = (sequence, list) => sequence.controlledEvaluate([...list.slice(0, -1), [list.at(-1), { generateNext: { token: true } }]]);
    const withSequence = async (use) => {
      const sequence = context.getSequence();
      try {
        return await use(sequence);
      } finally {
        await sequence.dispose();
      }
    };
    return {
      readOnce: () =>
        withSequence(async (sequence) => {
          const started = performance.now();
          await ask(sequence, ids);
          return (ids.length / (performance.now() - started)) * 1000;
        }),
      decodeOnce: () =>
        withSequence(async (sequence) => {
          await ask(sequence, ids.slice(0, 8));
          const started = performance.now();
          for (let i = 0; i < tokens; i++) await ask(sequence, [ids[8 + i]]);
          return (tokens / (performance.now() - started)) * 1000;
        }),
      dispose: () => model.dispose(),
    };
  };
  for (const [name, own, dtype, other] of [
    ['F32', 'safetensors-f32', 'f32', 'gguf-f32.gguf'],
    ['16 bits (ours bf16, theirs F16)', 'safetensors-bf16', 'bf16', 'gguf-f16.gguf'],
  ]) {
    const [a, b] = [await ours(join(folder, own), dtype), await theirs(join(folder, other))];
    const best = { ours: { read: 0, decode: 0 }, theirs: { read: 0, decode: 0 } };
    for (let round = 0; round < 3; round++)
      for (const [who, one] of [
        ['ours', a],
        ['theirs', b],
      ]) {
        best[who].read = Math.max(best[who].read, await one.readOnce());
        best[who].decode = Math.max(best[who].decode, await one.decodeOnce());
      }
    rows.push({ name, ...best });
    a.dispose();
    await b.dispose();
  }
  return rows;
}

if (process.argv[2] === '--load') {
  await load(process.argv[3], process.argv[4]);
} else {
  const folder = mkdtempSync(join(tmpdir(), 'checkpoints-'));
  try {
    const { createModel } = await from('model');
    const { byteTokenizer, saveModel, writeGguf } = await from('checkpoint');
    const model = createModel(config, { seed: 1 });
    const at = (name) => join(folder, name);
    await saveModel(at('safetensors-f32'), model);
    await saveModel(at('safetensors-bf16'), model, { dtype: 'bf16' });
    await saveModel(at('pytorch'), model);
    rmSync(join(at('pytorch'), 'model.safetensors'));
    await writePyTorch(join(at('pytorch'), 'pytorch_model.bin'), model);
    for (const dtype of ['f32', 'f16', 'q8_0'])
      await writeGguf(at(`gguf-${dtype}.gguf`), model, { dtype, tokenizer: byteTokenizer(config.vocab_size) });
    model.dispose();
    const cases = [
      ['safetensors F32', 'safetensors-f32', 'model.safetensors', 'f32'],
      ['safetensors BF16', 'safetensors-bf16', 'model.safetensors', 'f32'],
      ['safetensors BF16, held in bf16', 'safetensors-bf16', 'model.safetensors', 'stored'],
      ['PyTorch F32', 'pytorch', 'pytorch_model.bin', 'f32'],
      ['GGUF F32', 'gguf-f32.gguf', '', 'f32'],
      ['GGUF F16', 'gguf-f16.gguf', '', 'f32'],
      ['GGUF Q8_0', 'gguf-q8_0.gguf', '', 'f32'],
    ];
    const loads = cases.map(([name, path, file, dtype]) => {
      const { stdout, stderr, status } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), '--load', at(path), dtype], {
        encoding: 'utf8',
      });
      if (status !== 0) throw new Error(stderr);
      return { name, file: statSync(file ? join(at(path), file) : at(path)).size, ...JSON.parse(stdout) };
    });
    const mib = (bytes) => (bytes / 2 ** 20).toFixed(0);
    console.log(
      '| file | MiB | seconds | MiB on the device | peak of anonymous memory beside that, MiB |\n| --- | --- | --- | --- | --- |',
    );
    for (const { name, file, seconds, device, peak } of loads)
      console.log(`| ${name} | ${mib(file)} | ${seconds.toFixed(2)} | ${mib(device)} | ${mib(peak - device)} |`);
    const rows = await speeds(folder);
    console.log(
      '\n| weights | ours: reading 512 tokens, tokens/s | node-llama-cpp | ours: decoding, tokens/s | node-llama-cpp |\n| --- | --- | --- | --- | --- |',
    );
    for (const { name, ours, theirs } of rows)
      console.log(
        `| ${name} | ${ours.read.toFixed(0)} | ${theirs.read.toFixed(0)} | ${ours.decode.toFixed(1)} | ${theirs.decode.toFixed(1)} |`,
      );
    const json = process.argv.indexOf('--json');
    if (json > 0) writeFileSync(process.argv[json + 1], `${JSON.stringify({ loads, speeds: rows }, null, 2)}\n`);
    process.exit(0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
