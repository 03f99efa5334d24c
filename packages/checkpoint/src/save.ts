import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Model } from '@hidden-attention/model';
import { writeFileAtomic } from './atomic.js';
import { configText } from './config-json.js';
import { CheckpointError, fileTrouble } from './errors.js';
import { narrow } from './narrow.js';
import { writeSafetensors, type NumberArray, type SafetensorsInput } from './safetensors.js';
import type { Tokenizer } from './tokenizer.js';

/** How weights are written; those that decide the decay (A_log, D, Δ's bias) stay in f32. */
export type SaveDType = 'f32' | 'f16' | 'bf16';

export interface SaveOptions {
  /** default f32 */
  dtype?: SaveDType;
  /** written beside the model, where it has files of its own */
  tokenizer?: Tokenizer | null;
  /** other files of the folder, by name */
  files?: Readonly<Record<string, string>>;
  /** notes for the header of model.safetensors */
  metadata?: Readonly<Record<string, string>>;
}

const storedTypes = { f32: 'F32', f16: 'F16', bf16: 'BF16' } as const;

/**
 * Writes a model as a folder in Hugging Face layout: model.safetensors (under the published names), the tokenizer's files
 * and config.json, each whole or not at all. Loading it again gives the same bits (in 16 bits: rounded), and the same model gives
 * the same bytes.
 * @throws CheckpointError when the folder cannot be made or written
 */
export async function saveModel(folder: string, model: Model, options: SaveOptions = {}): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw new CheckpointError(`cannot make the folder ${folder}: ${fileTrouble(error)}. Choose a place that can be written`, {
      cause: error,
    });
  });
  const { dtype = 'f32' } = options;
  const specs = model.family.parameters(model.config);
  const tensors = [...model.parameters].map(([name, tensor]): SafetensorsInput => {
    const stored = specs[name]?.exact ? 'F32' : storedTypes[dtype];
    const data = async (): Promise<NumberArray> => {
      const numbers = await tensor.read();
      return stored === 'F32' ? numbers : narrow(stored, numbers);
    };
    return { name, dtype: stored, shape: tensor.shape, data };
  });
  await writeSafetensors(join(folder, 'model.safetensors'), tensors, { format: 'pt', ...options.metadata });
  const files = { ...options.tokenizer?.files, ...options.files, 'config.json': configText(configOf(model, dtype)) };
  for (const [name, text] of Object.entries(files)) await writeFileAtomic(join(folder, name), text);
}

/** config.json as it was read, with the class name that loaders of the field look for and the dtype that is written. */
function configOf({ json, config, family }: Model, dtype: SaveDType): Record<string, unknown> {
  const pascal = family.name.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const { classNames = { languageModel: `${pascal}ForCausalLM`, classifier: `${pascal}ForSequenceClassification` } } = family;
  return {
    architectures: [config.head.kind === 'classifier' ? classNames.classifier : classNames.languageModel],
    ...json,
    model_type: family.name,
    torch_dtype: { f32: 'float32', f16: 'float16', bf16: 'bfloat16' }[dtype],
  };
}
