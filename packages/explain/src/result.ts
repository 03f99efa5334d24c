import type { Variant } from './explainer.js';
import type { RemovalReport } from './removal.js';
import type { Token } from './tokens.js';

/** Why the model answered as it did about one text: one map for each method. */
export interface Explanation {
  /** the row of the input */
  index: number;
  /** null where only ids are known */
  text: string | null;
  /** none of an image */
  tokens: Token[];
  /** of an image: that of its patches; maps then have one score a patch, row by row */
  grid?: readonly [rows: number, columns: number];
  target: { id: number; label: string | null; logit: number; probability: number };
  /** other answers, most probable first */
  alternatives: { id: number; label: string; probability: number }[];
  /** the position whose output is explained; null where a classifier pools by mean */
  position: number | null;
  maps: AttributionMap[];
  /** methods that `all` left out for this text, and why */
  skipped?: { method: string; reason: string }[];
}

/** One method's map of one text. */
export interface AttributionMap {
  method: string;
  variant: Variant;
  title: string;
  summary: string;
  cite: string;
  options: Record<string, unknown>;
  /** one per token; 0 after the explained position */
  scores: number[];
  /** sums over words and sentences; absent without a text */
  words?: Span[];
  sentences?: Span[];
  /** what the model's biases receive; null where the method gives them nothing */
  biases: number | null;
  signed: boolean;
  /** by layer, one per token */
  layers?: number[][];
  /** what to be careful about */
  warning?: string;
  certificate: Certificate;
}

export interface Span {
  start: number;
  end: number;
  score: number;
}

/** What can be said for a map. */
export interface Certificate {
  /** how far the layers' outputs are from what their attention says, relative: the worst layer and each */
  audit: { worst: number; layers: number[] };
  /** of methods whose scores and biases add up to the logit: |scores + biases − logit| as a share of Σ|scores| + |biases| */
  completeness?: Completeness;
  /** the answer after the top-ranked, lowest-ranked or random words (or tokens) are removed; absent for texts of fewer than two */
  check?: RemovalReport & { unit: 'word' | 'token' | 'patch' };
}

export interface Completeness {
  scores: number;
  biases: number;
  logit: number;
  gap: number;
}

export function completenessOf(scores: readonly number[], biases: number, logit: number): Completeness {
  const total = scores.reduce((sum, score) => sum + score, 0);
  const size = scores.reduce((sum, score) => sum + Math.abs(score), Math.abs(biases));
  return { scores: total, biases, logit, gap: size === 0 ? Math.abs(logit) : Math.abs(total + biases - logit) / size };
}
