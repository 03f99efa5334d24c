import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { getFamily, heldAs, Model, type ModelConfig, precisions, type ParameterSpec, type Precision } from '@hidden-attention/model';
import { formatShape, groupSize, openDevice, quantize, Tensor, type Device, type WeightType } from '@hidden-attention/tensor';
import { chatTemplate, chatTemplateFor, type ChatTemplate } from './chat.js';
import { readConfig } from './config-json.js';
import { widen } from './dtypes.js';
import { downloadModel, isHubId, type HubOptions } from './hub.js';
import { fromOriginal, isOriginal } from './original-config.js';
import { CheckpointError, fileTrouble } from './errors.js';
import type { StoredTensor } from './file-reading.js';
import { narrow } from './narrow.js';
import { parseTokenizer } from './tokenizer-json.js';
import { tokenizerFor, type Tokenizer } from './tokenizer.js';
import { openFolderWeights, openWeights, type Weights } from './weights.js';

export interface LoadOptions {
  device?: Device;
  /**
   * how weights are held: f32 (default), bf16, f16, int8 (see `inPrecision`), or 'stored': as the file has them where that is
   * one of these (Q8_0 is int8), else f32. A_log, D and Δ's bias are f32 always, and so are sums, states, the residual stream and
   * logits. int8 is for inference and explanations: Q8_0 is taken over as it is, everything else rounded a tensor at a time
   */
  dtype?: Precision | 'stored';
  /** where `path` is no file or folder but a model of the hub, `org/name`: its revision, progress and so on */
  hub?: HubOptions;
}

/** A model as it was found on disk. */
export interface LoadedModel {
  model: Model;
  /** null where the folder has none and the vocabulary is not byte-level: see `requireTokenizer` */
  tokenizer: Tokenizer | null;
  /** how it was trained to see conversations; null where the folder or file has no chat template */
  chat: ChatTemplate | null;
  folder: string;
  /** names in the file that the model has no use for */
  unused: string[];
  /** what is suspicious about the weights, a line each: parameters with numbers that are NaN or infinite */
  warnings: string[];
}

/**
 * Loads a model from a folder (config.json in Hugging Face's fields or those of state-spaces; weights as safetensors or as
 * PyTorch wrote them, in one file or several; tokenizer.json if any), from a GGUF file, from the hub (`org/name`), or from the path of its weight file.
 * Weights are read one tensor at a time. Those that are NaN or infinite are loaded as they are, and named in `warnings`.
 * @throws CheckpointError for a missing or damaged file, and for missing or misshapen parameters (all of them named, with both
 * shapes); ModelError for a config.json that its family refuses
 */
export async function loadModel(path: string, options: LoadOptions = {}): Promise<LoadedModel> {
  const { dtype: wanted = 'f32' } = options;
  if (wanted !== 'stored' && !precisions.includes(wanted))
    throw new CheckpointError(`dtype is ${JSON.stringify(wanted)}; "stored", ${precisions.map((one) => `"${one}"`).join(', ')} are known`);
  const found = await stat(path).catch((error: unknown) => {
    if (isHubId(path)) return undefined;
    throw new CheckpointError(`no model at ${path}: ${fileTrouble(error)}. Give a folder with config.json and model.safetensors`, {
      cause: error,
    });
  });
  if (!found) return loadModel(await downloadModel(path, options.hub), options);
  const folder = found.isDirectory() ? path : dirname(path);
  await using weights = found.isDirectory() ? await openFolderWeights(path) : await openWeights(path, [path]);
  const json = weights.config ?? (await readModelConfig(join(folder, 'config.json')));
  const family = getFamily(String(json['model_type']));
  const config = family.parseConfig(json);
  const specs = family.parameters(config);
  checkParameters(weights, specs);
  const parameters = new Map<string, Tensor<WeightType>>();
  const model = new Model(family, config, json, parameters, options.device ?? openDevice());
  try {
    const warnings: string[] = [];
    for (const name of Object.keys(specs)) {
      const stored = weights.tensors.get(name)!;
      let [notFinite, total] = [0, 0];
      const dtype = heldAs(specs[name]!, wanted === 'stored' ? storedPrecision(stored) : wanted);
      const tensor = await parameterOf(stored, specs[name]!.shape, dtype, model.device, (numbers) => {
        for (const number of numbers) if (!Number.isFinite(number)) notFinite++;
        total += numbers.length;
      });
      parameters.set(name, tensor);
      if (notFinite > 0)
        warnings.push(
          `${weights.path}: ${notFinite} of the ${total} numbers of ${name} are NaN or infinite; the file is damaged or its training diverged`,
        );
    }
    const unused = await unusedNames(weights, specs, config);
    const tokenizer = weights.tokenizer
      ? parseTokenizer(`the vocabulary of ${weights.path}`, JSON.stringify(weights.tokenizer))
      : await tokenizerFor(folder, model);
    const chat = weights.chatTemplate ? chatTemplate(weights.path, weights.chatTemplate) : await chatTemplateFor(folder);
    return { model, tokenizer, chat, folder, unused, warnings };
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/** A config.json in Hugging Face's fields, whichever layout it is written in. */
async function readModelConfig(path: string): Promise<Record<string, unknown>> {
  const json = await readConfig(path);
  return isOriginal(json) ? fromOriginal(path, json) : json;
}

const storedTypes: Readonly<Record<string, Precision>> = { F16: 'f16', BF16: 'bf16' };

const storedPrecision = ({ storedAs, dtype }: StoredTensor): Precision =>
  storedAs === 'Q8_0' ? 'int8' : (storedTypes[storedAs ?? dtype] ?? 'f32');

/** A parameter on the device: as it is stored where that is what is wanted, else by way of f32; `look` sees its numbers, in pieces. */
async function parameterOf(
  stored: StoredTensor,
  shape: readonly number[],
  dtype: WeightType,
  device: Device,
  look: (numbers: Float32Array) => void,
): Promise<Tensor<WeightType>> {
  if (dtype === 'i8' && stored.readGroups) {
    const { numbers, scales } = await stored.readGroups();
    // a number is not finite where its scale is not
    const group = new Float32Array(groupSize);
    for (const scale of scales) look(group.fill(scale));
    return Tensor.fromGroups(numbers, scales, shape, device);
  }
  if (dtype === 'f32' || dtype === 'i8') {
    const numbers = await readFloats(stored);
    look(numbers);
    const tensor = Tensor.from(numbers, shape, device);
    if (dtype === 'f32') return tensor;
    const quantized = quantize(tensor);
    tensor.dispose();
    return quantized;
  }
  let bits: Uint16Array;
  if (stored.readBits && storedTypes[stored.dtype] === dtype) {
    bits = await stored.readBits();
    const piece = new Float32Array(Math.min(bits.length, 1 << 16));
    for (let start = 0; start < bits.length; start += piece.length) {
      const part = bits.subarray(start, start + piece.length);
      widen(stored.dtype as 'F16' | 'BF16', part, piece);
      look(piece.subarray(0, part.length));
    }
  } else {
    const numbers = await readFloats(stored);
    look(numbers);
    bits = narrow(dtype === 'f16' ? 'F16' : 'BF16', numbers);
  }
  return Tensor.fromBits(bits, dtype, shape, device);
}

async function readFloats(tensor: StoredTensor): Promise<Float32Array> {
  const numbers = await tensor.read();
  return numbers instanceof Float32Array ? numbers : Float32Array.from(numbers as Float64Array);
}

function checkParameters({ path, tensors }: Weights, specs: Record<string, ParameterSpec>): void {
  const problems: string[] = [];
  for (const [name, { shape }] of Object.entries(specs)) {
    const stored = tensors.get(name);
    if (!stored) problems.push(`${name} ${formatShape(shape)} is missing`);
    else if (formatShape(stored.shape) !== formatShape(shape))
      problems.push(`${name} is ${formatShape(stored.shape)}; config.json makes it ${formatShape(shape)}`);
    else if (!/^B?F/.test(stored.dtype)) problems.push(`${name} is ${stored.dtype}; a floating-point type is needed`);
  }
  if (problems.length === 0) return;
  throw new CheckpointError(`the weights of ${path} are not those of its config.json: ${problems.join('; ')}`);
}

/** Masks and tables of angles that older checkpoints store beside the weights of transformers. */
const computed = /\.(attn|attention)\.(bias|masked_bias|rotary_emb\.inv_freq)$/;

/** Names that the model has no use for. The head of a tied model counts as used where it holds what the embeddings hold. */
async function unusedNames({ tensors }: Weights, specs: Record<string, ParameterSpec>, { head }: ModelConfig): Promise<string[]> {
  const unused = [...tensors.keys()].filter((name) => !Object.hasOwn(specs, name) && !computed.test(name));
  const tied = head.kind === 'language-model' && head.tied && unused.find((name) => /^(lm_head|embed_out)\.weight$/.test(name));
  const [embeddings] = Object.keys(specs);
  if (!tied || !(await sameNumbers(tensors.get(tied)!, tensors.get(embeddings!)!))) return unused;
  return unused.filter((name) => name !== tied);
}

async function sameNumbers(a: StoredTensor, b: StoredTensor): Promise<boolean> {
  if (formatShape(a.shape) !== formatShape(b.shape)) return false;
  const [left, right] = await Promise.all([a.read(), b.read()]);
  return left.every((number: number | bigint, i: number) => Object.is(number, right[i]));
}
