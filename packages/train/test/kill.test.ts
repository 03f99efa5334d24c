import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { fileOf, newFolder, recipe, someText, weightsIn } from './support.js';

const folder = join(fileURLToPath(import.meta.url), '../..');
const script = `
import { train } from '@hidden-attention/train';
const { config, data, out } = JSON.parse(process.argv[1]);
const { existsSync } = await import('node:fs');
await train({ config, data: [data], out, resume: existsSync(out + '/log.jsonl'), onProgress: ({ step }) => console.log(step) });
`;

/** Trains in a process of its own and kills it `delay` ms after it reported `step`; null: lets it end. */
async function run(config: object, data: string, out: string, kill: { step: number; delay: number } | null): Promise<void> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, JSON.stringify({ config, data, out })], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  for await (const line of createInterface(child.stdout)) {
    if (kill && Number(line) >= kill.step) setTimeout(() => child.kill('SIGKILL'), kill.delay);
  }
  const [code] = await ended;
  if (!kill) expect(code).toBe(0);
}

// runs the built package, which `npm run test:long` has made
test.skipIf(process.env['HIDDEN_ATTENTION_LONG'] !== '1' || !existsSync(join(folder, 'dist/index.js')))(
  'a training that is killed again and again ends with the same weights as one that is not',
  async () => {
    const data = fileOf(someText(400));
    const config = { ...recipe, steps: 60, checkpointEvery: 1, averageWeights: 0.9 };
    const whole = newFolder();
    await run(config, data, whole, null);
    const out = newFolder();
    for (let i = 0; i < 10; i++) await run(config, data, out, { step: 3 + 5 * i, delay: (i * 7) % 23 });
    expect(existsSync(join(out, 'training.json'))).toBe(false);
    await run(config, data, out, null);
    expect(weightsIn(out).equals(weightsIn(whole))).toBe(true);
    expect(readdirSync(out).sort()).toEqual(readdirSync(whole).sort());
  },
  240_000,
);
