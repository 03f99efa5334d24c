import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

test('the example of the README prints what it says', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const [, code] = /```js\n(.*?)```/s.exec(readme)!;
  const expected = [...code!.matchAll(/^console\.log.*; \/\/ (.*)$/gm)].map(([, text]) => text);
  expect(expected.length).toBeGreaterThan(0);

  const modules: Record<string, unknown> = {};
  const imports = /^import (\{.*?\}) from '(.*)';$/gm;
  for (const [, , name] of code!.matchAll(imports))
    modules[name!] = await import(/* @vite-ignore */ name!.endsWith('/train') ? '../src/index.js' : name!);
  const body = code!.replace(imports, (_, names: string, name: string) => `const ${names} = modules['${name}'];`);
  const AsyncFunction = (async () => {}).constructor as new (...parameters: string[]) => (...values: unknown[]) => Promise<void>;
  const printed: string[] = [];
  await new AsyncFunction('modules', 'console', body)(modules, { log: (...values: unknown[]) => printed.push(values.join(' ')) });
  expect(printed).toEqual(expected);
});
