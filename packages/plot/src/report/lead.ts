import { named } from '../names.js';
import { isImage } from './images.js';
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

/** The answer to "which words (or patches)?" in one sentence: the top words of the map that did best in its check, or a warning where none passed. */
export function leadSentence(result: ReportResult): string {
  const best = bestMap(result);
  if (!best) {
    const checked = result.maps.some(({ certificate }) => certificate.check);
    return checked
      ? 'None of the maps below passed its test, so take what they show with caution.'
      : 'The maps below were not put to the test, so take what they show with caution.';
  }
  const { highest } = topWords(best, result, Infinity);
  const places = highest.slice(0, NAMED).map(({ text }) => text);
  // A word that appears twice is named once.
  const words = [...new Set(highest.map(({ text }) => `“${named(text)}”`))].slice(0, NAMED);
  const names = isImage(result) ? `the patches at ${places.join('; ')}` : words.join(', ');
  const title = best.variant === 'paper' ? best.title : `${best.title}, ${best.variant}`;
  return `Above all ${names}: so says the map that did best when put to the test (${title}).`;
}
