// Every method has a page in docs/methods, and the index of the pages is what the registry says.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { listExplainers } from '../src/index.js';

const path = (relative: string): string => fileURLToPath(new URL(`../../../${relative}`, import.meta.url));
const { methodIndex } = (await import(path('scripts/method-index.mjs'))) as { methodIndex: (explainers: unknown) => string };
const sections = ['Formula', 'What it answers', 'Options', 'Cost', 'Known failures', 'Source'];

test.each([...new Set(listExplainers().map(({ name }) => name))])('%s has its page', (name) => {
  const variants = listExplainers().filter((explainer) => explainer.name === name);
  const page = readFileSync(path(`docs/methods/${name}.md`), 'utf8');
  expect(page).toMatch(new RegExp(`^# ${variants[0]!.title.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}\n`));
  for (const section of sections) expect(page, section).toContain(`\n## ${section}\n`);
  for (const { options } of variants)
    if (options instanceof z.ZodObject) for (const key of Object.keys(options.shape)) expect(page, key).toContain(`\`${key}\``);
  expect(page).toContain(`](${name}.svg)`);
  expect(existsSync(path(`docs/methods/${name}.svg`)), `${name}.svg: node scripts/method-pages.mjs --pictures ${name}`).toBe(true);
});

test('the index is that of the registry: node scripts/method-pages.mjs writes it', () => {
  const words = (text: string): string[] => text.split(/[\s|]+/).filter((word) => !/^-*$/.test(word));
  expect(words(readFileSync(path('docs/methods/README.md'), 'utf8'))).toEqual(words(methodIndex(listExplainers())));
});
