import { element, escapeText } from '../markup.js';
import { errorPercent, percent, scoreText } from '../numbers.js';
import type { ReportMap } from './types.js';
import { counted, plural, type Unit } from './unit.js';

/** Relative error up to which the arithmetic counts as right (float32 sums over long texts). */
const EXACT = 1e-3;

function auditSentence({ worst, layers }: ReportMap['certificate']['audit']): string {
  const count = layers.length;
  const where = count === 1 ? 'the one layer' : `all ${count} layers`;
  if (worst <= EXACT)
    return `The model’s computation, rewritten as attention, was compared with what the model really did: in ${where} they agree within ${errorPercent(worst)}.`;
  return `Beware: the model’s computation, rewritten as attention, differs from what the model really did by up to ${errorPercent(worst)}; maps of attention are approximate here.`;
}

/** The sum of a map whose scores account for the answer, in one sentence; undefined where the method makes no such claim. */
function completenessSentence({ certificate }: ReportMap): string | undefined {
  const { completeness } = certificate;
  if (!completeness) return undefined;
  const { scores, biases, logit, gap } = completeness;
  const sum = `scores ${scoreText(scores, true)} and biases ${scoreText(biases, true)}, together ${scoreText(scores + biases, true)}; the model’s logit: ${scoreText(logit, true)}`;
  return gap <= EXACT
    ? `Scores plus biases add up to the logit within ${errorPercent(gap)} (${sum}).`
    : `Beware: scores plus biases miss the logit by ${errorPercent(gap)} (${sum}).`;
}

/** How nearly a map that goes from a baseline to the input accounts for what changes on the way; undefined for other maps. */
function convergenceSentence({ certificate }: ReportMap): string | undefined {
  const { convergence } = certificate;
  if (!convergence) return undefined;
  const { scores, from, to, gap } = convergence;
  const sum = `from ${scoreText(from, true)} by ${scoreText(scores, true)} to ${scoreText(from + scores, true)}; the model’s own ${scoreText(to, true)}`;
  return gap <= EXACT
    ? `From the baseline to this input the scores account for all that changes, within ${errorPercent(gap)} (${sum}).`
    : `Beware: the scores miss what changes from the baseline to this input by ${errorPercent(gap)} (${sum}); more steps or another baseline may do better.`;
}

/** How the map ranks beside the effects of removal; undefined where none were measured. */
function correlationSentence({ certificate, signed }: ReportMap): string | undefined {
  const { correlation } = certificate;
  if (!correlation) return undefined;
  const { rank, groups, of, unit } = correlation;
  const which = groups === of ? `each of ${counted(of, unit)}` : `each of ${groups} of ${counted(of, unit)}`;
  const compared = signed ? 'how far the answer falls' : 'how far the answer moves';
  if (rank === null) return `Removing ${which} by itself could not be compared with the map: one of the two is the same everywhere.`;
  return `When ${which} is removed by itself, ${compared} ranks them as this map does with a rank correlation of ${rank.toFixed(2).replace('-', '−')} (1: the same order, 0: no relation, −1: the reverse).`;
}

/** How to read the sign of this map's scores, in words for people. */
function signSentence({ signed, certificate }: ReportMap, unit: Unit): string {
  if (!signed)
    return `Scores here are sizes: ${unit === 'patch' ? 'a patch with more colour' : `a darker ${unit}`} weighs more. They do not say whether it speaks for the answer or against it.`;
  return certificate.completeness
    ? `The sign counts: a positive ${unit} speaks for the answer, a negative one against it, and its score is how much it adds to the logit.`
    : 'Scores here have a sign. Unlike in a map whose scores add up to the answer, a minus need not mean “against the answer”.';
}

function optionList(options: Readonly<Record<string, unknown>>): string {
  const words = Object.entries(options).map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return words.length > 0 ? words.join(' · ') : 'none';
}

/** What vouches for a map: the audit, the completeness, how to read the sign; and the figures for those who want them. */
export function certificateHtml(map: ReportMap, unit: Unit = 'word'): string {
  const { certificate, method, variant, options, cite, biases } = map;
  const complete = completenessSentence(map);
  const converged = convergenceSentence(map);
  const correlated = correlationSentence(map);
  const items = [
    auditSentence(certificate.audit),
    ...(complete ? [complete] : []),
    ...(converged ? [converged] : []),
    ...(correlated ? [correlated] : []),
    signSentence(map, unit),
  ];
  const rows: [string, string][] = [
    ['method', `${method}, ${variant}`],
    ['options', optionList(options)],
    ['source', cite],
    ['audit by layer', certificate.audit.layers.map((value) => value.toExponential(1)).join(' · ')],
  ];
  if (biases !== null) rows.push(['biases', scoreText(biases, true)]);
  if (certificate.check) {
    const { logit, removed, of, unit } = certificate.check;
    const random = logit.random.map((value) => scoreText(value, true)).join(', ') || 'none';
    const figures = `original ${scoreText(logit.original, true)}; top ${scoreText(logit.top, true)}; random ${random}; lowest ${scoreText(logit.lowest, true)}`;
    rows.push([`logit, ${removed} of ${of} ${plural(unit)} removed (${percent(of > 0 ? removed / of : 0)})`, figures]);
  }
  const list = rows.map(([name, value]) => element('dt', {}, escapeText(name)) + element('dd', {}, escapeText(value)));
  return [
    `<h5>Can the ${unit === 'patch' ? 'map' : 'picture'} be trusted?</h5>`,
    element('ul', { class: 'certificate' }, items.map((item) => element('li', {}, escapeText(item))).join('')),
    element('details', {}, `<summary>The figures behind it</summary>${element('dl', {}, list.join(''))}`),
  ].join('\n');
}
