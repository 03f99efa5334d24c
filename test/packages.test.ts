// The packages as they are published: what other tools make of the tarballs.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { folders, pack, root, tarballOf, tool } from '../scripts/tarballs.mjs';

let work: string;
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'packages-'));
  pack(folders, work);
}, 300_000);
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** What a command says, and the code that it ends with. */
function run(command: string, ...args: string[]): Promise<{ code: unknown; said: string }> {
  return new Promise((done) => {
    execFile(command, args, { encoding: 'utf8' }, (error, out, err) => done({ code: error ? error.code : 0, said: out + err }));
  });
}

describe.concurrent.each(folders)('%s', (folder) => {
  test('passes publint', async ({ expect }) => {
    const { code, said } = await run(tool('publint'), '--strict', join(work, tarballOf(folder)));
    expect(said).toMatch(/All good!/);
    expect(code).toBe(0);
  });
  test('resolves its types for every kind of importer of ES modules', async ({ expect }) => {
    const { code, said } = await run(tool('attw'), '--profile', 'esm-only', '--no-emoji', join(work, tarballOf(folder)));
    expect(code, said).toBe(0);
  });
});

/** Characters of a program that imports `what` of a package, bundled with the package's own code and minified. */
async function bundled(folder: string, what: string): Promise<number> {
  const program = '\0program';
  const entry = JSON.stringify(join(root, folder, 'dist/index.js'));
  const bundle = await rolldown({
    input: program,
    platform: 'node',
    external: /^[@a-z]/,
    plugins: [
      {
        name: 'program',
        resolveId: (id) => (id === program ? id : null),
        load: (id) => (id === program ? `import ${what} from ${entry}; console.log(it);` : null),
      },
    ],
  });
  const { output } = await bundle.generate({ minify: true });
  return output.reduce((sum, file) => sum + (file.type === 'chunk' ? file.code.length : 0), 0);
}

test.each([
  ['packages/tensor', 'scope', 0.05],
  ['packages/tensor', 'add', 0.3],
  ['packages/plot', 'contrast', 0.01],
  ['packages/plot', 'curves', 0.3],
  ['packages/checkpoint', 'byteTokenizer', 0.1],
  ['packages/attention', 'audit', 0.3],
  ['packages/model', 'disposeState', 0.15],
  ['packages/explain', 'logitLens', 0.1],
  ['packages/evaluate', 'bootstrap', 0.05],
])('who bundles a program with %s leaves out what it does not use: %s', async (folder, name, most) => {
  const [part, all] = [await bundled(folder, `{ ${name} as it }`), await bundled(folder, '* as it')];
  expect(part / all).toBeLessThan(most);
});

/** The files that a program of Node loads. */
async function loadedBy(...program: string[]): Promise<string[]> {
  const hook = `export async function load(url, context, next) { console.log(url); return next(url, context); }`;
  const register = `import { register } from 'node:module'; register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}));`;
  const { code, said } = await run(process.execPath, '--import', `data:text/javascript,${encodeURIComponent(register)}`, ...program);
  expect(code, said).toBe(0);
  return said.split('\n').filter((line) => line.startsWith('file:'));
}

test('importing a package loads few files, and no library that is needed later only', async () => {
  for (const folder of folders) {
    const entry = JSON.stringify(join(root, folder, 'dist/index.js'));
    const files = await loadedBy('--input-type=module', '-e', `await import(${entry});`);
    expect(files.length, folder).toBeGreaterThan(0);
    expect(files.length, folder).toBeLessThanOrEqual(30);
    expect(
      files.filter((file) => /zod|d3-|hub|jinja|tokenizers\/|ml-matrix|bullmq|ioredis|napi-rs|commander/.test(file)),
      folder,
    ).toEqual([]);
  }
});

/** The packages that a program loads files of. */
const packagesOf = (files: string[]): string[] => [...new Set(files.flatMap((file) => /\/packages\/(\w+)\//.exec(file)?.[1] ?? []))];

test('what reads files of models loads with the first model', async () => {
  for (const name of ['zoo', 'evaluate']) {
    const entry = JSON.stringify(join(root, `packages/${name}/dist/index.js`));
    expect(packagesOf(await loadedBy('--input-type=module', '-e', `await import(${entry});`))).not.toContain('checkpoint');
  }
});

test('the command line loads the command that is called, and none for its version or the list of commands', async () => {
  const main = join(root, 'packages/cli/dist/main.js');
  expect(packagesOf(await loadedBy(main, '--version'))).toEqual(['cli']);
  expect(packagesOf(await loadedBy(main, '--help'))).toEqual(['cli']);
  expect(packagesOf(await loadedBy(main, 'convert', '--help'))).toEqual(
    expect.not.arrayContaining(['explain', 'train', 'plot', 'evaluate']),
  );
});
