import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Model } from '@hidden-attention/model';
import { writeAtomically } from './atomic.js';
import { configText } from './config-json.js';
import { CheckpointError, fileTrouble } from './errors.js';
import { writeSafetensors } from './safetensors.js';
import type { Tokenizer } from './tokenizer.js';

export interface SaveOptions {
  /** written beside the model, where it has files of its own */
  tokenizer?: Tokenizer | null;
  /** notes for the header of model.safetensors */
  metadata?: Readonly<Record<string, string>>;
}

/**
 * Writes a model as a folder in Hugging Face layout: model.safetensors (f32, under the published names), the tokenizer's files
 * and config.json, each whole or not at all. Loading it again gives the same bits, and the same model gives the same bytes.
 * @throws CheckpointError when the folder cannot be made or written
 */
export async function saveModel(folder: string, model: Model, options: SaveOptions = {}): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw new CheckpointError(`cannot make the folder ${folder}: ${fileTrouble(error)}. Choose a place that can be written`, {
      cause: error,
    });
  });
  const tensors = [...model.parameters].map(([name, tensor]) => ({
    name,
    dtype: 'F32' as const,
    shape: tensor.shape,
    data: () => tensor.read(),
  }));
  await writeSafetensors(join(folder, 'model.safetensors'), tensors, { format: 'pt', ...options.metadata });
  const files = { ...options.tokenizer?.files, 'config.json': configText(configOf(model)) };
  for (const [name, text] of Object.entries(files))
    await writeAtomically(join(folder, name), async (file) => void (await file.writeFile(text)));
}

/** config.json as it was read, with the class name that loaders of the field look for and the dtype that is written. */
function configOf({ json, config, family }: Model): Record<string, unknown> {
  const pascal = family.name.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const head = config.head.kind === 'classifier' ? 'ForSequenceClassification' : 'ForCausalLM';
  return { architectures: [`${pascal}${head}`], ...json, model_type: family.name, torch_dtype: 'float32' };
}
