// The examples in the READMEs run as they stand.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from './run.js';

test.each(['native', 'packages/zoo', 'packages/cli'])('the example of %s/README.md', (folder) => {
  const [, code] = /```js\n([\s\S]*?)```/.exec(readFileSync(join(root, folder, 'README.md'), 'utf8')) ?? [];
  // beside the package's own modules, so that it resolves as in a project of a user
  const file = join(root, 'packages/cli', `.readme-${folder.replace('/', '-')}.mjs`);
  writeFileSync(file, code!);
  try {
    expect(execFileSync(process.execPath, [file], { encoding: 'utf8' })).toMatch(/Float32Array/);
  } finally {
    rmSync(file);
  }
});
