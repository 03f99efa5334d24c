// Packages of third parties: found as Node finds what `import` asks for, run once, refused where they bring nothing.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineExplainer, importPackage, listExplainers, registerExplainer, UnknownNameError } from '@hidden-attention/explain';
import { afterAll, beforeAll, expect, test } from 'vitest';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hidden-attention-packages-'));
  // as a package would by importing this very library, which it cannot from a folder outside
  Object.assign(globalThis, { registerForTest: (name: string) => registerExplainer(explainer(name)) });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const explainer = (name: string) =>
  defineExplainer({
    name,
    title: name,
    summary: 'Nothing.',
    cite: 'here',
    signed: false,
    supports: () => true,
    explain: async ({ length }) => ({ scores: new Float64Array(length) }),
  });

function install(name: string, code: string): void {
  const own = join(folder, 'node_modules', name);
  mkdirSync(own, { recursive: true });
  // no "default", no "main": require.resolve does not find it
  writeFileSync(join(own, 'package.json'), JSON.stringify({ name, type: 'module', exports: { '.': { import: './own.js' } } }));
  writeFileSync(join(own, 'own.js'), code);
}

test('a package with nothing but an import entry is found from the folder, run once, and gives what it registered each time', async () => {
  install('one-explainer', "globalThis.registerForTest('from-a-package');");
  const [first] = await importPackage('one-explainer', folder);
  expect(first!.name).toBe('from-a-package');
  expect(listExplainers()).toContain(first);
  expect(await importPackage('one-explainer', folder)).toEqual([first]);
  // the same file by its path
  expect(await importPackage('node_modules/one-explainer/own.js', folder)).toEqual([first]);
});

test('a package that registers something else counts; one that registers nothing, fails or is not there is refused', async () => {
  install('brings-nothing', 'export {};');
  install('brings-others', 'globalThis.othersForTest = ["a-protocol"];');
  install('is-broken', "throw new Error('out of luck');");
  const others = (): string[] => (globalThis as { othersForTest?: string[] }).othersForTest ?? [];
  expect(await importPackage('brings-others', folder, others)).toEqual([]);
  await expect(importPackage('brings-nothing', folder, others)).rejects.toThrow('was imported and registered nothing');
  await expect(importPackage('is-broken', folder)).rejects.toThrow(/importing .*own\.js failed: out of luck/);
  const missing = importPackage('is-missing', folder);
  await expect(missing).rejects.toThrow(UnknownNameError);
  await expect(missing).rejects.toThrow(`Cannot find package 'is-missing'; install it in ${folder}, or name a file such as ./mine.js`);
});
