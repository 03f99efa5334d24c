// Every method has a page in docs/methods, and the index of the pages is what the registry says.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createModel } from '@hidden-attention/model';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { listExplainers } from '../src/index.js';

const path = (relative: string): string => fileURLToPath(new URL(`../../../${relative}`, import.meta.url));
const { methodIndex } = (await import(path('scripts/method-index.mjs'))) as { methodIndex: (explainers: unknown) => string };
const sections = ['Formula', 'What it answers', 'Options', 'Cost', 'Known failures', 'Source'];
const mail = createModel({
  model_type: 'mamba',
  architectures: ['MambaForSequenceClassification'],
  pooling: 'mean',
  vocab_size: 256,
  hidden_size: 8,
  num_hidden_layers: 1,
  id2label: { 0: 'ham', 1: 'spam' },
});

test.each([...new Set(listExplainers().map(({ name }) => name))])('%s has its page', (name) => {
  const variants = listExplainers().filter((explainer) => explainer.name === name);
  const page = readFileSync(path(`docs/methods/${name}.md`), 'utf8');
  expect(page).toMatch(new RegExp(`^# ${variants[0]!.title.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}\n`));
  for (const section of sections) expect(page, section).toContain(`\n## ${section}\n`);
  for (const { options } of variants)
    if (options instanceof z.ZodObject) for (const key of Object.keys(options.shape)) expect(page, key).toContain(`\`${key}\``);
  if (variants[0]!.supports(mail) !== true) return; // the pictures are of zoo:mail
  expect(page).toContain(`](${name}.svg)`);
  expect(existsSync(path(`docs/methods/${name}.svg`)), `${name}.svg: node scripts/method-pages.mjs --pictures ${name}`).toBe(true);
});

test('the index is that of the registry: node scripts/method-pages.mjs writes it', () => {
  const words = (text: string): string[] => text.split(/[\s|]+/).filter((word) => !/^-*$/.test(word));
  expect(words(readFileSync(path('docs/methods/README.md'), 'utf8'))).toEqual(words(methodIndex(listExplainers())));
});
