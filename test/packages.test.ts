// The packages as they are published: what other tools make of the tarballs.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { folders, pack, tarballOf, tool } from '../scripts/tarballs.mjs';

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
