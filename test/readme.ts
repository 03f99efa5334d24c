// The js examples of a package's README are run as they stand: what they print is what the comments behind `console.log(…);` say.
import { readFileSync } from 'node:fs';
import { format } from 'node:util';
import { expect, test } from 'vitest';

const AsyncFunction = (async () => {}).constructor as new (...parameters: string[]) => (...values: unknown[]) => Promise<void>;

/**
 * The tests of a README.
 * @param load imports a package as the README's own does: `(name) => import(name)`
 */
export function testReadme(readme: URL, load: (name: string) => Promise<unknown>): void {
  const examples = [...readFileSync(readme, 'utf8').matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code!);
  test.each(examples)('the example of the README prints what it says: %#', async (code) => {
    const expected = [...code.matchAll(/^\s*console\.log.*; \/\/ (.*)$/gm)].flatMap(([, text]) => text!.split(' then '));
    expect(expected.length).toBeGreaterThan(0);
    const modules: Record<string, unknown> = {};
    const imports = /^import (\{[^}]*\}) from '(.*)';$/gm;
    for (const [, , name] of code.matchAll(imports)) modules[name!] = await load(name!);
    const body = code.replace(imports, (_, names: string, name: string) => `const ${names} = modules['${name}'];`);
    const printed: string[] = [];
    await new AsyncFunction('modules', 'console', body)(modules, { log: (...values: unknown[]) => printed.push(format(...values)) });
    expect(printed).toEqual(expected);
  });
}
