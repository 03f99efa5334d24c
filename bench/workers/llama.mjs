// llama.cpp through node-llama-cpp, where it is installed.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { filesOf, root } from '../models.mjs';
import { serve, timed } from '../worker.mjs';

const require = createRequire(join(root, 'packages/cli/package.json'));
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(require.resolve('node-llama-cpp')).href);
const { version } = JSON.parse(readFileSync(join(root, 'packages/cli/node_modules/node-llama-cpp/package.json'), 'utf8'));
const llama = await getLlama({ gpu: false, build: 'never', progressLogs: false, logLevel: LlamaLogLevel.error, maxThreads: 8 });

let open; // one context at a time
async function context(name, dtype, threads, sequences, size) {
  const key = [name, dtype, threads, sequences, size].join(' ');
  if (open?.key !== key) {
    await open?.context.dispose();
    if (open && open.path !== filesOf(name)[dtype]) await open.model.dispose();
    const path = filesOf(name)[dtype];
    const model = open?.path === path ? open.model : await llama.loadModel({ modelPath: path, gpuLayers: 0 });
    open = { key, path, model, context: await model.createContext({ contextSize: size, batchSize: 512, threads, sequences }) };
  }
  return open.context;
}
const ids = (length, first = 13) => Array.from({ length }, (_, i) => (i * 7919 + first) % 5000);
const ask = (sequence, list) => sequence.controlledEvaluate([...list.slice(0, -1), [list.at(-1), { generateNext: { token: true } }]]);

async function prefill({ name, dtype, length, threads }) {
  const own = await context(name, dtype, threads, 1, length + 64);
  const sequence = own.getSequence();
  const ms = await timed(() => ask(sequence, ids(length)));
  await sequence.dispose();
  return { ms };
}

async function decode({ name, dtype, sequences, tokens, threads }) {
  const own = await context(name, dtype, threads, sequences, 512 * sequences);
  const rows = Array.from({ length: sequences }, () => own.getSequence());
  await Promise.all(rows.map((sequence, row) => ask(sequence, ids(8, 13 + row))));
  const ms = await timed(async () => {
    for (let i = 0; i < tokens; i++) await Promise.all(rows.map((sequence, row) => ask(sequence, [(i * 7919 + row) % 5000])));
  });
  for (const sequence of rows) await sequence.dispose();
  return { ms: ms / tokens };
}

await serve({ prefill, decode, about: () => ({ version }) });
