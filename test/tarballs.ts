// The packages packed as they are published.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root: string = join(import.meta.dirname, '..');
export const tool = (name: string): string => join(root, 'node_modules/.bin', name);

/** Folders of the packages that people import. */
export const folders: readonly string[] = ['native', ...readdirSync(join(root, 'packages')).map((name) => `packages/${name}`)];

/** Whether the CUDA library was built, and so can be packed. */
export const cuda: boolean = existsSync(join(root, 'native/npm/linux-x64-cuda/hidden_attention_cuda.so'));
if (!cuda) console.log('skipped: the package of the CUDA library; nvcc was not there when the addon was built');

/** A folder's package.json. */
export function manifest(folder: string): { name: string; version: string; packageManager?: string } {
  return JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as { name: string; version: string; packageManager?: string };
}

/** The file that a folder's package is packed into. */
export function tarballOf(folder: string): string {
  const { name, version } = manifest(folder);
  return `${name.replace(/^@/, '').replace('/', '-')}-${version}.tgz`;
}

/** Packs folders, in one command, into tarballs under `to`. */
export function pack(wanted: readonly string[], to: string): void {
  const filters = wanted.flatMap((folder) => ['--filter', `./${folder}`]);
  execFileSync('npx', ['--yes', manifest('.').packageManager!, '--recursive', ...filters, 'pack', '--pack-destination', to], {
    cwd: root,
    stdio: 'ignore',
  });
}
