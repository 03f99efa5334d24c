import { checkApart, checkScores, checkSpans } from '../check.js';
import { checkPicture } from '../image/picture.js';
import { plural } from './unit.js';
import { checkGrid } from '../image/patches.js';
import type { Check, Report, ReportMap, ReportResult } from './types.js';

function finite(where: string, value: number): void {
  if (!Number.isFinite(value)) throw new RangeError(`${where} is ${value}; it needs a finite number`);
}

function probability(where: string, value: number): void {
  if (!(value >= 0 && value <= 1)) throw new RangeError(`${where} is ${value}; a probability lies between 0 and 1`);
}

function checkCheck(where: string, check: Check): void {
  for (const kind of ['original', 'top', 'lowest'] as const) {
    probability(`${where}.probability.${kind}`, check.probability[kind]);
    finite(`${where}.logit.${kind}`, check.logit[kind]);
  }
  check.probability.random.forEach((value, draw) => probability(`${where}.probability.random[${draw}]`, value));
  check.logit.random.forEach((value, draw) => finite(`${where}.logit.random[${draw}]`, value));
}

function checkMap(where: string, map: ReportMap, { text, tokens, grid }: ReportResult): void {
  const [needed, unit] = grid ? [grid[0] * grid[1], 'patch'] : [tokens.length, 'token'];
  const count = (name: string, length: number): void => {
    if (length !== needed)
      throw new RangeError(`${where}.${name} has ${length} numbers for ${needed} ${plural(unit)}; it needs one per ${unit}`);
  };
  count('scores', map.scores.length);
  checkScores(`${where}.scores`, map.scores, map.signed);
  if (map.pixels) {
    const { shape, scores } = map.pixels;
    if (scores.length !== shape[0] * shape[1])
      throw new RangeError(`${where}.pixels has ${scores.length} numbers for ${shape[0]} × ${shape[1]} pixels; it needs one per pixel`);
    checkScores(`${where}.pixels.scores`, scores, map.signed);
  }
  map.layers?.forEach((scores, layer) => {
    count(`layers[${layer}]`, scores.length);
    scores.forEach((score, index) => finite(`${where}.layers[${layer}][${index}]`, score));
  });
  map.groups?.layers.forEach((groups, layer) =>
    groups.forEach((scores, group) => {
      count(`groups.layers[${layer}][${group}]`, scores.length);
      scores.forEach((score, index) => finite(`${where}.groups.layers[${layer}][${group}][${index}]`, score));
    }),
  );
  for (const name of ['words', 'sentences'] as const) {
    const spans = map[name];
    if (!spans) continue;
    checkSpans(`${where}.${name}`, spans, text ?? '');
    checkApart(`${where}.${name}`, spans);
    checkScores(
      `${where}.${name} score`,
      spans.map(({ score }) => score),
      map.signed,
    );
  }
  if (map.certificate.check) checkCheck(`${where}.certificate.check`, map.certificate.check);
}

/**
 * Refuses a report that cannot be drawn, before anything is drawn: no results, NaN, counts that do not match, offsets outside the text.
 * @throws RangeError that names the field (`results[0].maps[2].scores[17]`), the value and what it needs.
 */
function checkReport(report: Report): void {
  if (report.results.length === 0) throw new RangeError('report.results is empty; it needs one result per input row');
  report.results.forEach((result, row) => {
    const where = `results[${row}]`;
    probability(`${where}.target.probability`, result.target.probability);
    finite(`${where}.target.logit`, result.target.logit);
    if (result.target.asRun) probability(`${where}.target.asRun.probability`, result.target.asRun.probability);
    result.alternatives?.forEach((other, index) => probability(`${where}.alternatives[${index}].probability`, other.probability));
    const { position, tokens, grid, picture } = result;
    if (grid) {
      checkGrid(`${where}.grid`, grid);
      checkPicture(`${where}.picture`, picture ?? 'missing');
    }
    if (!grid && position !== null && !(Number.isInteger(position) && position >= 0 && position < tokens.length))
      throw new RangeError(`${where}.position is ${position}; it needs a token's number, 0 to ${tokens.length - 1}, or null`);
    if (result.text !== null) checkSpans(`${where}.tokens`, tokens, result.text);
    result.maps.forEach((map, index) => checkMap(`${where}.maps[${index}]`, map, result));
  });
}

/** Refuses a report, or one that is to stand beside it: each as by itself, and it needs as many results. @throws RangeError */
export function checkReports([report, ...beside]: readonly [Report, ...Report[]]): void {
  checkReport(report);
  for (const other of beside) {
    checkReport(other);
    if (other.results.length !== report.results.length)
      throw new RangeError(
        `the report of ${other.model.name} has ${other.results.length} results, that of ${report.model.name} ${report.results.length}; side by side they need as many`,
      );
  }
}
