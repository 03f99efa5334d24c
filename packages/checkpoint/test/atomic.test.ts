import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { writeFileAtomic } from '../src/index.js';
import { temporaryFolder } from './fixtures/temporary.js';

const folder = temporaryFolder();

test('many writes at once leave one of their contents, and nothing beside it', async () => {
  const path = folder.path('x.json');
  const contents = ['a', 'b', 'c'].map((letter) => letter.repeat(100_000));
  await Promise.all(contents.map((content) => writeFileAtomic(path, content)));
  expect(contents).toContain(readFileSync(path, 'utf8'));
  expect(readdirSync(folder.path('.'))).toEqual(['x.json']);
});

test('a file that only its owner may read stays so, and a link stays a link', async () => {
  writeFileSync(folder.path('x.json'), 'old');
  chmodSync(folder.path('x.json'), 0o600);
  symlinkSync('x.json', folder.path('link.json'));
  await writeFileAtomic(folder.path('link.json'), Buffer.from('new'));
  expect(readFileSync(folder.path('x.json'), 'utf8')).toBe('new');
  expect(statSync(folder.path('x.json')).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder.path('.'), { withFileTypes: true }).map((entry) => [entry.name, entry.isSymbolicLink()])).toEqual([
    ['link.json', true],
    ['x.json', false],
  ]);
});

test('what cannot be written is named, and nothing is left', async () => {
  await expect(writeFileAtomic(folder.path('none', 'x.json'), '')).rejects.toThrow(/cannot write .*x\.json: no such file or folder/);
  expect(existsSync(folder.path('none'))).toBe(false);
  mkdirSync(folder.path('x.json'));
  await expect(writeFileAtomic(folder.path('x.json'), '')).rejects.toThrow(/cannot write .*x\.json: it is a folder/);
  expect(readdirSync(folder.path('.'))).toEqual(['x.json']);
});
