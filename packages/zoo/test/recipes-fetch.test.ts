import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { fetchPackage } from '../recipes/fetch.mjs';

// An npm that packs one file, or refuses, and notes how often it was called: nothing here reaches a registry.
const FAKE_NPM = `#!/bin/sh
echo called >> "$FAKE_NPM_LOG"
case "$2" in *missing*) echo "npm error 404 no such package" >&2; exit 1;; esac
for last; do :; done
mkdir -p "$last/package/data" && echo whale > "$last/package/data/text.txt"
tar -czf "$last/pack.tgz" -C "$last" package && rm -r "$last/package"
`;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fetch-'));
  await mkdir(join(folder, 'bin'));
  await writeFile(join(folder, 'bin', 'npm'), FAKE_NPM);
  await chmod(join(folder, 'bin', 'npm'), 0o755);
  vi.stubEnv('PATH', join(folder, 'bin') + delimiter + process.env.PATH);
  vi.stubEnv('FAKE_NPM_LOG', join(folder, 'calls'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

test('a package is fetched and unpacked once, with progress lines', async () => {
  const cache = join(folder, 'cache');
  const lines: string[] = [];
  const log = (line: string) => lines.push(line);
  const first = await fetchPackage('@scope/whales', '1.2.3', { cache, log });
  expect(first).toBe(join(cache, 'scope-whales-1.2.3'));
  expect(await readFile(join(first, 'data', 'text.txt'), 'utf8')).toBe('whale\n');
  expect(await fetchPackage('@scope/whales', '1.2.3', { cache, log })).toBe(first);
  expect(await readFile(join(folder, 'calls'), 'utf8')).toBe('called\n');
  expect(lines.join('\n')).toMatch(/downloading[^]*unpacking[^]*is in the cache/);
  expect(await readdir(cache)).toEqual(['scope-whales-1.2.3']);
});

test('what npm says about a failure is passed on, and nothing is left behind', async () => {
  const cache = join(folder, 'cache');
  await expect(fetchPackage('missing', '1.0.0', { cache, log: () => {} })).rejects.toThrow(
    /missing@1\.0\.0 could not be fetched.*404 no such package/,
  );
  expect(await readdir(cache)).toEqual([]);
});

test.each([
  ['whales', '^1.2.3', /exact version.*"\^1\.2\.3"/],
  ['whales', 'latest', /exact version/],
  ['whales', undefined, /exact version/],
  ['../whales', '1.2.3', /"\.\.\/whales" is no npm package name/],
  ['--help', '1.2.3', /no npm package name/],
])('%s@%s is refused before npm starts', async (name, version, message) => {
  await expect(fetchPackage(name, version as string, { cache: folder })).rejects.toThrow(message);
  expect(await readdir(folder)).toEqual(['bin']);
});
