// A sweep over small random models and real e-mails, in a folder of its own.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { saveModel } from '@hidden-attention/checkpoint';
import { createModel } from '@hidden-attention/model';

const mails = new URL('../../zoo/test/fixtures/mail-sample.jsonl', import.meta.url);
export const excerpt: string = new URL('../../zoo/recipes/images/excerpt', import.meta.url).pathname;

/** A folder with a text model, a vision model and e-mails. */
export async function smallFolder(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'hidden-attention-sweep-'));
  const text = createModel(
    {
      model_type: 'mamba',
      architectures: ['MambaForSequenceClassification'],
      vocab_size: 256,
      hidden_size: 12,
      num_hidden_layers: 2,
      initializer_range: 0.5,
      pooling: 'mean',
      id2label: { 0: 'ham', 1: 'spam' },
    },
    { seed: 4 },
  );
  const vision = createModel(
    {
      model_type: 'vim',
      architectures: ['VisionMamba'],
      img_size: 56,
      patch_size: 8,
      in_channels: 3,
      embed_dim: 16,
      depth: 2,
      d_state: 4,
      num_classes: 10,
      if_cls_token: true,
      use_middle_cls_token: true,
      initializer_range: 0.3,
    },
    { seed: 5 },
  );
  await saveModel(join(folder, 'text'), text);
  await saveModel(join(folder, 'vision'), vision);
  for (const model of [text, vision]) model.dispose();
  const lines = readFileSync(mails, 'utf8').split('\n').filter(Boolean).slice(0, 12);
  writeFileSync(join(folder, 'mails.jsonl'), lines.map((line) => `${line}\n`).join(''));
  return folder;
}

/** Two tasks, two methods, an ablation, four protocols, two seeds. */
export const smallSweep = (): Record<string, unknown> => ({
  name: 'small',
  data: [
    {
      name: 'planted',
      kind: 'planted-text',
      options: {
        path: 'mails.jsonl',
        count: 6,
        length: 160,
        phrases: { spam: ['Click here to claim your prize!'], ham: ['See the attached patch.'] },
      },
      models: ['text'],
    },
    { name: 'scenes', kind: 'image-folder', options: { path: excerpt, set: 'scenes', count: 4 }, models: ['vision'] },
  ],
  models: ['text', 'vision'],
  explainers: ['gradient-x-input', 'raw', { name: 'rollout', as: 'rollout, rows', options: { normalize: 'rows' } }],
  protocols: ['eraser', 'segmentation', 'completeness', { name: 'infidelity', options: { samples: 6 } }],
  seeds: [1, 2],
  shard: 2,
});
