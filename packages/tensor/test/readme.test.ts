import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import * as tensor from '../src/index.js';

test('the example of the README prints what it says', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const [, code] = /```js\n(.*?)```/s.exec(readme)!;
  const expected = [...code!.matchAll(/^console\.log.*; \/\/ (.*)$/gm)].map((match) => match[1]);
  expect(expected.length).toBeGreaterThan(0);

  const printed: string[] = [];
  const AsyncFunction = (async () => {}).constructor as new (...parameters: string[]) => (...values: unknown[]) => Promise<void>;
  const body = code!.replace(/import (\{.*?\}) from '@hidden-attention\/tensor';/s, 'const $1 = tensor;');
  await new AsyncFunction('tensor', 'console', body)(tensor, { log: (value: unknown) => printed.push(inspect(value)) });
  expect(printed).toEqual(expected);
});
