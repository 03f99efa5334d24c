import { z } from 'zod';
import { TrainError } from './errors.js';

const count = z.number().int().positive();
const fraction = z.number().min(0).max(1);

/** A training recipe, its defaults filled in. */
export interface TrainConfig {
  task: 'language-modelling' | 'classification';
  /** the content of the model's config.json */
  model: Record<string, unknown>;
  /** 'byte', or the path of a tokenizer.json */
  tokenizer: string;
  seed: number;
  /** how long: optimiser steps, or passes over the data */
  steps?: number | undefined;
  epochs?: number | undefined;
  /** rows of one forward pass; `accumulation` passes make a step */
  batchSize: number;
  accumulation: number;
  /** tokens of a row: windows of a language model; where texts are cut for a classifier */
  length: number;
  learningRate: number;
  warmupSteps: number;
  /** of learningRate, where the cosine ends */
  finalLearningRateFraction: number;
  weightDecay: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** largest norm of all gradients together */
  clipNorm: number;
  /** classification: the share of a text's tokens that are replaced by random ones */
  inputDropout: number;
  validation?: { file: string } | { fraction: number } | undefined;
  /** steps between evaluations, and the batches that one during training looks at (all by default) */
  evaluateEvery: number;
  evaluationBatches?: number | undefined;
  checkpointEvery: number;
}

const schema: z.ZodType<TrainConfig> = z.strictObject({
  task: z.enum(['language-modelling', 'classification']),
  model: z.record(z.string(), z.unknown()),
  tokenizer: z.string().default('byte'),
  seed: z.number().int().min(0).default(0),
  steps: count.optional(),
  epochs: z.number().positive().optional(),
  batchSize: count.default(8),
  accumulation: count.default(1),
  length: count.default(512),
  learningRate: z.number().positive().default(2e-3),
  warmupSteps: z.number().int().min(0).default(100),
  finalLearningRateFraction: fraction.default(0.05),
  weightDecay: z.number().min(0).default(0.1),
  beta1: fraction.default(0.9),
  beta2: fraction.default(0.95),
  epsilon: z.number().positive().default(1e-8),
  clipNorm: z.number().positive().default(1),
  inputDropout: fraction.default(0),
  validation: z.union([z.strictObject({ file: z.string() }), z.strictObject({ fraction })]).optional(),
  evaluateEvery: count.default(250),
  evaluationBatches: count.optional(),
  checkpointEvery: count.default(500),
});

/**
 * Checks a recipe.
 * @throws TrainError with each field's path, the value seen and what it must be
 */
export function parseTrainConfig(json: unknown): TrainConfig {
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => {
      const value = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], json);
      return `${issue.path.join('.') || 'the recipe'}${issue.path.length > 0 ? ` is ${JSON.stringify(value)}` : ''}: ${issue.message}`;
    });
    throw new TrainError(`training recipe: ${issues.join('; ')}`);
  }
  if ((parsed.data.steps === undefined) === (parsed.data.epochs === undefined)) {
    throw new TrainError('training recipe: give either steps or epochs');
  }
  return parsed.data;
}
