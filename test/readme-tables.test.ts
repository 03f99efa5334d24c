import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readmeWithTables } from '../scripts/readme-tables.mjs';

test('the tables of the README are those of the registries', async () => {
  const text = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  expect(text, 'run node scripts/readme-tables.mjs').toBe(await readmeWithTables());
});
