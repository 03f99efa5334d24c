import type { Drawing } from './drawing.js';
import { INK } from './drawing.js';
import { LEVELS, levelColor } from './levels.js';
import { element, escapeText } from './markup.js';
import type { Piece } from './spans.js';

export interface StripLayout {
  /** Characters per line before a line wraps; default 80. */
  readonly columns?: number;
  /** Pixels; default 14. */
  readonly fontSize?: number;
  /** What a screen reader says of the picture; default "Text coloured by score". */
  readonly title?: string;
}

/** A piece with its colour step and tooltip. */
export interface ColoredPiece extends Piece {
  readonly step: number;
  readonly tooltip: string | undefined;
}

/** One character as a reader sees it, how many columns it fills, and the piece it belongs to. */
interface Cell {
  readonly text: string;
  readonly width: number;
  readonly piece: ColoredPiece;
}

const WIDE =
  /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u;
const TAB = '    ';
const MONOSPACE = 'ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace';
/** Advance of a monospace face in em: 0.6 in all of the above within 1 %; `textLength` makes it exact. */
const ADVANCE = 0.6;
const LINE_HEIGHT = 1.55;

function cellsOf(piecesOfText: readonly ColoredPiece[]): Cell[] {
  const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
  return piecesOfText.flatMap((piece) => {
    const text = piece.marker ? `‹${piece.text}›` : piece.text.replace(/\t/g, TAB);
    return Array.from(graphemes.segment(text), ({ segment }) => ({
      text: segment,
      width: WIDE.test(segment) ? 2 : 1,
      piece,
    }));
  });
}

/** Cells → lines of at most `columns`, broken after the last space where there is one. A line feed ends a line and is not drawn. */
function wrap(cells: readonly Cell[], columns: number): Cell[][] {
  const lines: Cell[][] = [[]];
  let filled = 0;
  for (const cell of cells) {
    let line = lines.at(-1)!;
    if (cell.text === '\n') {
      lines.push([]);
      filled = 0;
      continue;
    }
    if (filled + cell.width > columns && cell.text !== ' ') {
      const space = line.findLastIndex(({ text }) => text === ' ');
      const rest = space >= 0 ? line.splice(space + 1) : [];
      lines.push(rest);
      line = rest;
      filled = rest.reduce((total, { width }) => total + width, 0);
    }
    line.push(cell);
    filled += cell.width;
  }
  return lines;
}

/** Colour box and text of neighbouring cells of one piece, from column `column`. */
function run(cells: readonly Cell[], column: number, top: number, fontSize: number, signed: boolean): string {
  const { piece } = cells[0]!;
  const columns = cells.reduce((total, { width }) => total + width, 0);
  const text = cells.map((cell) => cell.text).join('');
  const x = column * ADVANCE * fontSize;
  const width = columns * ADVANCE * fontSize;
  const { fill, text: ink } = levelColor(piece.step, signed);
  const parts: string[] = [];
  if (piece.tooltip !== undefined) parts.push(element('title', {}, escapeText(piece.tooltip)));
  if (piece.step !== 0) parts.push(element('rect', { x, y: top, width, height: LINE_HEIGHT * fontSize - 2, rx: 2, fill }));
  if (text.trim()) {
    const baseline = top + 1.1 * fontSize;
    const against = piece.step <= -LEVELS / 5;
    const attributes = {
      x,
      y: baseline,
      textLength: width,
      fill: piece.step === 0 ? INK : ink,
      style: 'white-space:pre',
      'text-decoration': against ? 'underline' : undefined,
    };
    parts.push(element('text', attributes, escapeText(text)));
  }
  return parts.length > 1 || piece.tooltip !== undefined ? element('g', {}, parts.join('')) : parts.join('');
}

/** Coloured pieces → a picture of wrapped monospace lines. @throws RangeError if `columns` or `fontSize` is no positive number. */
export function layOut(piecesOfText: readonly ColoredPiece[], signed: boolean, layout: StripLayout): Drawing {
  const { columns = 80, fontSize = 14 } = layout;
  if (!(Number.isInteger(columns) && columns >= 8))
    throw new RangeError(`tokenStrip: columns is ${columns}; it needs a whole number of at least 8`);
  if (!(fontSize > 0 && Number.isFinite(fontSize)))
    throw new RangeError(`tokenStrip: fontSize is ${fontSize}; it needs a number of pixels above 0`);
  const lines = wrap(cellsOf(piecesOfText), columns);
  const body = lines.map((line, row) => {
    const runs: string[] = [];
    let column = 0;
    for (let first = 0; first < line.length;) {
      let last = first;
      while (last < line.length && line[last]!.piece === line[first]!.piece) last++;
      const cells = line.slice(first, last);
      runs.push(run(cells, column, row * LINE_HEIGHT * fontSize, fontSize, signed));
      column += cells.reduce((total, { width }) => total + width, 0);
      first = last;
    }
    return runs.join('');
  });
  const height = lines.length * LINE_HEIGHT * fontSize;
  const attributes = { 'font-family': MONOSPACE, 'font-size': fontSize };
  return { width: columns * ADVANCE * fontSize, height, body: element('g', attributes, body.join('')) };
}
