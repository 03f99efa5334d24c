import type { Variant } from './explainer.js';
import type { TokenSpan } from './objective.js';
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
  target: ExplainedTarget;
  /** other answers, most probable first */
  alternatives: { id: number; label: string; probability: number }[];
  /** the position whose output is explained; null where there are several: a classifier pools by mean, or a span is explained */
  position: number | null;
  maps: AttributionMap[];
  /** methods that gave no map of this text, and why */
  skipped?: { method: string; reason: string }[];
}

/** An answer: a class or token with its logit and its share of all answers. */
export interface ExplainedAnswer {
  id: number;
  label: string | null;
  logit: number;
  probability: number;
}

/**
 * What is explained: the answer's logit, or how it differs from that of another ('contrast'); of a 'span' of the text `label` is its
 * text, `logit` the sum of its tokens' and `probability` that of all of them; of a 'function' the answer is the most probable one.
 */
export interface ExplainedTarget extends ExplainedAnswer {
  kind: 'logit' | 'contrast' | 'span' | 'function';
  /** the explained number */
  score: number;
  /**
   * of a model that rounds what its linear layers read (w8a8): the explained number and the answer's share when it does; everything else
   * here, maps and certificates included, is of the same weights with nothing of that rounded
   */
  asRun?: { score: number; probability: number };
  against?: ExplainedAnswer;
  span?: TokenSpan;
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
  /** of an image: one per pixel, row by row, where the method can say so much */
  pixels?: { shape: readonly [height: number, width: number]; scores: number[] };
  /** what the model's biases receive; null where the method gives them nothing */
  biases: number | null;
  signed: boolean;
  /** whether the signs of the scores were dropped */
  absolute?: boolean;
  /** by layer, one per token */
  layers?: number[][];
  /** by layer, then by group of channels or head: one per token */
  groups?: { site: string; layers: number[][][] };
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
  /** of methods whose scores and biases add up to the explained number: |scores + biases − logit| as a share of Σ|scores| + |biases| */
  completeness?: Completeness;
  /** the answer after the top-ranked, lowest-ranked or random words (or tokens) are removed; absent for texts of fewer than two */
  check?: RemovalReport & { unit: 'word' | 'token' | 'patch' };
  /** of methods that go from a baseline to the input */
  convergence?: Convergence;
  /** whether the map ranks words (tokens, patches) as removing them does; absent for very short or long texts */
  correlation?: Correlation;
}

/** Scores that should add up to what the explained number is more at the input than at the baseline. */
export interface Convergence {
  scores: number;
  /** the explained number at the baseline and at the input */
  from: number;
  to: number;
  /** |from + scores − to| as a share of Σ|scores| */
  gap: number;
}

/**
 * Spearman's rank correlation between scores and how far the explained number falls when each of `groups` of `of` words is removed by
 * itself; of a map without signs, how far it moves. Null where all are equal.
 */
export interface Correlation {
  rank: number | null;
  groups: number;
  of: number;
  unit: 'word' | 'token' | 'patch';
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

/** @param left what is not shown: what class tokens receive */
export function convergenceOf(scores: readonly number[], left: number, from: number, to: number): Convergence {
  const total = scores.reduce((sum, score) => sum + score, left);
  const size = scores.reduce((sum, score) => sum + Math.abs(score), Math.abs(left));
  return { scores: total, from, to, gap: Math.abs(from + total - to) / (size || 1) };
}
