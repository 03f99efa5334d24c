import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const examples = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code!);

test.each(examples)('the example of the README prints what it says: %#', async (code) => {
  const expected = [...code.matchAll(/^\s*console\.log.*; \/\/ (.*)$/gm)].flatMap(([, text]) => text!.split(' then '));
  expect(expected.length).toBeGreaterThan(0);

  const modules: Record<string, unknown> = {};
  const imports = /^import (\{.*?\}) from '(.*)';$/gm;
  for (const [, , name] of code.matchAll(imports))
    modules[name!] = await import(/* @vite-ignore */ name!.endsWith('/checkpoint') ? '../src/index.js' : name!);
  const body = code.replace(imports, (_, names: string, name: string) => `const ${names} = modules['${name}'];`);
  const AsyncFunction = (async () => {}).constructor as new (...parameters: string[]) => (...values: unknown[]) => Promise<void>;
  const printed: string[] = [];
  await new AsyncFunction('modules', 'console', body)(modules, { log: (value: unknown) => printed.push(inspect(value)) });
  expect(printed).toEqual(expected);
});
