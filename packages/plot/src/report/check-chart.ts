import { max, mean } from 'd3-array';
import { element, escapeText } from '../markup.js';
import { percent } from '../numbers.js';
import type { Check } from './types.js';
import { counted, plural } from './unit.js';

/** One bar of the check: what was taken out, the answer's probability then, and single draws where there were several. */
export interface CheckBar {
  readonly kind: 'original' | 'top' | 'random' | 'lowest';
  readonly label: string;
  readonly probability: number;
  readonly draws: readonly number[];
}

/** The bars of a check, in the order they are drawn; without random draws there is no bar for them. */
export function checkBars({ probability, removed, unit }: Check): CheckBar[] {
  const { original, top, random, lowest } = probability;
  const named = (kind: string): string => `${kind} ${counted(removed, unit)} removed`;
  const bars: CheckBar[] = [
    { kind: 'original', label: 'nothing removed', probability: original, draws: [] },
    { kind: 'top', label: named('top'), probability: top, draws: [] },
    {
      kind: 'random',
      label: `${removed} random ${removed === 1 ? unit : plural(unit)} removed`,
      probability: mean(random) ?? 0,
      draws: random,
    },
    { kind: 'lowest', label: named('lowest'), probability: lowest, draws: [] },
  ];
  return bars.filter(({ kind }) => kind !== 'random' || random.length > 0);
}

/** Probability at the full width of the bars: one, or for small probabilities the largest of them. */
export function fullWidth(bars: readonly CheckBar[]): number {
  const largest = max(bars, ({ probability, draws }) => Math.max(probability, ...draws)) ?? 1;
  return largest >= 0.4 || largest === 0 ? 1 : largest;
}

/** The bar chart as an HTML table: a row per bar, readable without the bars. */
export function checkChart(check: Check): string {
  const bars = checkBars(check);
  const full = fullWidth(bars);
  const across = (share: number): string => `${((100 * share) / full).toFixed(2)}%`;
  const rows = bars.map(({ kind, label, probability, draws }) => {
    const bar = element('span', { class: `bar ${kind}`, style: `width:${across(probability)}` }, '');
    const dots = draws.map((draw) => element('span', { class: 'dot', style: `left:${across(draw)}` }, ''));
    const track = element('span', { class: 'track', 'aria-hidden': 'true' }, bar + dots.join(''));
    const range =
      draws.length > 1
        ? element('small', {}, `${draws.length} draws, ${percent(Math.min(...draws))} to ${percent(Math.max(...draws))}`)
        : '';
    const cells = [
      element('th', { scope: 'row' }, `${escapeText(label)}${range}`),
      element('td', { class: 'figure' }, percent(probability)),
      element('td', { class: 'bars' }, track),
    ];
    return element('tr', {}, cells.join(''));
  });
  const scale = full === 1 ? '' : ` (full width: ${percent(full)})`;
  const caption = element('caption', {}, `The answer’s probability with${scale}`);
  return element('table', { class: 'check-chart' }, caption + element('tbody', {}, rows.join('')));
}
