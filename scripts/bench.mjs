// npm run bench: every figure that docs/benchmarks claims, as ratios measured in one run.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { root, run, setUp } from './setup.mjs';

setUp();
const build = join(root, 'native/build');
run('cmake', ['--build', build, '--target', 'native_bench', '--parallel', '2'], { stdio: ['ignore', 'ignore', 'inherit'] });
const bench = (threads) =>
  JSON.parse(execFileSync(join(build, 'RelWithDebInfo/native_bench'), threads ? [String(threads)] : [], { encoding: 'utf8' }));
const all = bench();
const one = bench(1);
const ratio = (a, b) => (a / b).toFixed(2);
const rows = [
  ['', 'all threads', 'one thread'],
  ['threads', all.threads, one.threads],
  ['fused scan, forward (ms)', all.forwardMs.toFixed(2), one.forwardMs.toFixed(2)],
  ["the machine's limit for that arithmetic (ms)", all.limitMs.toFixed(2), one.limitMs.toFixed(2)],
  ['  forward / limit (aim: 2)', ratio(all.forwardMs, all.limitMs), ratio(one.forwardMs, one.limitMs)],
  ['plain C++ loop, one thread, -O3 (ms)', all.plainMs.toFixed(0), one.plainMs.toFixed(0)],
  ['  plain / forward', ratio(all.plainMs, all.forwardMs), ratio(one.plainMs, one.forwardMs)],
  ['backward, all gradients (ms)', all.backwardMs.toFixed(2), one.backwardMs.toFixed(2)],
  ['  backward / forward (aim: 3)', ratio(all.backwardMs, all.forwardMs), ratio(one.backwardMs, one.forwardMs)],
  ['one attention row, all channels (ms)', all.rowMs.toFixed(2), one.rowMs.toFixed(2)],
  ['  row / forward (aim: 1.5)', ratio(all.rowMs, all.forwardMs), ratio(one.rowMs, one.forwardMs)],
  [`mean matrix, ${all.matrixShape} (ms)`, all.meanMatrixMs.toFixed(2), one.meanMatrixMs.toFixed(2)],
  ['naive loops, the same matrix (ms)', all.plainMatrixMs.toFixed(0), one.plainMatrixMs.toFixed(0)],
  ['  naive / ours', ratio(all.plainMatrixMs, all.meanMatrixMs), ratio(one.plainMatrixMs, one.meanMatrixMs)],
];
console.log(`\n${cpus()[0]?.model ?? 'unknown processor'}, level ${all.level}, ${all.shape}, ${new Date().toISOString().slice(0, 10)}`);
for (const [name, ...values] of rows)
  console.log(`${String(name).padEnd(48)}${values.map((value) => String(value).padStart(12)).join('')}`);
const training = spawnSync(process.execPath, [join(root, 'bench/training.mjs')], { cwd: root, stdio: 'inherit' });
process.exit(training.status ?? 1);
