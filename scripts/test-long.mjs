// npm run test:long: what takes longer. The other instruction-set levels, arm64 under an emulator, the benchmark's lines, the sanitizers,
// 10,000 fuzz cases a parser, and the kill-and-restart tests. `--minutes N` leaves out what would start later than that, and says so;
// `--only TEXT` runs the parts whose names contain the text.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Counts } from './counts.mjs';
import { root, setUp } from './setup.mjs';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: 'Infinity' }, only: { type: 'string', default: '' } } });
const minutes = Number(values.minutes);
if (!(minutes >= 0)) throw new Error(`--minutes needs a number of minutes, not ${values.minutes}`);
setUp();
const started = Date.now();
const counts = new Counts();
const leftOut = [];
function part(name, body) {
  if (!name.includes(values.only)) return;
  if ((Date.now() - started) / 60000 > minutes) leftOut.push(name);
  else body();
}
const native = join(root, 'native');
/** Tests whose kernels take the race detector a minute at most each. */
const raceTests = [
  'adamw',
  'attentionMatrixLong',
  'attentionMatrixDecays',
  'castRounds',
  'operandsOf16Bits',
  'crossEntropyRange',
  'embeddingRange',
  'matmulBlocks',
  'reduceNaN',
  'selectiveScanStep',
  'softmax',
  'topK',
];
/** The folder of a build with sanitizers, made at the first call; undefined where that failed. */
const builds = new Map();
function built(name, sanitize) {
  if (!builds.has(sanitize)) {
    const build = join(native, `build-${sanitize.split(',')[0]}`);
    const options = [`-DSANITIZE=${sanitize}`, '-DNO_ADDON=ON'];
    const targets = ['native_test', 'simt_test', 'simt_bugs'];
    const worked =
      counts.step(`configure for ${name}`, 'cmake', ['-S', native, '-B', build, ...options]) &&
      counts.step(`build for ${name}`, 'cmake', ['--build', build, '--target', ...targets, '--parallel', '2']);
    builds.set(sanitize, worked ? join(build, 'RelWithDebInfo') : undefined);
  }
  return builds.get(sanitize);
}
function sanitized(name, sanitize, env, playedEnv) {
  part(`C++ tests under ${name}`, () => {
    const folder = built(name, sanitize);
    if (!folder) return;
    counts.native(`C++ tests under ${name}`, join(folder, 'native_test'), { env });
    counts.native(`planted mistakes under ${name}`, join(folder, 'simt_bugs'), { env });
    counts.native(`played CUDA kernels under ${name}`, join(folder, 'simt_test'), { env: { ...env, ...playedEnv } });
  });
}

part('C++ tests on every instruction-set level', () =>
  counts.native('C++ tests on every instruction-set level', join(native, 'build/RelWithDebInfo/native_test')),
);
part('CUDA kernels, played in eight orders', () =>
  counts.native('CUDA kernels, played in eight orders', join(native, 'build/RelWithDebInfo/simt_test'), {
    env: { NATIVE_TEST_SCHEDULES: '8' },
  }),
);
part('C++ tests for arm64, with NEON', () => {
  const [compiler, emulator] = ['aarch64-linux-gnu-g++', 'qemu-aarch64'];
  const missing = [compiler, emulator].filter((command) => spawnSync(command, ['--version']).status !== 0);
  if (missing.length > 0)
    return console.log(
      `${missing.join(' and ')}: not here, so the kernels for arm64 were not tested (Debian: apt-get install g++-aarch64-linux-gnu qemu-user)`,
    );
  const build = join(native, 'build-arm64');
  const target = ['-DCMAKE_SYSTEM_NAME=Linux', '-DCMAKE_SYSTEM_PROCESSOR=aarch64', `-DCMAKE_CXX_COMPILER=${compiler}`];
  if (
    counts.step('configure for arm64', 'cmake', ['-S', native, '-B', build, '-DNO_ADDON=ON', '-DCUDA=OFF', ...target]) &&
    counts.step('build for arm64', 'cmake', ['--build', build, '--target', 'native_test', '--parallel', '2'])
  )
    counts.native('C++ tests for arm64, with NEON', emulator, {
      args: ['-L', '/usr/aarch64-linux-gnu', join(build, 'RelWithDebInfo/native_test')],
    });
});
part('every line of the benchmark, small', () =>
  counts.step('every line of the benchmark, small', 'node', [join(root, 'scripts/bench.mjs'), '--quick', '--peers', 'none']),
);
sanitized('the address and undefined-behaviour sanitizers', 'address,undefined', {
  ASAN_OPTIONS: 'detect_leaks=0',
  UBSAN_OPTIONS: 'halt_on_error=1',
  NATIVE_TEST_LEVELS: 'best',
});
sanitized('the thread sanitizer', 'thread', { NATIVE_TEST_LEVELS: 'best' }, { NATIVE_TEST_ONLY: 'queue,pool,memory' });
// every GPU thread is watched: small shapes, one order
part('played CUDA kernels under the race detector', () => {
  const folder = built('the thread sanitizer', 'thread');
  if (folder)
    counts.native('played CUDA kernels under the race detector', join(folder, 'simt_test'), {
      env: { NATIVE_TEST_SCHEDULES: '1', NATIVE_TEST_ONLY: raceTests.join(',') },
    });
});
for (const level of ['v3', 'v2']) {
  part(`TypeScript tests on ${level}`, () =>
    counts.vitest(
      `TypeScript tests of the ops and models on ${level}`,
      ['packages/tensor', 'packages/model', 'packages/checkpoint', 'packages/attention', 'packages/explain'],
      {
        env: { HIDDEN_ATTENTION_ISA: level },
      },
    ),
  );
}
part('long TypeScript tests', () => counts.vitest('TypeScript tests, long forms', [], { env: { HIDDEN_ATTENTION_LONG: '1' } }));
part('the CUDA library for all architectures', () => {
  if (spawnSync('nvcc', ['--version']).status !== 0)
    return console.log('nvcc is not here: the CUDA library was not built for all architectures');
  const build = join(native, 'build-all');
  if (counts.step('configure for all architectures', 'cmake', ['-S', native, '-B', build, '-DNO_ADDON=ON', '-DCUDA_ARCHITECTURES=all']))
    counts.step('build for all architectures', 'cmake', ['--build', build, '--target', 'hidden_attention_cuda', '--parallel', '2']);
});
if (leftOut.length > 0) console.log(`\nLeft out for want of time: ${leftOut.join('; ')}`);
counts.close();
