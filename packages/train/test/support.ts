import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';

/** A tiny language model over bytes. */
export const smallModel = {
  model_type: 'mamba',
  architectures: ['MambaForCausalLM'],
  vocab_size: 256,
  hidden_size: 16,
  num_hidden_layers: 2,
  state_size: 4,
  expand: 2,
};

/** A tiny classifier of texts: ham or spam. */
export const smallClassifier = {
  ...smallModel,
  architectures: ['MambaForSequenceClassification'],
  pooling: 'mean',
  id2label: { 0: 'ham', 1: 'spam' },
};

/** A recipe of a few seconds. */
export const recipe = {
  task: 'language-modelling',
  model: smallModel,
  seed: 7,
  steps: 12,
  batchSize: 4,
  length: 24,
  learningRate: 0.01,
  warmupSteps: 2,
  evaluateEvery: 5,
  checkpointEvery: 4,
  validation: { fraction: 0.2 },
};

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A new folder, gone after the test. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'train-'));
  folders.push(folder);
  return folder;
}

/** Writes a file into a new folder and gives its path. */
export function fileOf(content: string, name = 'data.txt'): string {
  const path = join(newFolder(), name);
  writeFileSync(path, content);
  return path;
}

/** Text with something to learn: words of a fixed list in an order that an arithmetic rule decides. */
export function someText(words: number): string {
  const list = ['the', 'state', 'of', 'a', 'mamba', 'is', 'small', 'and', 'its', 'scan', 'runs', 'fast'];
  return Array.from({ length: words }, (_, i) => list[(i * i + 3 * i) % list.length]).join(' ');
}

/** JSON lines whose label is told by one word; lengths differ. */
export function someMail(lines: number): string {
  return Array.from({ length: lines }, (_, i) => {
    const spam = i % 2 === 1;
    const filler = 'hello there '.repeat(1 + (i % 5));
    return JSON.stringify({ text: `${filler}${spam ? 'win $$$ now' : 'see you soon'}`, label: spam ? 'spam' : 'ham' });
  }).join('\n');
}

/** The weights that a training left, as bytes. */
export function weightsIn(folder: string): Buffer {
  return readFileSync(join(folder, 'model.safetensors'));
}
