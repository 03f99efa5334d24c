// Texts of the tasks with known answers, as training reads them:
//   node packages/evaluate/recipes/prepare.mjs [--out FOLDER] [--count N] [--seed S]
// writes TASK.jsonl, to learn from, and TASK.validation.jsonl, texts of the task itself, lines {"prompt", "completion"}, for each task.
import { mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { listTasks, practiceTexts, taskTexts } from '@hidden-attention/evaluate';

const cache = process.env.HIDDEN_ATTENTION_CACHE ?? join(homedir(), '.cache/hidden-attention');
const { values } = parseArgs({
  options: {
    out: { type: 'string', default: join(cache, 'known') },
    count: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
  },
});
mkdirSync(values.out, { recursive: true });
for (const { name } of listTasks()) {
  const write = (file, texts) =>
    writeFileSync(join(values.out, file), texts.map(({ prompt, completion }) => `${JSON.stringify({ prompt, completion })}\n`).join(''));
  write(`${name}.jsonl`, practiceTexts(name, Number(values.count), Number(values.seed)));
  write(`${name}.validation.jsonl`, taskTexts(name, 'training', 512, Number(values.seed) + 1));
  console.log(`${name}: ${values.count} texts`);
}
