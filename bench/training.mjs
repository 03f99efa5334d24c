// Training tokens a second of the zoo's models: the forward, the backward and the update of the committed recipes.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRequire } from 'node:module';

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(join(here, '../packages/zoo/package.json'));
const load = (name) => import(require.resolve(name));
const { createModel } = await load('@hidden-attention/model');
const { gradient, scope, crossEntropy, sum, reshape, Tensor, openDevice } = await import(join(here, '../packages/tensor/dist/index.js'));
const device = openDevice();
for (const name of ['mail', 'prose']) {
  const recipe = JSON.parse(readFileSync(join(here, `../packages/zoo/recipes/${name}/recipe.json`), 'utf8'));
  const model = createModel(recipe.model, { device });
  const { batchSize, length } = recipe;
  const rows = Array.from({ length: batchSize }, (_, r) => Int32Array.from({ length }, (_, i) => (i * 31 + r * 17 + ((i * i) % 29)) % 256));
  const classifier = recipe.task === 'classification';
  const labels = classifier ? new Int32Array(batchSize) : Int32Array.from(rows.flatMap((row) => [...row]));
  const parameters = [...model.parameters.values()];
  let best = Infinity;
  for (let i = 0; i < 6; i++) {
    const start = performance.now();
    scope(() => {
      gradient(() => {
        const { logits } = model.forward(model.batch(rows));
        return sum(crossEntropy(reshape(logits, [labels.length, logits.shape.at(-1)]), Tensor.from(labels)));
      }, parameters);
    });
    await device.finish();
    best = Math.min(best, performance.now() - start);
  }
  console.log(
    `training zoo:${name}, batch ${batchSize} x ${length}, ${model.parameterCount.toLocaleString('en')} parameters: ${Math.round((batchSize * length * 1000) / best).toLocaleString('en')} tokens/s (forward and backward)`,
  );
  model.dispose();
}
process.exit(0);
