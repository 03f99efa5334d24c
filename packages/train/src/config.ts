import * as z from '@hidden-attention/model/schema';
import { TrainError } from './errors.js';

const count = (): z.ZodNumber => z.number().int().positive();
const share = (): z.ZodNumber => z.number().min(0).lt(1);

/** How pixels are normalised, and varied while training: the field `images` of a recipe. */
export interface ImageOptions {
  /** of pixels in 0…1, subtracted from and divided by; the same for all channels */
  mean: number;
  deviation: number;
  /** pixels by which an image is moved at random, up to so many in each direction; what moves in is black */
  shift: number;
  /** whether half of the images are mirrored left to right */
  mirror: boolean;
  /** share of the images in which a random rectangle of up to a third of each side is set to the mean */
  erase: number;
}

/** A training recipe, its defaults filled in. */
export interface TrainConfig {
  /** what is learnt: the next token of texts, or the label of a text */
  task: 'language-modelling' | 'classification';
  /** the content of the model's config.json; that of the model that training starts from, where there is one */
  model: Record<string, unknown>;
  /** SHA-256 of the weights that training starts from; set by `train` */
  startsFrom?: string | undefined;
  /** parameters that stay as they are: names or patterns with * */
  freeze?: string[] | undefined;
  /** train low-rank adapters beside these weights, and nothing else; merged into them when the model is saved */
  lora?: { rank: number; alpha?: number | undefined; targets?: string[] | undefined } | undefined;
  /** 'byte', or the path of a tokenizer.json */
  tokenizer: string;
  /** of the first weights, the order of the data and what is drawn at random */
  seed: number;
  /** one of these two: number of updates, or of passes over the data */
  steps?: number | undefined;
  epochs?: number | undefined;
  /** rows of one forward pass; `accumulation` passes make a step */
  batchSize: number;
  accumulation: number;
  /** of weights and activations in a pass (default f32); the optimiser's weights are always f32, as are A_log, D and Δ's bias */
  precision?: 'f32' | 'bf16' | undefined;
  /** keep only what enters and leaves each layer, and run layers again for their gradients: less memory, a third more time */
  recompute?: boolean | undefined;
  /** tokens of a row: windows of a language model; where texts are cut for a classifier */
  length: number;
  /** language modelling, JSON lines: put short texts together in rows of `length` tokens; none sees another, and nothing is padding */
  packed?: boolean | undefined;
  /**
   * language modelling: read rows in chunks of so many positions, the state carried, so that `length` is not bounded by memory. The
   * gradient stops where a chunk begins (truncated backpropagation, default), or is carried through the state: that of the whole row
   */
  chunk?: { positions: number; gradient: 'stopped' | 'carried' } | undefined;
  learningRate: number;
  /** default: a tenth of the steps, 100 at most */
  warmupSteps?: number | undefined;
  /** of learningRate, where the cosine ends */
  finalLearningRateFraction: number;
  /** taken off weights, but not off A_log, D, biases and norms */
  weightDecay: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** largest norm of all gradients together */
  clipNorm: number;
  /** share of the tokens that are replaced by random ones while training */
  inputDropout: number;
  /** classification: largest share of a text that is left out at its start, a new one in each pass */
  cropStart: number;
  /** classification: share of the target that is spread over all classes */
  labelSmoothing: number;
  /** images: how they are normalised, and varied while training */
  images?: ImageOptions | undefined;
  /** decay of a running mean of the weights, which is then evaluated and kept instead of them */
  averageWeights?: number | undefined;
  /** held-out data: a file of its own, or a share of the data (the end of a text; lines drawn at random) */
  validation?: { file: string } | { fraction: number } | undefined;
  /** steps between evaluations, and the batches of one, spread over the held-out data (all by default) */
  evaluateEvery: number;
  evaluationBatches?: number | undefined;
  checkpointEvery: number;
}

const fields = () => ({
  task: z.enum(['language-modelling', 'classification']),
  model: z.record(z.string(), z.unknown()),
  startsFrom: z.string().optional(),
  freeze: z.array(z.string().min(1)).optional(),
  lora: z
    .strictObject({ rank: count(), alpha: z.number().positive().optional(), targets: z.array(z.string().min(1)).min(1).optional() })
    .optional(),
  tokenizer: z.string().min(1).default('byte'),
  seed: z.number().int().min(0).max(0x7fffffff).default(0),
  steps: count().optional(),
  epochs: z.number().positive().optional(),
  batchSize: count().default(8),
  accumulation: count().default(1),
  precision: z.enum(['f32', 'bf16']).optional(),
  recompute: z.boolean().optional(),
  length: count().default(512),
  packed: z.boolean().optional(),
  chunk: z.strictObject({ positions: count(), gradient: z.enum(['stopped', 'carried']).default('stopped') }).optional(),
  learningRate: z.number().positive().default(2e-3),
  warmupSteps: z.number().int().min(0).optional(),
  finalLearningRateFraction: z.number().min(0).max(1).default(0.05),
  weightDecay: z.number().min(0).default(0.1),
  beta1: share().default(0.9),
  beta2: share().default(0.95),
  epsilon: z.number().positive().default(1e-8),
  clipNorm: z.number().positive().default(1),
  inputDropout: share().default(0),
  cropStart: share().default(0),
  labelSmoothing: share().default(0),
  averageWeights: share().optional(),
  images: z
    .strictObject({
      mean: z.number().default(0.5),
      deviation: z.number().positive().default(0.5),
      shift: z.number().int().min(0).default(0),
      mirror: z.boolean().default(false),
      erase: share().default(0),
    })
    .optional(),
  validation: z.union([z.strictObject({ file: z.string().min(1) }), z.strictObject({ fraction: z.number().gt(0).lt(1) })]).optional(),
  evaluateEvery: count().default(250),
  evaluationBatches: count().optional(),
  checkpointEvery: count().default(500),
});

const schema = (): z.ZodType<TrainConfig> =>
  z.strictObject(fields()).check((context) => {
    const recipe = context.value;
    const refuse = (field: keyof typeof recipe, message: string): void =>
      void context.issues.push({ code: 'custom', input: recipe[field], path: [field], message });
    if ((recipe.steps === undefined) === (recipe.epochs === undefined)) refuse('steps', 'give either steps or epochs');
    if (recipe.lora && recipe.freeze) refuse('freeze', 'with lora everything else is frozen already');
    if (recipe.packed && recipe.chunk) refuse('chunk', 'packed rows are read at once; leave one of the two out');
    if (recipe.task !== 'language-modelling') {
      for (const field of ['packed', 'chunk'] as const) if (recipe[field]) refuse(field, 'it is for language modelling only');
    }
    if (recipe.task === 'language-modelling') {
      for (const field of ['cropStart', 'labelSmoothing'] as const) if (recipe[field] > 0) refuse(field, 'it is for classification only');
    }
  });

/**
 * Reads a recipe.
 * @throws TrainError naming each field that is unknown, missing or out of range, and the value seen
 */
export function parseTrainConfig(json: unknown): TrainConfig {
  const parsed = schema().safeParse(json);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => {
    if (issue.code === 'unrecognized_keys')
      return issue.keys
        .map((key) => `unknown field ${[...issue.path, key].join('.')}; known: ${knownFields(issue.path).join(', ')}`)
        .join('; ');
    return `${issue.path.join('.') || 'the recipe'} is ${JSON.stringify(valueAt(json, issue.path)) ?? 'missing'}: ${issue.message}`;
  });
  throw new TrainError(`the training recipe cannot be used: ${problems.join('; ')}`);
}

/** Paths of the fields in which two recipes differ, with both values: "learningRate (0.001, now 0.002)". */
export function configDifferences(before: unknown, now: unknown, path = ''): string[] {
  const isObject = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isObject(before) || !isObject(now)) {
    const [a, b] = [JSON.stringify(before) ?? 'absent', JSON.stringify(now) ?? 'absent'];
    return a === b ? [] : [`${path} (${a}, now ${b})`];
  }
  const keys = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  return keys.flatMap((key) => configDifferences(before[key], now[key], path ? `${path}.${key}` : key));
}

function knownFields(path: readonly PropertyKey[]): string[] {
  if (path.length === 0) return Object.keys(fields());
  return path[0] === 'chunk' ? ['positions', 'gradient'] : ['file', 'fraction'];
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], json);
}
