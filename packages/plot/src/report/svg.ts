import { robustLimit } from '../check.js';
import { element } from '../markup.js';
import { label, paragraph, QUIET, stack, svgDocument, INK, type Drawing } from '../drawing.js';
import { legendDrawing } from '../legend.js';
import { percent } from '../numbers.js';
import { relativeLegend } from '../image/figure.js';
import { pictureDefinitions } from '../image/picture.js';
import { tokenStripDrawing } from '../tokens.js';
import { checkBars, fullWidth } from './check-chart.js';
import { checkReports } from './check-report.js';
import { isImage } from './images.js';
import { answerSentence, mapSpans } from './reading.js';
import { imageSection } from './svg-images.js';
import type { Check, Report, ReportMap, ReportResult } from './types.js';
import { verdict } from './verdict.js';

const COLUMNS = 96;
const FONT_SIZE = 13;
const WIDTH = COLUMNS * 0.6 * FONT_SIZE;

/** The bars of a check; dots are single random draws. */
function checkDrawing(check: Check): Drawing {
  const bars = checkBars(check);
  const full = fullWidth(bars);
  const [left, wide, step] = [250, 300, 20];
  const body = bars.map(({ kind, label: name, probability, draws }, row) => {
    const y = row * step;
    const across = (share: number): number => (wide * share) / full;
    const fill = kind === 'top' ? INK : '#9aa3ad';
    return [
      label(0, y + 12, name, { fill: QUIET }),
      label(left - 12, y + 12, percent(probability), { anchor: 'end' }),
      element('rect', { x: left, y: y + 3, width: wide, height: 11, fill: '#eceef0' }),
      element('rect', { x: left, y: y + 3, width: across(probability), height: 11, fill }),
      ...draws.map((draw) => element('circle', { cx: left + across(draw), cy: y + 8.5, r: 3.5, fill: '#ffffff', stroke: INK })),
    ].join('');
  });
  return { width: left + wide, height: bars.length * step, body: body.join('') };
}

function mapDrawing(map: ReportMap, result: ReportResult): Drawing {
  const { spans, text, unit } = mapSpans(map, result);
  const scores = spans.map(({ score }) => score);
  const limit = robustLimit(scores);
  const { signed } = map;
  const source = { text, signed, limit };
  const strip =
    unit === 'word'
      ? tokenStripDrawing({ ...source, words: spans }, { columns: COLUMNS, fontSize: FONT_SIZE })
      : tokenStripDrawing(
          { ...source, scores, tokens: spans.map(({ start, end }, index) => ({ start, end, text: result.tokens[index]!.text })) },
          { columns: COLUMNS, fontSize: FONT_SIZE },
        );
  const { check } = map.certificate;
  const judged = check && verdict(check);
  const variant = map.variant === 'paper' ? '' : ` (${map.variant})`;
  return stack(
    [
      paragraph(`${map.title}${variant}`, WIDTH, { size: 15, weight: 600 }),
      paragraph(map.summary, WIDTH, { size: 12, fill: QUIET }),
      strip,
      legendDrawing({ signed, limit, clipped: scores.some((score) => Math.abs(score) > limit) }),
      ...(check && judged ? [paragraph(`${judged.sign} ${judged.sentence}`, WIDTH), checkDrawing(check)] : []),
    ],
    8,
  );
}

/**
 * A report as one SVG picture: a section per input row with its text, the answer and its probability, each map with its legend and check.
 * Of images: a row each with the picture, the answer, and all maps side by side with their checks.
 * @param beside reports of other models on the same inputs: their sections follow each input's
 * @throws RangeError naming the field that cannot be drawn.
 */
export function explanationSvg(report: Report, beside: readonly Report[] = []): string {
  const reports = [report, ...beside] as const;
  checkReports(reports);
  const { results, model } = report;
  const sections = results.flatMap((first, row) => {
    const number = results.length > 1 ? `${isImage(first) ? 'Picture' : 'Text'} ${row + 1} of ${results.length}. ` : '';
    return reports.map((one) => {
      const result = one.results[row]!;
      const heading = beside.length > 0 ? `${number}${one.model.name}: ` : number;
      if (isImage(result)) return imageSection(result, one.model.task, heading);
      const sentence = paragraph(`${heading}${answerSentence(result, one.model.task)}`, WIDTH, { size: 16, weight: 600 });
      return stack([sentence, ...result.maps.map((map) => mapDrawing(map, result))], 26);
    });
  });
  const images = reports.flatMap((one) => one.results.filter(isImage));
  const all = stack(
    [...sections, ...(images.length > 0 ? [relativeLegend(images.flatMap(({ maps }) => maps))] : [])],
    images.length > 0 ? 34 : 48,
  );
  const body = images.length > 0 ? pictureDefinitions(images) + all.body : all.body;
  const names = reports.map((one) => one.model.name).join(' and ');
  return svgDocument({ ...all, body }, `What ${beside.length > 0 ? names : model.name} answered, and why`, 24);
}
