// node scripts/method-pages.mjs [--pictures [METHOD…]]: writes docs/methods/README.md out of the registry, and draws the pictures of
// methods (all, or those named) with the command: of an e-mail by zoo:mail or, where a method needs another model, of a picture.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { methodIndex } from './method-index.mjs';
import { root } from './setup.mjs';

const cli = join(root, 'packages/cli');
const require = createRequire(join(cli, 'package.json'));
const { listExplainers } = await import(require.resolve('@hidden-attention/explain'));
const { loadZoo } = await import(require.resolve('@hidden-attention/zoo'));
const folder = join(root, 'docs/methods');
const run = (...command) => execFileSync(process.execPath, command, { cwd: root, stdio: 'inherit' });

const index = join(folder, 'README.md');
writeFileSync(index, methodIndex(listExplainers()));
run(join(root, 'node_modules/prettier/bin/prettier.cjs'), '--write', index);

/** The shipped models in the order in which they are tried, and what each is given. */
const inputs = [
  ['mail', '--text', 'Dear winner, claim your free prize today! Kind regards, Anna'],
  ['fashion-vit', '--image', join(root, 'packages/zoo/recipes/images/excerpt/fashion-0004.png')],
];
const [flag, ...wanted] = process.argv.slice(2);
if (flag === '--pictures') {
  const models = await Promise.all(inputs.map(async ([zoo, ...input]) => ({ zoo, input, model: (await loadZoo(zoo)).model })));
  const names = new Set(wanted.length > 0 ? wanted : listExplainers().map(({ name }) => name));
  for (const explainer of listExplainers()) {
    if (!names.delete(explainer.name)) continue;
    const chosen = models.find(({ model }) => explainer.supports(model) === true);
    if (!chosen) {
      console.log(`${explainer.name}: no picture, ${explainer.supports(models[0].model)}`);
      continue;
    }
    const picture = join(folder, `${explainer.name}.svg`);
    run(
      join(cli, 'dist/main.js'),
      'explain',
      '--model',
      `zoo:${chosen.zoo}`,
      ...chosen.input,
      '--method',
      explainer.name,
      '--out',
      picture,
    );
  }
}
process.exit(0);
