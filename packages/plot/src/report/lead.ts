import { named } from '../names.js';
import { topWords } from './reading.js';
import type { ReportMap, ReportResult } from './types.js';
import { verdict } from './verdict.js';

const NAMED = 5;

/** The map that passed its check with the largest loss of probability; undefined where none passed. */
function bestMap({ maps }: ReportResult): ReportMap | undefined {
  const passed = maps.flatMap((map) => {
    const { check } = map.certificate;
    return check && ['found', 'slight'].includes(verdict(check).outcome) ? [{ map, top: check.probability.top }] : [];
  });
  return passed.sort((a, b) => a.top - b.top)[0]?.map;
}

/** The answer to "which words?" in one sentence: the top words of the map that did best in its check, or a warning where none passed. */
export function leadSentence(result: ReportResult): string {
  const best = bestMap(result);
  if (!best) {
    const checked = result.maps.some(({ certificate }) => certificate.check);
    return checked
      ? 'None of the maps below passed its test, so take what they show with caution.'
      : 'The maps below were not put to the test, so take what they show with caution.';
  }
  // A word that appears twice is named once.
  const words = [...new Set(topWords(best, result, Infinity).highest.map(({ text }) => (result.grid ? text : `“${named(text)}”`)))].slice(
    0,
    NAMED,
  );
  const title = best.variant === 'paper' ? best.title : `${best.title}, ${best.variant}`;
  return `Above all ${words.join(result.grid ? '; ' : ', ')}: so says the map that did best when put to the test (${title}).`;
}
