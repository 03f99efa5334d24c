import type { Token } from '../spans.js';
import { named } from '../names.js';
import { percent, scoreText } from '../numbers.js';
import { patchName } from '../image/patches.js';
import type { Report, ReportMap, ReportResult, ReportSpan } from './types.js';
import type { Unit } from './unit.js';

/**
 * The text of a result and its tokens' places in it; where only ids are known, the tokens' texts with a space between; of an image the
 * places of its patches in words.
 */
export function readable({ text, tokens, grid }: ReportResult): { text: string; tokens: Token[] } {
  if (text !== null) return { text, tokens };
  const names = grid ? Array.from({ length: grid[0] * grid[1] }, (_, patch) => patchName(patch, grid)) : tokens.map((token) => token.text);
  let position = 0;
  const placed = names.map((name) => {
    const start = position;
    position += name.length + 1;
    return { text: name, start, end: start + name.length };
  });
  return { text: names.join(' '), tokens: placed };
}

/** The answer as people call it: a class's label, or a token in its quotes. */
export function answerName({ target }: ReportResult, task: Report['model']['task']): string {
  if (target.label === null) return task === 'classification' ? `class ${target.id}` : `token ${target.id}`;
  return task === 'classification' ? target.label : named(target.label);
}

function confidence(probability: number): string {
  if (probability >= 0.99) return 'almost certain';
  if (probability >= 0.9) return 'very sure';
  if (probability >= 0.7) return 'fairly sure';
  if (probability >= 0.5) return 'leaning that way';
  return 'unsure';
}

/** What the model answered and how sure it is, in one to three sentences. */
export function answerSentence(result: ReportResult, task: Report['model']['task']): string {
  const { asRun } = result.target;
  const sentence = explainedSentence(result, task);
  if (!asRun) return sentence;
  return `${sentence} That is with activations in f32, as everything on this page; as the model runs it rounds them to 8 bits, and the probability is ${percent(asRun.probability)}.`;
}

function explainedSentence(result: ReportResult, task: Report['model']['task']): string {
  const { target, alternatives = [] } = result;
  const name = `“${answerName(result, task)}”`;
  const chance = percent(target.probability);
  if (target.kind === 'contrast' && target.against) {
    const { against } = target;
    const other = answerName({ ...result, target: { ...target, ...against } }, task);
    return `This page explains why the model answers “${answerName(result, task)}” (${chance}) rather than “${other}” (${percent(against.probability)}): the difference of their logits.`;
  }
  if (target.kind === 'span')
    return `This page explains how far the model expected the text’s own ${name}, each piece from what stands before it; it gives all of it together a probability of ${chance}.`;
  if (target.kind === 'function')
    return `This page explains a number made of the model’s logits, ${scoreText(target.score ?? target.logit, true)} here; its answer is ${name} (${chance}).`;
  const better = alternatives.find(({ probability }) => probability > target.probability);
  if (better) {
    const other = `“${task === 'classification' ? better.label : named(better.label)}” (${percent(better.probability)})`;
    return `This page explains the answer ${name}, which the model gives a probability of ${chance}. Its own first choice is ${other}.`;
  }
  if (task === 'language-modelling') return `Having read this text, the model gives ${name} a probability of ${chance} of coming next.`;
  return `The model answers ${name} and is ${confidence(target.probability)}: it gives this answer a probability of ${chance}.`;
}

/** A word (or token, or patch) of a map with its rank, biggest score first. */
export interface RankedWord {
  readonly text: string;
  /** Its number in the map: which word, token or patch. */
  readonly place: number;
  readonly score: number;
  /** |score| as a share of all |scores| of the map. */
  readonly share: number;
}

/** The words of a map, or its tokens where it has no words; in text order. */
export function mapSpans(map: ReportMap, result: ReportResult): { unit: Unit; spans: ReportSpan[]; text: string } {
  const { text, tokens } = readable(result);
  if (map.words && result.text !== null) return { unit: 'word', spans: map.words, text };
  return {
    unit: result.grid ? 'patch' : 'token',
    spans: tokens.map(({ start, end }, index) => ({ start, end, score: map.scores[index]! })),
    text,
  };
}

/** The `count` highest-scored words, and the lowest ones below zero (most negative first). Stretches without a visible character are left out. */
export function topWords(map: ReportMap, result: ReportResult, count: number): { highest: RankedWord[]; lowest: RankedWord[] } {
  const { spans, text } = mapSpans(map, result);
  const total = spans.reduce((sum, { score }) => sum + Math.abs(score), 0);
  const ranked = spans
    .map(({ start, end, score }, place) => ({ text: text.slice(start, end), place, score, share: total > 0 ? Math.abs(score) / total : 0 }))
    .filter((word) => word.text.trim())
    .sort((a, b) => b.score - a.score);
  return {
    highest: ranked.filter(({ score }) => score > 0).slice(0, count),
    lowest: ranked
      .filter(({ score }) => score < 0)
      .slice(-count)
      .toReversed(),
  };
}
