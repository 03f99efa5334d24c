// The packages packed as they are published, and installed from there into a folder, as a user has them.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '..');
export const tool = (name) => join(root, 'node_modules/.bin', name);

/** Folders of the packages that people import. */
export const folders = ['native', ...readdirSync(join(root, 'packages')).map((name) => `packages/${name}`)];

/** Whether the CUDA library was built, and so can be packed. */
export const cuda = existsSync(join(root, 'native/npm/linux-x64-cuda/hidden_attention_cuda.so'));

/** A folder's package.json: { name, version, packageManager }. */
export const manifest = (folder) => JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));

/** The file that a folder's package is packed into. */
export function tarballOf(folder) {
  const { name, version } = manifest(folder);
  return `${name.replace(/^@/, '').replace('/', '-')}-${version}.tgz`;
}

/** Packs folders, in one command, into tarballs under `to`. */
export function pack(wanted, to) {
  const filters = wanted.flatMap((folder) => ['--filter', `./${folder}`]);
  execFileSync('npx', ['--yes', manifest('.').packageManager, '--recursive', ...filters, 'pack', '--pack-destination', to], {
    cwd: root,
    stdio: 'ignore',
  });
}

/** Packs all packages and installs them in `work`, an empty folder outside the workspace. */
export function install(work) {
  const all = [...folders, 'native/npm/linux-x64', ...(cuda ? ['native/npm/linux-x64-cuda'] : [])];
  pack(all, work);
  writeFileSync(join(work, 'package.json'), JSON.stringify({ name: 'a-user', private: true, type: 'module' }));
  const tarballs = all.map((folder) => `./${tarballOf(folder)}`);
  execFileSync('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', ...tarballs], { cwd: work });
}

/** Builds, packs and installs a third party's package out of examples/ beside them; gives the folder that it was built in. */
export function installThirdParty(name, work) {
  const own = join(work, name);
  cpSync(join(root, 'examples', name), own, { recursive: true });
  execFileSync(tool('tsc'), ['--project', own], { encoding: 'utf8' });
  const tarball = execFileSync('npm', ['pack', '--silent', '--pack-destination', work], { cwd: own, encoding: 'utf8' }).trim();
  const installed = join(work, 'node_modules', manifest(`examples/${name}`).name);
  rmSync(installed, { recursive: true, force: true });
  mkdirSync(installed);
  execFileSync('tar', ['-xzf', join(work, tarball), '-C', installed, '--strip-components', '1']);
  return own;
}
