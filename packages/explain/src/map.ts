import { sumByGroup } from './aggregate.js';
import { ExplainError } from './errors.js';
import { fullName, type Explainer, type Relevance } from './explainer.js';
import { completenessOf, convergenceOf, type AttributionMap } from './result.js';
import type { Subject } from './subject.js';

/** What is known of a question whatever the method. */
export interface Known {
  /** positions */
  length: number;
  /** the explained number */
  score: number;
  audit: { worst: number; layers: number[] };
}

/**
 * One method's map, checked.
 * @param absolute whether signs are dropped
 * @throws ExplainError naming the method and the place where its scores are too few, too many or not finite
 */
export function mapOf(
  explainer: Explainer,
  options: object,
  relevance: Relevance,
  subject: Subject,
  known: Known,
  absolute: boolean,
): AttributionMap {
  const { name, variant = 'paper', title, summary, cite, signed } = explainer;
  const complete = typeof explainer.complete === 'function' ? explainer.complete(options) : explainer.complete;
  checkScores(explainer, relevance, known.length);
  const pixels = checkedPixels(explainer, relevance, subject);
  const { layers, groups, warning, baseline } = relevance;
  const { words, sentences, left } = subject;
  const plain = subject.shown(relevance.scores);
  const shown = (scores: ArrayLike<number>): number[] => (absolute ? subject.shown(scores).map(Math.abs) : subject.shown(scores));
  const scores = shown(relevance.scores);
  // what class tokens receive is no patch's: beside the biases, where shares add up
  const biases = complete ? (relevance.biases ?? 0) + left(relevance.scores) : (relevance.biases ?? null);
  return {
    method: name,
    variant,
    title,
    summary,
    cite,
    options: { ...options },
    scores,
    ...(words && sentences ? { words: sumByGroup(words, scores), sentences: sumByGroup(sentences, scores) } : {}),
    ...(pixels ? { pixels: { ...pixels, scores: absolute ? pixels.scores.map(Math.abs) : pixels.scores } } : {}),
    biases,
    signed: !absolute && (relevance.signed ?? (typeof signed === 'function' ? signed(options) : signed)),
    ...(absolute ? { absolute } : {}),
    ...(layers ? { layers: layers.map(shown) } : {}),
    ...(groups ? { groups: { site: groups.site, layers: groups.layers.map((layer) => layer.map(shown)) } } : {}),
    ...(warning ? { warning } : {}),
    certificate: {
      audit: known.audit,
      ...(complete ? { completeness: completenessOf(plain, biases ?? 0, known.score) } : {}),
      ...(baseline === undefined ? {} : { convergence: convergenceOf(plain, left(relevance.scores), baseline, known.score) }),
    },
  };
}

/** @throws ExplainError unless there is one finite score a position, in each layer too */
function checkScores(explainer: Explainer, relevance: Relevance, length: number): void {
  const name = fullName(explainer);
  const all: [string, ArrayLike<number> | undefined][] = [
    ['', relevance?.scores],
    ...(relevance?.layers ?? []).map((layer, at): [string, ArrayLike<number>] => [` in layer ${at}`, layer]),
  ];
  for (const [where, scores] of all) {
    if (!scores || scores.length !== length)
      throw new ExplainError(
        `${name} gives ${scores ? scores.length : 'no'} scores${where} for ${length} positions; one a position is needed`,
      );
    const at = Array.from(scores).findIndex((score) => !Number.isFinite(score));
    if (at >= 0) throw new NotFiniteError(`${name} gives position ${at}${where} the score ${scores[at]}; a map needs finite numbers`);
  }
}

/** @throws ExplainError unless there is one finite score a pixel, where there are any */
function checkedPixels(explainer: Explainer, { pixels }: Relevance, { input }: Subject): AttributionMap['pixels'] {
  if (!pixels || !('pixels' in input)) return undefined;
  const [, height, width] = input.shape;
  if (pixels.length !== height * width)
    throw new ExplainError(
      `${fullName(explainer)} gives ${pixels.length} scores of pixels for ${height} × ${width}; one a pixel is needed, or none`,
    );
  const scores = Array.from(pixels);
  const at = scores.findIndex((score) => !Number.isFinite(score));
  if (at >= 0) throw new NotFiniteError(`${fullName(explainer)} gives pixel ${at} the score ${scores[at]}; a map needs finite numbers`);
  return { shape: [height, width], scores };
}

/** A map with a number that is not finite: where it comes from can be looked for. */
export class NotFiniteError extends ExplainError {}
