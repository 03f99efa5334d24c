// node bench/compare.mjs OLD NEW [--part scan,products,matrices] [--rounds 5] [--threads N] [--limit 1.1]: the kernels of two commits on this
// machine, in turn. Each commit is checked out and built in a folder of its own; then its native_bench runs A B A B …. Prints the ratio
// new/old of the least times for each row, and ends with 1 where one is above the limit: slower.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { merged } from './measure.mjs';
import { root } from './models.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    part: { type: 'string', default: 'scan,products,matrices' },
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    limit: { type: 'string', default: '1.1' },
    'processor-time': { type: 'boolean', default: false },
  },
});
if (positionals.length !== 2) {
  console.error('two commits are needed: node bench/compare.mjs OLD NEW');
  process.exit(2);
}
const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();

/** The benchmark program of a commit, built once. */
function build(commit) {
  const hash = git('rev-parse', '--verify', `${commit}^{commit}`);
  const folder = join(root, 'node_modules/.cache/hidden-attention/compare', hash);
  const program = join(folder, 'build/RelWithDebInfo/native_bench');
  if (existsSync(program)) return program;
  console.error(`building ${commit} (${hash.slice(0, 10)}) …`);
  mkdirSync(join(folder, 'source'), { recursive: true });
  execFileSync('tar', ['-x', '-C', join(folder, 'source')], {
    input: execFileSync('git', ['archive', hash, 'native'], { cwd: root, maxBuffer: 2 ** 28 }),
  });
  const cmake = (...args) => {
    const { status } = spawnSync('cmake', args, { stdio: ['ignore', 'ignore', 'inherit'] });
    if (status !== 0) throw new Error(`cmake ${args.join(' ')} failed`);
  };
  cmake('-S', join(folder, 'source/native'), '-B', join(folder, 'build'), '-DNO_ADDON=ON', '-DCUDA=OFF');
  cmake('--build', join(folder, 'build'), '--target', 'native_bench', '--parallel', '2');
  return program;
}

const [old, own] = positionals.map(build);
let slower = 0;
for (const part of values.part.split(',')) {
  const runs = { old: [], own: [] };
  for (let round = 0; round < Number(values.rounds); round++)
    for (const [name, program] of Object.entries({ old, own })) {
      const args = [part, values.threads, '3', ...(values['processor-time'] ? ['--processor-time'] : [])];
      runs[name].push(JSON.parse(execFileSync(program, args, { encoding: 'utf8' })));
    }
  const [before, after] = [merged(runs.old), merged(runs.own)];
  for (const [name, { what, min }] of Object.entries(after)) {
    if (min === undefined || before[name]?.min === undefined) continue;
    const ratio = min / before[name].min;
    const verdict = ratio > Number(values.limit) ? 'SLOWER' : ratio < 1 / Number(values.limit) ? 'faster' : '';
    slower += verdict === 'SLOWER';
    console.log(
      `${what.padEnd(64)} ${before[name].min.toFixed(3).padStart(10)} ${min.toFixed(3).padStart(10)} ms ${ratio.toFixed(2).padStart(6)} ${verdict}`,
    );
  }
}
if (slower > 0) console.error(`${slower} rows are slower by more than the limit of ${values.limit}`);
process.exit(slower > 0 ? 1 : 0);
