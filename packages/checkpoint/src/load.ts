import { heldAs, Model, precisions, type Precision } from '@hidden-attention/model';
import { groupSize, openDevice, quantize, Tensor, type Device, type WeightType } from '@hidden-attention/tensor';
import { chatTemplate, chatTemplateFor, type ChatTemplate } from './chat.js';
import { widen } from './dtypes.js';
import { CheckpointError } from './errors.js';
import type { StoredTensor } from './file-reading.js';
import type { HubOptions } from './hub.js';
import { narrow } from './narrow.js';
import { openModel } from './open-model.js';
import { problemsOf, refuseProblems, unusedNames } from './problems.js';
import { parseTokenizer } from './tokenizer-json.js';
import { tokenizerFor } from './tokenizer-files.js';
import type { Tokenizer } from './tokenizer.js';

export interface LoadOptions {
  device?: Device;
  /**
   * how weights are held: f32 (default), bf16, f16, int8, w8a8 (see `inPrecision`), or 'stored': as the file has them where that is
   * one of these (Q8_0 is int8), else f32. A_log, D and Δ's bias are f32 always, and so are sums, states, the residual stream and
   * logits. int8 and w8a8 are for inference and explanations: Q8_0 is taken over as it is, everything else rounded a tensor at a
   * time; what linear layers read is rounded, too, in w8a8 alone
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
  await using found = await openModel(path, options.hub);
  const { folder, weights, json, family, config, specs } = found;
  refuseProblems(weights.path, problemsOf(weights, specs));
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
      parameters.set(name, tensor.dtype === 'i8' ? quantized(tensor, wanted === 'w8a8') : tensor);
      if (notFinite > 0)
        warnings.push(
          `${weights.path}: ${notFinite} of the ${total} numbers of ${name} are NaN or infinite; the file is damaged or its training diverged`,
        );
    }
    const unused = await unusedNames(weights, specs, config);
    const tokenizer = weights.tokenizer
      ? await parseTokenizer(`the vocabulary of ${weights.path}`, JSON.stringify(weights.tokenizer))
      : await tokenizerFor(folder, model);
    const chat = weights.chatTemplate ? chatTemplate(weights.path, weights.chatTemplate) : await chatTemplateFor(folder);
    return { model, tokenizer, chat, folder, unused, warnings };
  } catch (error) {
    model.dispose();
    throw error;
  }
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
    return dtype === 'f32' ? tensor : quantized(tensor);
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

/** `quantize`, and no more of `tensor`. */
function quantized(tensor: Tensor, activations = false): Tensor<'i8'> {
  const held = quantize(tensor, { activations });
  if (held !== tensor) tensor.dispose();
  return held;
}

async function readFloats(tensor: StoredTensor): Promise<Float32Array> {
  const numbers = await tensor.read();
  return numbers instanceof Float32Array ? numbers : Float32Array.from(numbers as Float64Array);
}
