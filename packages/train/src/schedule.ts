import type { TrainConfig } from './config.js';

/**
 * The learning rate of step `step` (from 0) of `steps`: a linear warm-up, then half a cosine down to the final fraction
 * (Loshchilov and Hutter 2017).
 */
export function learningRateAt(
  step: number,
  steps: number,
  config: Pick<TrainConfig, 'learningRate' | 'warmupSteps' | 'finalLearningRateFraction'>,
): number {
  const { learningRate, finalLearningRateFraction: floor } = config;
  const warmupSteps = config.warmupSteps ?? Math.min(100, Math.floor(steps / 10));
  if (step < warmupSteps) return (learningRate * (step + 1)) / warmupSteps;
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, steps - 1 - warmupSteps));
  return learningRate * (floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * progress)));
}
