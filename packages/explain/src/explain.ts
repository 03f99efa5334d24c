import type { Model } from '@hidden-attention/model';
import { sumByGroup } from './aggregate.js';
import { probabilities } from './answer.js';
import { ExplainError } from './errors.js';
import { isImageInput, type ImageInput } from './image.js';
import { fullName, type Explainer, type Relevance } from './explainer.js';
import { optionsFor, type OptionsByMethod } from './options.js';
import { Question } from './question.js';
import { getExplainer, listExplainers } from './registry.js';
import { removable, removal } from './removal.js';
import { completenessOf, type AttributionMap, type Explanation } from './result.js';
import { checkTarget, parseTarget } from './target.js';
import { imageSubjects, textSubjects, type Subject } from './subject.js';
import type { ExplainInput, TextTokenizer } from './tokens.js';

/** A method: its name ('raw', 'raw:released'), or an explainer, registered or not. */
export type Method = string | Explainer<never>;

export interface ExplainRequest {
  model: Model;
  /** needed for text, and for targets given as text */
  tokenizer?: TextTokenizer | null;
  /** text, ids, or images for a model that reads them */
  input: ExplainInput | { images: readonly ImageInput[] };
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
  const subjects = isImageInput(request.input) ? imageSubjects(request.input.images, request) : textSubjects(request.input, request);
  const targets = target === undefined ? undefined : targetsOf(target, subjects.length, model, tokenizer);

  const explanations: Explanation[] = [];
  for (const [index, subject] of subjects.entries()) {
    const question = new Question(model, subject.input, targets?.[index]);
    try {
      explanations.push(await explainOne(question, index, subject, explainers, options, every, request));
    } finally {
      await question.dispose();
    }
  }
  return explanations;
}

async function explainOne(
  question: Question,
  index: number,
  subject: Subject,
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

  const maps: AttributionMap[] = [];
  const skipped: { method: string; reason: string }[] = [];
  for (const [at, explainer] of explainers.entries()) {
    try {
      const relevance = await explainer.explain(question, options[at]!);
      maps.push(mapOf(explainer, options[at]!, relevance, subject, logits[target]!, audit));
    } catch (error) {
      if (!every || !(error instanceof ExplainError)) throw error;
      skipped.push({ method: fullName(explainer), reason: error.message });
    }
  }
  if (request.check !== false) await addChecks(question, target, maps, subject, request.check);
  const { text, tokens, grid } = subject;
  return {
    index,
    text,
    tokens,
    ...(grid ? { grid } : {}),
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
  { shown, left, words, sentences }: Subject,
  logit: number,
  audit: { worst: number; layers: number[] },
): AttributionMap {
  const { name, variant = 'paper', title, summary, cite, signed, complete } = explainer;
  checkFinite(explainer, relevance.scores);
  const scores = shown(relevance.scores);
  const { layers, warning } = { ...relevance };
  // what class tokens receive is no patch's: beside the biases, where shares add up
  const biases = complete ? (relevance.biases ?? 0) + left(relevance.scores) : (relevance.biases ?? null);
  for (const layer of layers ?? []) checkFinite(explainer, layer);
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
    ...(layers ? { layers: layers.map(shown) } : {}),
    ...(warning ? { warning } : {}),
    certificate: { audit, ...(complete ? { completeness: completenessOf(scores, biases ?? 0, logit) } : {}) },
  };
}

function checkFinite(explainer: Explainer, scores: ArrayLike<number>): void {
  const at = Array.from(scores).findIndex((score) => !Number.isFinite(score));
  if (at >= 0) throw new ExplainError(`${fullName(explainer)} gives position ${at} the score ${scores[at]}; a map needs finite numbers`);
}

/** Removes words, tokens (where there is no text) or patches of the explained input, as every map ranks them. */
async function addChecks(
  question: Question,
  target: number,
  maps: readonly AttributionMap[],
  { unit, groups }: Subject,
  options: CheckOptions = {},
): Promise<void> {
  const { model, ids, image } = question;
  if (maps.length === 0 || (!image && removable(model, ids, groups).length < 2) || groups.length < 2) return;
  const rankings = maps.map(({ scores }) => groups.map((tokens) => tokens.reduce((sum, token) => sum + scores[token]!, 0)));
  const reports = await removal({ model, ...(image ? { image } : { ids }), target, groups, rankings, ...options });
  for (const [at, report] of reports.entries()) maps[at]!.certificate.check = { unit, ...report };
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
