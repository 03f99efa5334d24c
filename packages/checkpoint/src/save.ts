import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Model } from '@hidden-attention/model';
import writeFileAtomic from 'write-file-atomic';
import { writeSafetensors } from './safetensors.js';
import type { Tokenizer } from './tokenizer.js';

/**
 * Writes a model as a folder in Hugging Face layout: config.json and model.safetensors (f32, under the published names), each
 * file whole or not at all. Loading it again gives the same bits.
 */
export async function saveModel(folder: string, model: Model, options: { tokenizer?: Tokenizer; metadata?: Readonly<Record<string, string>> } = {}): Promise<void> {
  if (!existsSync(folder)) await mkdir(folder, { recursive: true });
  const tensors = await Promise.all(
    [...model.parameters].map(async ([name, tensor]) => ({ name, dtype: 'F32' as const, shape: tensor.shape, data: await tensor.read() })),
  );
  await writeSafetensors(join(folder, 'model.safetensors'), tensors, { format: 'pt', ...options.metadata });
  await writeFileAtomic(join(folder, 'config.json'), `${JSON.stringify(model.json, null, 2)}\n`);
}
