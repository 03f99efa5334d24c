// Fetches a data package from the Debian archive by name and exact version, once, and unpacks it in the cache folder of fetch.mjs.
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder, command, moveInto } from '../fetch.mjs';

/**
 * Fetches `name` at exactly `version` with `apt-get download`, which needs no rights and installs nothing, unless it is in the cache.
 * @param {string} name package name, for example `dataset-fashion-mnist`
 * @param {string} version exact version
 * @param {{ cache?: string, log?: (line: string) => void }} [options] `log` gets the progress lines (default: stderr)
 * @returns {Promise<string>} the folder that stands for the root of the file system
 */
export async function fetchDebianPackage(name, version, { cache = cacheFolder(), log = console.error } = {}) {
  if (!/^[a-z0-9][a-z0-9.+-]+$/.test(name)) throw new Error(`fetch: "${name}" is no Debian package name`);
  if (!/^[0-9][\w.+~:-]*$/.test(version ?? '')) throw new Error(`fetch: ${name} needs an exact version, got ${JSON.stringify(version)}`);
  const target = join(cache, `${name}-${version}`);
  if (existsSync(target)) {
    log(`fetch: ${name}=${version} is in the cache`);
    return target;
  }
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, '.fetching-'));
  try {
    log(`fetch: ${name}=${version}: downloading with apt-get download ...`);
    await command(
      'sh',
      ['-c', 'cd "$1" && exec apt-get download "$2"', 'sh', work, `${name}=${version}`],
      `${name}=${version} could not be fetched; this needs Debian or a system made of it, and its package lists (apt-get update)`,
    );
    const archive = (await readdir(work)).find((file) => file.endsWith('.deb'));
    if (!archive) throw new Error(`fetch: apt-get download ${name}=${version} left no .deb in ${work}`);
    log(`fetch: ${name}=${version}: unpacking ...`);
    await command('dpkg-deb', ['-x', join(work, archive), join(work, 'root')], `${archive} could not be unpacked; is the disk full?`);
    await moveInto(join(work, 'root'), target);
    log(`fetch: ${name}=${version}: done`);
    return target;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
