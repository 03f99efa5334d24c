import type { Model } from '@hidden-attention/model';
import { scope } from '@hidden-attention/tensor';
import { groupTokens, sumByGroup, type Group } from './aggregate.js';
import { probabilities } from './answer.js';
import { ExplainError } from './errors.js';
import { fullName, type Explainer, type Relevance } from './explainer.js';
import { optionsFor, type OptionsByMethod } from './options.js';
import { Question } from './question.js';
import { getExplainer, listExplainers } from './registry.js';
import { removable, removal } from './removal.js';
import { completenessOf, type AttributionMap, type Explanation } from './result.js';
import { checkTarget, parseTarget } from './target.js';
import { readRows, type ExplainInput, type TextTokenizer, type TokenizedRow } from './tokens.js';

/** A method: its name ('raw', 'raw:released'), or an explainer, registered or not. */
export type Method = string | Explainer<never>;

export interface ExplainRequest {
  model: Model;
  /** needed for text, and for targets given as text */
  tokenizer?: TextTokenizer | null;
  input: ExplainInput;
  /** an id, one per row, or what `parseTarget` reads; default: each row's most probable answer */
  target?: string | number | readonly number[];
  /** of a language model: the position whose answer is explained, negative from each row's end; default the last */
  position?: number;
  /** names or explainers, or 'all': every registered one that supports the model. Default 'all' */
  methods?: 'all' | readonly Method[];
  options?: OptionsByMethod;
  /** the check by removal, or false for none */
  check?: CheckOptions | false;
  /** language of the text, for its words and sentences */
  locale?: string;
}

/** How maps are checked by removal; see `removal`. */
export interface CheckOptions {
  share?: number;
  draws?: number;
  seed?: number;
}

/**
 * Explains a model's answers: for each row of the input, and each method, which tokens made the model give the target its logit,
 * with a certificate. Everything that was asked for is checked before any work starts.
 * @throws UnknownNameError for an unknown method or option; ExplainError for a method that does not support the model, a target or
 * position that does not exist, or nothing to explain
 */
export async function explain(request: ExplainRequest): Promise<Explanation[]> {
  const { model, tokenizer, target } = request;
  const every = request.methods === undefined || request.methods === 'all' || request.methods.includes('all');
  const explainers = every
    ? listExplainers().filter((explainer) => explainer.supports(model) === true)
    : named(request.methods as readonly Method[], model);
  const options = optionsFor(explainers, request.options);
  const rows = readRows(request.input, tokenizer);
  scope(() => void model.batch(rows.map(({ ids }) => ids))); // refuses ids out of range
  const ends = rows.map((row, index) => endOf(model, row, index, request.position));
  const targets = target === undefined ? undefined : targetsOf(target, rows.length, model, tokenizer);

  const explanations: Explanation[] = [];
  for (const [index, row] of rows.entries()) {
    const question = new Question(model, row.ids.subarray(0, ends[index]), targets?.[index]);
    try {
      explanations.push(await explainRow(question, index, row, explainers, options, every, request));
    } finally {
      await question.dispose();
    }
  }
  return explanations;
}

async function explainRow(
  question: Question,
  index: number,
  row: TokenizedRow,
  explainers: readonly Explainer[],
  options: readonly object[],
  every: boolean,
  request: ExplainRequest,
): Promise<Explanation> {
  const { model } = question;
  const target = await question.target();
  const logits = await question.logits();
  const shares = probabilities(logits);
  const label = (id: number): string | null =>
    model.config.head.kind === 'classifier' ? model.config.head.labels[id]! : (request.tokenizer?.tokenText(id) ?? null);
  const { layers, worst } = await question.audit();
  const audit = { worst, layers: layers.map(({ scan, row, block }) => Math.max(scan, row, block)) };

  const words = row.text === null ? undefined : groupTokens(row.text, row.tokens, 'word', request.locale);
  const sentences = row.text === null ? undefined : groupTokens(row.text, row.tokens, 'sentence', request.locale);
  const maps: AttributionMap[] = [];
  const skipped: { method: string; reason: string }[] = [];
  for (const [at, explainer] of explainers.entries()) {
    try {
      const relevance = await explainer.explain(question, options[at]!);
      maps.push(mapOf(explainer, options[at]!, relevance, row.ids.length, logits[target]!, audit, { words, sentences }));
    } catch (error) {
      if (!every || !(error instanceof ExplainError)) throw error;
      skipped.push({ method: fullName(explainer), reason: error.message });
    }
  }
  if (request.check !== false) await addChecks(question, target, maps, words, request.check);
  return {
    index,
    text: row.text,
    tokens: row.tokens,
    target: { id: target, label: label(target), logit: logits[target]!, probability: shares[target]! },
    alternatives: largest(shares, 6)
      .filter((id) => id !== target)
      .slice(0, 5)
      .map((id) => ({ id, label: label(id) ?? String(id), probability: shares[id]! })),
    position: question.position,
    maps,
    ...(skipped.length > 0 ? { skipped } : {}),
  };
}

function mapOf(
  explainer: Explainer,
  options: object,
  relevance: Relevance,
  length: number,
  logit: number,
  audit: { worst: number; layers: number[] },
  { words, sentences }: { words: Group[] | undefined; sentences: Group[] | undefined },
): AttributionMap {
  const { name, variant = 'paper', title, summary, cite, signed, complete } = explainer;
  const scores = padded(explainer, relevance.scores, length);
  const { biases = null, layers, warning } = { ...relevance };
  return {
    method: name,
    variant,
    title,
    summary,
    cite,
    options: { ...options },
    scores,
    ...(words && sentences ? { words: sumByGroup(words, scores), sentences: sumByGroup(sentences, scores) } : {}),
    biases,
    signed: typeof signed === 'function' ? signed(options) : signed,
    ...(layers ? { layers: layers.map((layer) => padded(explainer, layer, length)) } : {}),
    ...(warning ? { warning } : {}),
    certificate: { audit, ...(complete ? { completeness: completenessOf(scores, biases ?? 0, logit) } : {}) },
  };
}

/** Scores of all tokens: 0 for those after the explained position. */
function padded(explainer: Explainer, scores: ArrayLike<number>, length: number): number[] {
  return Array.from({ length }, (_, at) => {
    const score = at < scores.length ? scores[at]! : 0;
    if (!Number.isFinite(score))
      throw new ExplainError(`${fullName(explainer)} gives position ${at} the score ${score}; a map needs finite numbers`);
    return score;
  });
}

/** Removes words (or tokens, where there is no text) of the explained part of the row, as every map ranks them. */
async function addChecks(
  question: Question,
  target: number,
  maps: readonly AttributionMap[],
  words: readonly Group[] | undefined,
  options: CheckOptions = {},
): Promise<void> {
  const { model, ids, length } = question;
  const groups = words
    ? words.map(({ tokens }) => tokens.filter((token) => token < length)).filter((tokens) => tokens.length > 0)
    : Array.from(ids, (_, position) => [position]);
  if (maps.length === 0 || removable(model, ids, groups).length < 2) return;
  const rankings = maps.map(({ scores }) => groups.map((tokens) => tokens.reduce((sum, token) => sum + scores[token]!, 0)));
  const reports = await removal({ model, ids, target, groups, rankings, ...options });
  for (const [at, report] of reports.entries()) maps[at]!.certificate.check = { unit: words ? 'word' : 'token', ...report };
}

function named(methods: readonly Method[], model: Model): Explainer[] {
  if (methods.length === 0)
    throw new ExplainError(`no methods were asked for; name some, or 'all': ${listExplainers().map(fullName).join(', ')}`);
  const explainers = [
    ...new Set(methods.map((method) => (typeof method === 'string' ? getExplainer(method) : (method as unknown as Explainer)))),
  ];
  for (const explainer of explainers) {
    const supported = explainer.supports(model);
    if (supported !== true) throw new ExplainError(`${fullName(explainer)} cannot explain this model: ${supported}`);
  }
  return explainers;
}

/** How many tokens of a row belong to the question: those up to the explained position. */
function endOf(model: Model, { ids }: TokenizedRow, index: number, position: number | undefined): number {
  if (position === undefined) return ids.length;
  if (model.config.head.kind === 'classifier')
    throw new ExplainError(`a position (${position}) was given; a classifier answers about the whole text, so leave it out`);
  const found = position < 0 ? ids.length + position : position;
  if (!Number.isInteger(found) || found < 0 || found >= ids.length) {
    throw new ExplainError(
      `position ${position} of row ${index} does not exist; the row has positions 0 to ${ids.length - 1} (or −1 to −${ids.length} from its end)`,
    );
  }
  return found + 1;
}

function targetsOf(
  target: NonNullable<ExplainRequest['target']>,
  rows: number,
  model: Model,
  tokenizer: TextTokenizer | null | undefined,
): number[] {
  const given = typeof target === 'string' ? parseTarget(target, model, tokenizer) : [target].flat();
  const targets = given.length === 1 ? Array.from({ length: rows }, () => given[0]!) : given;
  if (targets.length !== rows) throw new ExplainError(`${given.length} targets for ${rows} rows; give one, or one a row`);
  return targets.map((id) => checkTarget(id, model));
}

/** The numbers of the largest values, largest first. */
function largest(values: Float64Array, count: number): number[] {
  return [...values.keys()].toSorted((a, b) => values[b]! - values[a]! || a - b).slice(0, count);
}
