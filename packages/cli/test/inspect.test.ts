// What inspect prints of a model, and of one that cannot be loaded.
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { loadModel, saveModel } from '@hidden-attention/checkpoint';
import { disposeState } from '@hidden-attention/model';
import { expect, test } from 'vitest';
import { cli, root, workFolder } from './run.js';

const folder = workFolder();

test('files, types and the memory of a forward pass, which is about what one takes', async () => {
  const { status, stdout } = cli('inspect', 'zoo:prose', '--json', '--length', '700');
  expect(status).toBe(0);
  const report = JSON.parse(stdout) as { memory: { length: number; forward: number } };
  expect(report).toMatchObject({
    files: [{ name: 'model.safetensors', format: 'safetensors' }],
    storedTypes: { F32: 965_760 },
    missing: [],
    wrong: [],
    unused: [],
  });
  const { model } = await loadModel(join(root, 'packages/zoo/models/prose'));
  const { live } = model.device.memory({ resetPeak: true });
  disposeState(model.stepChunk([new Int32Array(700)], undefined, { logits: 'last' }).state);
  const taken = model.device.memory().peak - live;
  expect(report.memory.length).toBe(700);
  expect(report.memory.forward).toBeGreaterThan(0.8 * taken);
  expect(report.memory.forward).toBeLessThan(1.25 * taken);
});

test('a model of another size than its config.json: what is missing, misshapen and unused, and exit status 1', async () => {
  const { model } = await loadModel(join(root, 'packages/zoo/models/prose'));
  await saveModel(join(folder, 'other'), model);
  cpSync(join(root, 'packages/zoo/models/mail/config.json'), join(folder, 'other', 'config.json'));
  const { status, stdout, stderr } = cli('inspect', join(folder, 'other'));
  expect(status).toBe(1);
  expect(stdout).toMatch(/│ missing +│ score\.weight \(2, 64\)/);
  expect(stdout).toMatch(/│ misshapen +│ backbone\.embeddings\.weight is \(256, 128\); config\.json makes it \(256, 64\)/);
  expect(stdout).toMatch(/backbone\.layers\.7\.norm\.weight/);
  expect(stderr).toMatch(/cannot be loaded: 1 parameters are missing, \d+ misshapen/);
});
