// npm run bench -- [--quick] [--only LINES] [--out FOLDER]: every figure that docs/benchmarks claims (bench/main.mjs), after everything
// it needs has been built.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root, run, setUp } from './setup.mjs';

setUp();
const native = join(root, 'native');
let build = join(native, 'build');
if (!existsSync(join(build, 'CMakeCache.txt'))) {
  // the addon came out of turbo's cache: the kernels are built for the benchmark alone
  build = join(native, 'build-bench');
  run('cmake', ['-S', native, '-B', build, '-DNO_ADDON=ON', '-DCUDA=OFF'], { stdio: ['ignore', 'ignore', 'inherit'] });
}
run('cmake', ['--build', build, '--target', 'native_bench', '--parallel', '2'], { stdio: ['ignore', 'ignore', 'inherit'] });
const env = { ...process.env, HIDDEN_ATTENTION_NATIVE_BENCH: join(build, 'RelWithDebInfo/native_bench') };
const measured = spawnSync(process.execPath, [join(root, 'bench/main.mjs'), ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env,
});
process.exit(measured.status ?? 1);
