import { sum } from 'd3-array';
import { checkApart, checkScores, checkSpans, colorLimit } from './check.js';
import type { Drawing } from './drawing.js';
import { svgDocument } from './drawing.js';
import { level, levelClass } from './levels.js';
import { element, escapeText } from './markup.js';
import { percent, scoreText } from './numbers.js';
import { pieces, tokenSpans, type Span, type Token } from './spans.js';
import { layOut, type ColoredPiece, type StripLayout } from './strip-layout.js';

interface StripOptions {
  /** The text itself; every character of it is drawn, line breaks and runs of spaces included. */
  readonly text: string;
  /** Whether scores can be negative: decides the palette. */
  readonly signed: boolean;
  /** Score that gets the full colour. Default: the largest |score|. */
  readonly limit?: number;
}

/** Coloured by token: one score per token. */
export interface TokenStrip extends StripOptions {
  readonly tokens: readonly Token[];
  readonly scores: ArrayLike<number>;
}

/** Coloured by word (or sentence, or any stretch of text): spans in text order that do not overlap. */
export interface WordStrip extends StripOptions {
  readonly words: readonly Span[];
}

/** Checks the input and colours its pieces. */
function colored(strip: TokenStrip | WordStrip): ColoredPiece[] {
  const { text, signed } = strip;
  const byToken = 'tokens' in strip;
  const scores = byToken ? strip.scores : strip.words.map(({ score }) => score);
  checkScores(byToken ? 'tokenStrip: scores' : 'tokenStrip: score of words', scores, signed);
  if (!byToken) {
    checkSpans('tokenStrip: words', strip.words, text);
    checkApart('tokenStrip: words', strip.words);
  }
  const spans = byToken ? tokenSpans(text, strip.tokens, scores) : strip.words;
  const sizes = spans.map(({ score }) => score);
  const limit = colorLimit('tokenStrip', sizes, strip.limit);
  const total = sum(sizes, Math.abs);
  return pieces(text, spans).map((piece) => {
    if (piece.score === null) return { ...piece, step: 0, tooltip: undefined };
    const share = total > 0 ? `, ${percent(Math.abs(piece.score) / total)} of this map` : '';
    const step = level(piece.score, limit);
    // A coloured line break would be invisible: show it.
    const visible = step === 0 ? piece.text : piece.text.replace(/\n/g, '⏎\n');
    return { ...piece, text: visible, step, tooltip: `score ${scoreText(piece.score, signed)}${share}` };
  });
}

/**
 * The text as HTML, its tokens or words coloured by score with the score as tooltip; zero stays paper. Put `tokenStripCss()` in the page once.
 * Offsets are UTF-16 code units. @throws RangeError naming the index of a NaN score, a span outside the text, or a count that does not match.
 */
export function tokenStripHtml(strip: TokenStrip | WordStrip): string {
  const body = colored(strip).map((piece) => {
    if (piece.score === null) return escapeText(piece.text);
    const color = levelClass(piece.step, strip.signed);
    const names = [piece.marker ? 'marker' : undefined, color].filter((name) => name !== undefined);
    return element('span', { class: names.join(' ') || undefined, title: piece.tooltip }, escapeText(piece.text));
  });
  return element('div', { class: 'token-strip', dir: 'auto' }, body.join(''));
}

/** The strip as part of a larger picture. */
export function tokenStripDrawing(strip: TokenStrip | WordStrip, layout: StripLayout = {}): Drawing {
  return layOut(colored(strip), strip.signed, layout);
}

/**
 * The text as an SVG picture in a monospace face, wrapped at `columns`, tokens or words coloured by score.
 * Same input and errors as `tokenStripHtml`.
 */
export function tokenStrip(strip: TokenStrip | WordStrip, layout: StripLayout = {}): string {
  return svgDocument(tokenStripDrawing(strip, layout), layout.title ?? 'Text coloured by score');
}
