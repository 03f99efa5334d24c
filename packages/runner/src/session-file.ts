import { readSafetensors, writeSafetensors, type SafetensorsFile, type SafetensorsInput } from '@hidden-attention/checkpoint';
import { disposeState, isCache, tensorsOf, withRoom, type LayerState, type Model, type ModelState } from '@hidden-attention/model';
import { cast, formatShape, scope, Tensor, type Float } from '@hidden-attention/tensor';
import { RunnerError } from './errors.js';

/** Where a sequence stands. */
export interface SessionState {
  state: ModelState;
  /** number of ids so far */
  length: number;
  /** the ids that occur in it */
  seen: Set<number>;
  /** after the last id (v); null before the first */
  logits: Float32Array | null;
}

const format = 'hidden-attention session';

/**
 * Writes a session: the state of each layer (`layers.K.state` (1 d n) and `layers.K.conv` (1 d k−1), or `.keys`, `.values` (1 s h p)
 * and `.past` (1)), `logits` (v), `seen` (ids), and which model it belongs to.
 */
export async function writeSession(path: string, model: Model, { state, length, seen, logits }: SessionState): Promise<void> {
  const held = withRoom(state, 0); // caches without the room that they have for more
  const tensors: SafetensorsInput[] = named(held).map(([name, tensor]) => ({
    name,
    dtype: 'F32',
    shape: tensor.shape,
    data: () => tensor.read(),
  }));
  const ids = Int32Array.from(seen).sort();
  tensors.push({ name: 'seen', dtype: 'I32', shape: [ids.length], data: ids });
  if (logits) tensors.push({ name: 'logits', dtype: 'F32', shape: [logits.length], data: logits });
  try {
    await writeSafetensors(path, tensors, {
      format,
      length: String(length),
      config: JSON.stringify(model.config),
      weights: await fingerprint(model),
    });
  } finally {
    disposeState(held);
  }
}

/** Reads what `writeSession` wrote, and checks that it belongs to this model. */
export async function readSession(path: string, model: Model): Promise<SessionState> {
  await using file = await readSafetensors(path);
  if (file.metadata['format'] !== format) throw new RunnerError(`${path} is no saved session; Session.save writes one`);
  checkConfig(path, file.metadata['config'] ?? '{}', model);
  if (file.metadata['weights'] !== (await fingerprint(model)))
    throw new RunnerError(`${path} was saved by a model of the same sizes with other weights; load that model`);
  const length = Number(file.metadata['length']);
  if (!Number.isSafeInteger(length) || length < 0)
    throw new RunnerError(`${path}: its length is ${file.metadata['length']}; a whole number is needed`);
  const logits = length > 0 ? await numbersOf(path, file, 'logits', [model.config.vocabSize]) : null;
  const seen = (await file.tensors.get('seen')?.read()) ?? [];
  return { state: await readState(path, file, model, length), length, seen: new Set(Array.from(seen, Number)), logits };
}

async function readState(path: string, file: SafetensorsFile, model: Model, length: number): Promise<ModelState> {
  const blank = model.initialState();
  const read: LayerState[] = [];
  try {
    for (const [k, layer] of blank.layers.entries()) {
      const made: Record<string, Tensor> = {};
      const grows = isCache(layer); // keys and values (1 s h p)
      for (const [name, blankTensor] of Object.entries(tensorsOf(layer))) {
        const shape = blankTensor.shape.map((size, axis) => (grows && axis === 1 ? length : size));
        const numbers = await numbersOf(path, file, `layers.${k}.${fileNames[name] ?? name}`, shape);
        made[name] = scope(() => cast(Tensor.from(numbers, shape, model.device), blankTensor.dtype as Float));
      }
      read.push({ ...made, ...(grows ? { filled: length } : {}) } as LayerState);
    }
    return { layers: read };
  } catch (error) {
    disposeState({ layers: read });
    throw error;
  } finally {
    disposeState(blank);
  }
}

async function numbersOf(path: string, file: SafetensorsFile, name: string, shape: readonly number[]): Promise<Float32Array> {
  const stored = file.tensors.get(name);
  if (stored?.dtype !== 'F32' || formatShape(stored.shape) !== formatShape(shape)) {
    throw new RunnerError(
      `${path}: ${name} is ${stored ? `${stored.dtype} ${formatShape(stored.shape)}` : 'missing'}; F32 ${formatShape(shape)} is needed`,
    );
  }
  return (await stored.read()) as Float32Array;
}

function checkConfig(path: string, text: string, model: Model): void {
  const saved = parsed(path, text);
  const own = JSON.parse(JSON.stringify(model.config)) as Record<string, unknown>;
  const differing = Object.keys({ ...saved, ...own }).filter((key) => JSON.stringify(saved[key]) !== JSON.stringify(own[key]));
  if (differing.length === 0) return;
  const seen = differing.map((key) => `${key} was ${JSON.stringify(saved[key])} and is ${JSON.stringify(own[key])}`);
  throw new RunnerError(`${path} was saved by another model: ${seen.join('; ')}. Load that model`);
}

function parsed(path: string, text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    throw new RunnerError(`${path}: the configuration that it names is not JSON; the file is damaged`, { cause: error });
  }
}

/** Tells models of the same sizes apart, by those parameters that are short: norms, skips and biases. */
async function fingerprint(model: Model): Promise<string> {
  const { createHash } = await import('node:crypto');
  const hash = createHash('sha256');
  for (const [name, tensor] of model.parameters) if (tensor.shape.length === 1) hash.update(name).update(await tensor.read());
  return hash.digest('hex').slice(0, 32);
}

/** What a file calls the tensors of a state, where it is not their own name. */
const fileNames: Record<string, string> = { scan: 'state' };

function named(state: ModelState): [string, Tensor<Float>][] {
  return state.layers.flatMap((layer, k): [string, Tensor<Float>][] =>
    Object.entries(tensorsOf(layer)).map(([name, tensor]) => [`layers.${k}.${fileNames[name] ?? name}`, tensor as Tensor<Float>]),
  );
}
