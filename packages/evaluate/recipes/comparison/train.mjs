// Trains the models of the comparison that are missing, one after the other; stopped, it goes on where it was:
//   node packages/evaluate/recipes/comparison/train.mjs [--task text] [--kind mamba2] [--seed 1]
//   node packages/evaluate/recipes/comparison/train.mjs --keep     stores seed 1 of each kind, in 16 bits, in packages/evaluate/models/comparison
// Data: packages/zoo/recipes/mail/prepare.mjs and packages/zoo/recipes/images/prepare.mjs.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadModel, saveModel } from '@hidden-attention/checkpoint';
import { train } from '@hidden-attention/train';
import { keptFolder, kinds, recipeOf, seeds, tasks, trainedFolder, trainingData } from './comparison.mjs';

const { values } = parseArgs({
  options: { task: { type: 'string' }, kind: { type: 'string' }, seed: { type: 'string' }, keep: { type: 'boolean', default: false } },
});
const chosen = (all, one) => (one === undefined ? all : all.filter((each) => String(each) === one));
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());

for (const seed of values.keep ? [1] : chosen(seeds, values.seed))
  for (const task of chosen(tasks, values.task))
    for (const kind of chosen(kinds, values.kind)) {
      const out = join(trainedFolder, `${task}-${kind}-${seed}`);
      if (values.keep) {
        const { model } = await loadModel(out);
        const processing = join(out, 'preprocessor_config.json');
        const files = existsSync(processing) ? { 'preprocessor_config.json': readFileSync(processing, 'utf8') } : {};
        await saveModel(join(keptFolder, `${task}-${kind}`), model, { dtype: 'bf16', files });
        continue;
      }
      if (stop.signal.aborted || existsSync(join(out, 'training.json'))) continue;
      let said = 0;
      const result = await train({
        config: recipeOf(task, kind, seed),
        data: trainingData[task],
        out,
        resume: existsSync(join(out, 'log.jsonl')),
        signal: stop.signal,
        onProgress({ step, steps, loss, secondsLeft }) {
          if (Date.now() - said < 10_000) return;
          said = Date.now();
          console.error(`${task} ${kind} ${seed}: step ${step} of ${steps}, loss ${loss.toFixed(3)}, ${Math.round(secondsLeft)} s left`);
        },
      });
      console.error(`${task} ${kind} ${seed}: ${result.reason} at step ${result.step}`);
    }
process.exit(0);
