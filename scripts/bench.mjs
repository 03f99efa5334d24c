// npm run bench -- [--quick] [--only LINES] [--out FOLDER]: every figure that docs/benchmarks claims (bench/main.mjs), after everything
// it needs has been built.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root, run, setUp } from './setup.mjs';

setUp();
run('cmake', ['--build', join(root, 'native/build'), '--target', 'native_bench', '--parallel', '2'], {
  stdio: ['ignore', 'ignore', 'inherit'],
});
const measured = spawnSync(process.execPath, [join(root, 'bench/main.mjs'), ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' });
process.exit(measured.status ?? 1);
