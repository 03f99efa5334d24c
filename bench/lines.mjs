// The lines of the benchmark. A line gives rows {work, ours, peer?, what?, value, aim, at least | at most}: `value` is what is judged by `aim`,
// `ours` and `peer` are {min, median} in milliseconds.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { exponentOf, inTurn, median } from './measure.mjs';
import { root } from './models.mjs';

const over = (peer, ours) => (peer && ours ? peer.min / ours.min : undefined);
const atLeast = (aim) => ({ aim, sign: '≥' });
const atMost = (aim) => ({ aim, sign: '≤' });
const fastest = (...candidates) => candidates.filter(Boolean).reduce((a, b) => (b.min < a.min ? b : a), candidates.find(Boolean));
const named = (who, times) => times && { who, ...times };

async function machine(bench) {
  const rows = [];
  for (const threads of new Set([1, bench.threads]))
    for (const { what, value } of Object.values(bench.native('limits', threads, 1)))
      rows.push({ work: `${what}, ${threads} thread${threads > 1 ? 's' : ''}`, value, unit: '' });
  return rows;
}

async function scan(bench) {
  const native = bench.native('scan');
  const { forward, saving, backward, limit, row, plain } = native;
  const length = bench.quick ? 512 : 2048;
  const torch = bench.torch;
  const times = torch
    ? await inTurn(
        {
          forward: () => torch({ task: 'scan', length, form: 'materialised' }),
          forwardStepwise: () => torch({ task: 'scan', length, form: 'stepwise' }),
          both: () => torch({ task: 'scan', length, form: 'materialised', backward: true }),
          bothStepwise: () => torch({ task: 'scan', length, form: 'stepwise', backward: true }),
        },
        bench.limits,
      )
    : {};
  const both = { min: saving.min + backward.min, median: saving.median + backward.median };
  const peer = named('PyTorch, plain scan', times.forward);
  const kindest = named('PyTorch, its kindest loop', fastest(times.both, times.bothStepwise));
  return [
    { work: forward.what, ours: forward, peer, value: over(peer, forward), ...atLeast(90) },
    {
      work: 'the same beside PyTorch without the large arrays',
      ours: forward,
      peer: named('PyTorch, stepwise', times.forwardStepwise),
      value: over(times.forwardStepwise, forward),
    },
    { work: 'forward / the limit loop', ours: forward, peer: named('limit', limit), value: forward.min / limit.min, ...atMost(1.6) },
    { work: 'forward and backward together', ours: both, peer: kindest, value: over(kindest, both), ...atLeast(150) },
    { work: 'backward / forward', ours: backward, peer: named('forward', forward), value: backward.min / forward.min, ...atMost(2.7) },
    {
      work: 'one attention row, all channels, last position / forward',
      ours: row,
      peer: named('forward', forward),
      value: row.min / forward.min,
      ...atMost(1.3),
    },
    { work: 'plain C++ loop, one thread, -O3 / forward', ours: forward, peer: named('plain loop', plain), value: plain.min / forward.min },
  ];
}

async function mamba2(bench) {
  const native = bench.native('mamba2');
  return (bench.quick ? [256] : [512, 2048]).flatMap((length) => {
    const of = (name) => native[`${name}${length}`];
    const row = (ours, peer, who) => ({ work: of(ours).what, ours: of(ours), peer: named(who, of(peer)), value: over(of(peer), of(ours)) });
    return [
      row('forward', 'repeated', 'scan of Mamba-1, repeated Δ and A'),
      { ...row('both', 'repeatedBoth', 'the same'), work: `the same, forward and backward, L=${length}` },
      {
        work: 'scan of Mamba-2 / a matrix product of as many multiply-adds',
        ours: of('forward'),
        peer: named('product', of('product')),
        value: of('forward').min / of('product').min,
      },
      ...(of('mean') ? [row('mean', 'meanByState', 'a decay for each state')] : []),
    ];
  });
}

async function block(bench) {
  const rows = [];
  for (const [batch, length] of bench.quick
    ? [[1, 256]]
    : [
        [1, 512],
        [1, 2048],
        [4, 512],
        [4, 2048],
      ]) {
    const ask = (dtype) => () => bench.ours({ task: 'block', batch, length, dtype });
    const peer = (form) => bench.torch && (() => bench.torch({ task: 'block', batch, length, form }));
    const times = await inTurn(
      { f32: ask('f32'), bf16: ask('bf16'), materialised: peer('materialised'), stepwise: peer('stepwise') },
      bench.limits,
    );
    const faster = named('PyTorch, its faster form', fastest(times.materialised, times.stepwise));
    for (const [dtype, aim] of [
      ['f32', 8],
      ['bf16', 14],
    ])
      rows.push({
        work: `block of mamba-130m, forward and backward, B=${batch} L=${length}, ${dtype}`,
        ours: times[dtype],
        peer: faster,
        value: over(faster, times[dtype]),
        ...atLeast(aim),
      });
  }
  return rows;
}

/** How our types stand beside llama.cpp's, which in Q8_0 rounds activations, too. */
const types = [
  ['f32', 'f32'],
  ['bf16', 'f16'],
  ['int8', 'q8_0'],
  ['w8a8', 'q8_0'],
];
const notes = { int8: 'our activations in f32, theirs in 8 bits', w8a8: 'activations of both in 8 bits' };
const { writeModel } = await import('./models.mjs');

async function prefill(bench) {
  const name = bench.model;
  await writeModel(name);
  const rows = [];
  const aims = { f32: { 512: 4.5, 2048: 5 }, bf16: { 2048: 7 }, w8a8: { 2048: 5 } };
  for (const [own, their] of types)
    for (const length of bench.quick ? [256] : [512, 2048]) {
      const times = await inTurn(
        {
          ours: () => bench.ours({ task: 'prefill', name, dtype: own, length }),
          llama: bench.llama && (() => bench.llama({ task: 'prefill', name, dtype: their, length })),
        },
        bench.limits,
      );
      const peer = named(`node-llama-cpp ${their}`, times.llama);
      const aim = aims[own]?.[length];
      rows.push({
        work: `${name}, last logits of ${length} tokens, ${own}`,
        ours: times.ours,
        peer,
        perSecond: length,
        ...(notes[own] ? { note: notes[own] } : {}),
        value: over(peer, times.ours),
        ...(aim ? atLeast(aim) : {}),
      });
    }
  return rows;
}

async function decode(bench) {
  const name = bench.model;
  await writeModel(name);
  const rows = [];
  const tokens = bench.quick ? 8 : 48;
  const aims = { 1: { f32: 1.4, bf16: 1.7, int8: 2 }, 8: { f32: 1.7, bf16: 2.8 } };
  const counts = [...new Set([1, bench.threads])];
  for (const sequences of [1, 8])
    for (const [own, their] of types) {
      const programs = {};
      for (const threads of counts) {
        programs[`ours ${threads}`] = () => bench.ours({ task: 'decode', name, dtype: own, sequences, tokens }, threads);
        programs[`llama ${threads}`] =
          bench.llama && (() => bench.llama({ task: 'decode', name, dtype: their, sequences, tokens }, threads));
      }
      const times = await inTurn(programs, bench.limits);
      const better = (who) => fastest(...counts.map((threads) => times[`${who} ${threads}`] && { ...times[`${who} ${threads}`], threads }));
      const [ours, llama] = [better('ours'), better('llama')];
      const peer = llama && named(`node-llama-cpp ${their}, ${llama.threads} thread${llama.threads > 1 ? 's' : ''}`, llama);
      const aim = aims[sequences][own];
      rows.push({
        work: `${name}, decoding ${sequences === 1 ? 'one sequence' : `${sequences} sequences at once`}, ${own}, ${ours.threads} thread${ours.threads > 1 ? 's' : ''}`,
        ours,
        peer,
        perSecond: sequences,
        note: [`${(ours.bytes / ours.min / 1e6).toFixed(1)} GB/s of weights`, notes[own]].filter(Boolean).join('; '),
        value: over(peer, ours),
        ...(aim ? atLeast(aim) : {}),
      });
    }
  return rows;
}

async function matrices(bench) {
  const native = bench.native('matrices');
  const rows = [];
  const torch = bench.torch;
  for (const [what, ours, channels, length, aim] of [
    ['attention of one layer, every channel, D=384 L=197', native.dense, 384, 197, 2000],
    ['attention of one layer, channel mean, D=1536 L=512', native.mean512, 1536, 512, 3000],
  ]) {
    // the O(L³) way of the released code, at two lengths, continued with the cube of the length
    const lengths = bench.quick ? [16, 32] : [64, 128];
    const measured = [];
    for (const own of lengths) {
      if (torch) measured.push([own, (await torch({ task: 'reference', length: own, channels })).ms]);
      else if (!bench.quick) measured.push([own, native[`reference${channels}x${own}`].min]);
    }
    const cube = measured.length > 0 && median(measured.map(([own, ms]) => ms / own ** 3)) * length ** 3;
    const peer = cube
      ? {
          who: `the released code's way (${torch ? 'PyTorch' : 'plain C++'}), extrapolated from L=${lengths.join(' and ')}`,
          min: cube,
          median: cube,
        }
      : undefined;
    rows.push({ work: what, ours, peer, value: over(peer, ours), ...atLeast(aim) });
  }
  const product = named('one L × L × (D·N) product', native.product);
  rows.push({
    work: native.meanLong.what,
    ours: native.meanLong,
    peer: product,
    value: native.meanLong.min / native.product.min,
    ...atMost(2.5),
  });
  return rows;
}

async function products(bench) {
  const rows = [];
  for (const threads of new Set([1, bench.threads])) {
    const native = bench.native('products', threads);
    for (const [name, { what, min, median: middle }] of Object.entries(native))
      if (min !== undefined)
        rows.push({
          work: `${what}, ${threads} thread${threads > 1 ? 's' : ''}`,
          ours: { min, median: middle },
          note: [native[`${name}Rate`], native[`${name}Read`]]
            .filter(Boolean)
            .map((figure) => `${figure.value.toFixed(0)} ${figure.what}`)
            .join(', '),
        });
  }
  return rows;
}

async function rollout(bench) {
  const rows = [];
  const [width, layers, lengths] = bench.quick ? [128, 2, [1024, 2048]] : [768, 24, [32768, 65536]];
  const runs = [];
  for (const length of lengths)
    runs.push({ length, ...(await bench.ours({ task: 'rollout', width, layers, length }, bench.threads, 'rollout')) });
  const text = (run) => `${run.length.toLocaleString('en')} positions: ${(run.ms / 1e3).toFixed(1)} s`;
  rows.push({
    work: `rollout of the last row through ${layers} layers, ${runs.map(text).join('; ')}`,
    value: runs[1].ms / runs[0].ms,
    ...atMost(2.2),
  });
  rows.push({ work: 'device memory of it beside the model, MB', value: runs[1].peak / 1e6, unit: ' MB' });
  rows.push({ work: 'memory of the whole process, GB', value: runs[1].resident / 1e9, unit: ' GB', ...atMost(4) });
  return rows;
}

async function growth(bench) {
  const rows = [];
  const lengths = bench.quick ? [512, 1024, 2048] : [1024, 4096, 16384, 65536];
  for (const kind of ['prefill', 'training', 'row', 'rollout']) {
    const points = [];
    let peak = 0;
    for (const length of lengths) {
      let best = Infinity;
      for (let round = 0; round < (bench.quick ? 2 : 3); round++) {
        const run = await bench.ours({ task: 'growth', kind, length });
        if (round > 0) best = Math.min(best, run.ms);
        peak = run.peak;
      }
      points.push([length, best]);
    }
    const text = points.map(([length, ms]) => `${length / 1024}k: ${ms.toFixed(0)} ms`).join(', ');
    rows.push({
      work: `growth of ${kind === 'training' ? 'a training step' : kind === 'row' ? 'attention rows' : kind} with L (${text})`,
      value: exponentOf(points),
      note: `${(peak / lengths.at(-1) / 1024).toFixed(1)} KiB a position at most`,
      ...atMost(1.05),
    });
  }
  return rows;
}

async function startUp(bench) {
  const rows = [];
  const repeats = bench.quick ? 3 : 7;
  const time = (script) => {
    const times = Array.from({ length: repeats }, () => {
      const { stdout, status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
        cwd: root,
        encoding: 'utf8',
      });
      if (status !== 0) throw new Error(stderr);
      return Number(stdout);
    });
    return { min: Math.min(...times), median: median(times) };
  };
  const inside = 'const start = performance.now();';
  for (const folder of ['native', ...readdirSync(join(root, 'packages')).map((name) => `packages/${name}`)]) {
    const entry = JSON.stringify(join(root, folder, 'dist/index.js'));
    const ours = time(`${inside} await import(${entry}); console.log(performance.now() - start); process.exit(0)`);
    rows.push({ work: `import ${folder.replace('packages/', '')}`, ours, value: ours.min, unit: ' ms', ...atMost(50) });
  }
  const zoo = JSON.stringify(join(root, 'packages/zoo/dist/index.js'));
  const ours = time(
    `const { loadZoo } = await import(${zoo}); const { model, tokenizer } = await loadZoo('mail');
     const { logits } = model.forward(model.batch([tokenizer.encode('You have won a prize').ids])); await logits.read();
     console.log(performance.now()); process.exit(0)`,
  );
  rows.push({ work: 'zoo:mail from a cold start to its first result, Node included', ours, value: ours.min, unit: ' ms', ...atMost(300) });
  return rows;
}

export const lines = { machine, scan, mamba2, block, prefill, decode, matrices, products, rollout, growth, startUp };
