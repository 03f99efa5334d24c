// Builds the addon with cmake-js: Ninja where it is found, else Makefiles; nothing is downloaded. Where nvcc is found, the CUDA
// library is built as well. Extra arguments go to cmake-js, for example: node build.mjs --CDCUDA_ARCHITECTURES=all (before
// publishing), node build.mjs --CDCUDA=OFF
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const folder = dirname(fileURLToPath(import.meta.url));
const has = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
const missing = [
  [['c++', 'g++', 'clang++'].some(has) || process.env.CXX, 'a C++20 compiler', 'g++'],
  [has('cmake'), 'CMake 3.22 or newer', 'cmake'],
  [has('ninja') || has('make') || has('gmake'), 'Ninja or Make', 'make'],
].filter(([found]) => !found);
if (missing.length > 0) {
  const packages = missing.map(([, , name]) => name).join(' ');
  console.error(
    `Building the native addon needs ${missing.map(([, what]) => what).join(' and ')}. Install it with:\n` +
      (process.platform === 'darwin' ? '  xcode-select --install && brew install cmake' : `  sudo apt-get install -y ${packages}`),
  );
  process.exit(1);
}
const cmakeJs = join(dirname(createRequire(import.meta.url).resolve('cmake-js/package.json')), 'bin/cmake-js');
const generator = has('ninja') ? 'Ninja' : 'Unix Makefiles';
const out = process.argv.includes('--out') ? [] : ['--out', 'build'];
const result = spawnSync(
  process.execPath,
  [cmakeJs, 'build', '--log-level', 'error', '-G', generator, '-B', 'RelWithDebInfo', '--parallel', '2', ...out, ...process.argv.slice(2)],
  { cwd: folder, stdio: 'inherit' },
);
if (result.status !== 0) process.exit(result.status ?? 1);

// the copy that is published for this platform, without its debugging symbols
const platform = join(folder, 'npm', `${process.platform}-${process.arch}`);
if (out.length > 0 && existsSync(platform)) {
  const published = join(platform, 'hidden_attention.node');
  copyFileSync(join(folder, 'build/RelWithDebInfo/hidden_attention.node'), published);
  spawnSync('strip', ['--strip-unneeded', published], { stdio: 'ignore' });
  const cuda = join(folder, 'build/RelWithDebInfo/hidden_attention_cuda.so');
  if (existsSync(cuda) && existsSync(`${platform}-cuda`)) {
    copyFileSync(cuda, join(`${platform}-cuda`, 'hidden_attention_cuda.so'));
    spawnSync('strip', ['--strip-unneeded', join(`${platform}-cuda`, 'hidden_attention_cuda.so')], { stdio: 'ignore' });
  }
}
