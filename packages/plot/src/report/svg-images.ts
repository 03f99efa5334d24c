import { robustLimit } from '../check.js';
import { label, paragraph, place, QUIET, stack, type Drawing } from '../drawing.js';
import { beside, GAP } from '../image/figure.js';
import { overlayDrawing } from '../image/overlay.js';
import { pictureDrawing } from '../image/picture.js';
import { percent } from '../numbers.js';
import { checkBars } from './check-chart.js';
import type { ImageResult } from './images.js';
import { answerName, answerSentence } from './reading.js';
import type { Report, ReportMap } from './types.js';
import { verdict, type Outcome } from './verdict.js';

const WIDTH = 190;
/** Maps beside each other at most; more go on further lines of about equal length. */
const MOST_COLUMNS = 4;

/** The colours of verdicts on white paper; the sign before the words says the same. */
const VERDICT_COLORS: Readonly<Record<Outcome, string>> = {
  found: '#1a6b3c',
  slight: '#1a6b3c',
  chance: '#8a5a00',
  missed: '#a3301f',
  untested: QUIET,
};

/** A map's name and how it did in its check. */
function caption({ title, variant, certificate: { check } }: ReportMap): Drawing {
  const name = paragraph(variant === 'paper' ? title : `${title} (${variant})`, WIDTH, { size: 13, weight: 600 });
  if (!check) return stack([name, paragraph('not checked', WIDTH, { fill: QUIET })], 0);
  const { outcome, sign, short } = verdict(check);
  const figures = checkBars(check)
    .filter(({ kind }) => kind === 'top' || kind === 'random')
    .map(({ label: removal, probability }) => label(0, 12, `${removal}: ${percent(probability)}`, { size: 11, fill: QUIET }));
  const outcomeWords = paragraph(`${sign} ${short}`, WIDTH, { weight: 600, fill: VERDICT_COLORS[outcome] });
  return stack([name, outcomeWords, ...figures.map((body) => ({ width: WIDTH, height: 15, body }))], 1);
}

/** A picture and what the model answered, with all maps at its right. */
export function imageSection(result: ImageResult, task: Report['model']['task'], heading: string): Drawing {
  const { picture, grid, maps, target } = result;
  const lines = Math.max(1, Math.ceil(maps.length / MOST_COLUMNS));
  const columns = Math.max(1, Math.ceil(maps.length / lines));
  const tiles = maps.map((map) => {
    const { scores, signed } = map;
    const drawing = overlayDrawing({ picture, grid, scores, signed, limit: robustLimit(scores), width: WIDTH });
    return { drawing, below: caption(map) };
  });
  const rows = Array.from({ length: lines }, (_, line) => tiles.slice(line * columns, (line + 1) * columns)).filter(
    (row) => row.length > 0,
  );
  const answer = [
    paragraph(answerName(result, task), WIDTH, { size: 20, weight: 600 }),
    paragraph(percent(target.probability), WIDTH, { size: 15, fill: QUIET }),
  ];
  const input = stack([pictureDrawing(picture, grid, WIDTH), ...answer], 4);
  const map = stack(
    rows.map((row) => beside(row, WIDTH)),
    18,
  );
  const left = WIDTH + 2 * GAP;
  const width = left + Math.max(map.width, 2 * WIDTH);
  const height = Math.max(input.height, map.height);
  const sentence = paragraph(`${heading}${answerSentence(result, task)}`, width, { size: 16, weight: 600 });
  return stack([sentence, { width, height, body: input.body + place(map, left, 0) }], 14);
}
