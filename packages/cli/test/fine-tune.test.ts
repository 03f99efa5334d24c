// train --model, with parameters frozen, as a user would.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cli, fixtures, root, safetensors, workFolder } from './run.js';

const folder = workFolder();
const recipe = join(folder, 'recipe.json');
writeFileSync(recipe, JSON.stringify({ task: 'language-modelling', steps: 1, batchSize: 1, length: 16 }));
const start = ['train', '--config', recipe, '--data', join(fixtures, 'prose-sample.txt'), '--model', 'zoo:prose'];

test('--freeze leaves parameters as they are, bit by bit, and the others are trained', () => {
  const out = join(folder, 'frozen');
  expect(cli(...start, '--freeze', '*.mixer.*', '--freeze', '*norm*', '--out', out).status).toBe(0);
  const [before, after] = [join(root, 'packages/zoo/models/prose'), out].map((own) => safetensors(join(own, 'model.safetensors')));
  const changed = [...before!]
    .filter(([name, { data }]) => data.some((value, i) => value !== after!.get(name)!.data[i]))
    .map(([name]) => name);
  expect(changed).toEqual(['backbone.embeddings.weight']);
});

test('what flags and recipe both say is refused, and a rank that is none', () => {
  const both = join(folder, 'both.json');
  writeFileSync(both, JSON.stringify({ task: 'language-modelling', steps: 1, freeze: ['*'] }));
  const refused = cli('train', '--config', both, '--data', 'x', '--model', 'zoo:prose', '--freeze', '*', '--out', join(folder, 'no'));
  expect(refused).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('--freeze is given, and the recipe has a field freeze') as string,
  });
  expect(cli(...start, '--lora', 'many', '--out', join(folder, 'no')).stderr).toContain(
    '--lora: "many" is not a whole number of at least 1',
  );
});
