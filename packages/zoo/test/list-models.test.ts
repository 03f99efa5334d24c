// The shipped models of nested lists, on the first expressions of the test file, made again.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadZoo, zooPath } from '../src/index.js';
import { expressions } from '../recipes/listops-mamba/expressions.mjs';
import { PARTS } from '../recipes/listops-mamba/prepare.mjs';

interface Expression {
  symbols: string[];
  value: number;
}
const some = [...(expressions({ ...PARTS.test, count: 200 }) as Iterable<Expression>)];

test.each([
  ['listops-mamba', 0.66],
  ['listops-transformer', 0.66],
])('zoo:%s is small, and values about as many expressions as it did', async (name, least) => {
  expect(statSync(join(zooPath(name), 'model.safetensors')).size).toBeLessThanOrEqual(2 * 2 ** 20);
  const { model, tokenizer } = await loadZoo(name);
  let right = 0;
  for (let start = 0; start < some.length; start += 20) {
    const own = some.slice(start, start + 20);
    const rows = own.map(({ symbols }) => tokenizer!.encode(symbols.join(' ')).ids);
    const logits = await model.forward(model.batch(rows)).logits!.read();
    right += own.filter(({ value }, at) => {
      const ten = logits.subarray(10 * at, 10 * at + 10);
      return ten.indexOf(Math.max(...ten)) === value;
    }).length;
  }
  expect(right / some.length).toBeGreaterThan(least);
});

test('both are of the same size', async () => {
  const [mamba, transformer] = await Promise.all(
    ['listops-mamba', 'listops-transformer'].map(async (name) => (await loadZoo(name)).model.parameterCount),
  );
  expect(mamba).toBe(transformer);
});
