import { probabilities } from './answer.js';
import { rankCorrelation, removalEffects, type Effects } from './effects.js';
import { ExplainError } from './errors.js';
import { fullName, type Explainer } from './explainer.js';
import { isImageInput } from './image.js';
import { mapOf, NotFiniteError, type Known } from './map.js';
import { isSpan, type Target } from './objective.js';
import { checkMethods, optionsOf } from './options.js';
import { Question } from './question.js';
import { getExplainer, listExplainers } from './registry.js';
import { removable } from './removable.js';
import { removal } from './removal.js';
import type { CheckOptions, ExplainRequest, Method } from './request.js';
import type { AttributionMap, ExplainedAnswer, ExplainedTarget, Explanation } from './result.js';
import { imageSubjects, textSubjects, type Subject } from './subject.js';
import { targetsOf } from './targets.js';

/**
 * Explains a model's answers: for each row of the input, and each method, which tokens made the model give the target its logit,
 * with a certificate. What was asked for is checked before any work starts. A method that gives no map (an option that it does not
 * have, a model that it does not support, numbers that are not finite) is named under `skipped`, and the others answer.
 * @throws UnknownNameError for an unknown method; ExplainError for a target or position that does not exist, or nothing to explain;
 * the first method's error where no method asked for by name gives a map
 */
export async function explain(request: ExplainRequest): Promise<Explanation[]> {
  const { model } = request;
  const every = request.methods === undefined || request.methods === 'all' || request.methods.includes('all');
  const explainers = every
    ? listExplainers().filter((explainer) => explainer.supports(model) === true)
    : named(request.methods as readonly Method[]);
  checkMethods(explainers, request.options);
  const asked = explainers.map((explainer, at) => prepared(explainer, at, explainers, request));
  if (!every) requireOne(asked.map(({ error }) => error));
  const subjects = isImageInput(request.input) ? imageSubjects(request.input.images, request) : textSubjects(request.input, request);
  const targets = targetsOf(request, subjects.length);

  const explanations: Explanation[] = [];
  for (const [index, subject] of subjects.entries()) {
    const question = new Question(model, subject.input, targets[index], subject.groups);
    try {
      explanations.push(
        await explainOne(question, { target: targets[index], index, rows: subjects.length, subject, asked, every }, request),
      );
    } finally {
      await question.dispose();
    }
  }
  return explanations;
}

/** A method that was asked for, with its options, or why it cannot answer. */
interface Asked {
  explainer: Explainer;
  options: object;
  error?: Error;
}

function prepared(explainer: Explainer, at: number, all: readonly Explainer[], { model, options }: ExplainRequest): Asked {
  try {
    const name = fullName(explainer);
    const twin = all.findIndex((other) => fullName(other) === name);
    if (twin !== at) throw new ExplainError(`two methods called "${name}" were asked for; give one of them another name`);
    const supported = explainer.supports(model);
    if (supported !== true) throw new ExplainError(`${name} cannot explain this model: ${supported}`);
    return { explainer, options: optionsOf(explainer, all, options) };
  } catch (error) {
    return { explainer, options: {}, error: error as Error };
  }
}

/** @throws the first error where there are only errors */
function requireOne(errors: readonly (Error | undefined)[]): void {
  if (errors.length > 0 && errors.every((error) => error !== undefined)) throw errors[0];
}

/** One row of a request, and what was made of the rest of it. */
interface Row {
  target: Target | undefined;
  index: number;
  rows: number;
  subject: Subject;
  asked: readonly Asked[];
  every: boolean;
}

async function explainOne(question: Question, row: Row, request: ExplainRequest): Promise<Explanation> {
  const { target, index, rows, subject, asked, every } = row;
  const explained = await targetOf(question, subject, request);
  const { layers, worst } = await question.audit();
  const known: Known = {
    length: question.length,
    score: explained.score,
    audit: { worst, layers: layers.map(({ scan, row, block }) => Math.max(scan, row, block)) },
  };
  const maps: AttributionMap[] = [];
  const failures: [Explainer, Error][] = [];
  for (const [at, { explainer, options, error }] of asked.entries()) {
    request.onProgress?.(index * asked.length + at, rows * asked.length, fullName(explainer));
    try {
      if (error) throw error;
      const relevance = await explainer.explain(question, options);
      maps.push(mapOf(explainer, options, relevance, subject, known, request.absolute ?? false));
    } catch (thrown) {
      failures.push([explainer, await located(thrown as Error, question)]);
    }
  }
  if (maps.length === 0 && !every) throw failures[0]![1];
  if (request.check !== false) await addChecks(question, target ?? explained.id, maps, subject, request.check);
  const { text, tokens, grid } = subject;
  return {
    index,
    text,
    tokens,
    ...(grid ? { grid } : {}),
    target: explained,
    alternatives: explained.kind === 'span' ? [] : await alternativesOf(question, explained, request),
    position: question.position,
    maps,
    ...(failures.length > 0 ? { skipped: failures.map(([method, error]) => ({ method: fullName(method), reason: error.message })) } : {}),
  };
}

/** Where a number that is not finite comes from: said in the error, where it is found in the model's gradients. */
async function located(error: Error, question: Question): Promise<Error> {
  if (!(error instanceof NotFiniteError)) return error;
  const place = await question.notFinite();
  return place ? new ExplainError(`${error.message}; ${place}`) : error;
}

const labelOf = ({ model, tokenizer }: ExplainRequest, id: number): string | null =>
  model.config.head.kind === 'classifier' ? model.config.head.labels[id]! : (tokenizer?.tokenText(id) ?? null);

async function targetOf(question: Question, { text, tokens }: Subject, request: ExplainRequest): Promise<ExplainedTarget> {
  const objective = await question.objective();
  const logits = await question.logits();
  const score = await question.score();
  const { kind, id, against, span } = objective;
  const rounded = await question.asRun();
  const asRun = rounded === logits ? {} : { asRun: { score: await objective.value(rounded), probability: objective.probability(rounded) } };
  const probability = objective.probability(logits);
  if (span) {
    const own = tokens.slice(span.start, span.end);
    const label = text === null ? own.map((token) => token.text).join(' ') : text.slice(own[0]!.start, own.at(-1)!.end);
    return { kind, id, label, logit: score, probability, score, ...asRun, span };
  }
  const shares = probabilities(logits);
  const answer = (number: number): ExplainedAnswer => ({
    id: number,
    label: labelOf(request, number),
    logit: logits[number]!,
    probability: shares[number]!,
  });
  return { kind, ...answer(id), score, ...asRun, ...(against === undefined ? {} : { against: answer(against) }) };
}

async function alternativesOf(
  question: Question,
  { id: explained }: ExplainedTarget,
  request: ExplainRequest,
): Promise<Explanation['alternatives']> {
  const shares = probabilities(await question.logits());
  return largest(shares, 6)
    .filter((id) => id !== explained)
    .slice(0, 5)
    .map((id) => ({ id, label: labelOf(request, id) ?? String(id), probability: shares[id]! }));
}

/** Removes words, tokens (where there is no text) or patches of the explained input, as every map ranks them, and some one by one. */
async function addChecks(
  question: Question,
  target: Target,
  maps: readonly AttributionMap[],
  { unit, groups, input }: Subject,
  options: CheckOptions = {},
): Promise<void> {
  const { model, ids, image } = question;
  const read = isSpan(target) ? target.end - target.start : 1;
  if (maps.length === 0 || (!image && removable(model, ids, groups, read).length < 2) || groups.length < 2) return;
  const rankings = maps.map(({ scores }) => groups.map((tokens) => tokens.reduce((sum, token) => sum + scores[token]!, 0)));
  const subject = { model, target, groups, ...(image ? { image } : { ids: input as Int32Array }) };
  const reports = await removal({ ...subject, rankings, ...options });
  for (const [at, report] of reports.entries()) maps[at]!.certificate.check = { unit, ...report };
  const found = options.singles === 0 ? undefined : await removalEffects({ ...subject, ...options }, options.singles);
  if (found) for (const [at, map] of maps.entries()) map.certificate.correlation = correlationOf(map, rankings[at]!, found, unit);
}

function correlationOf(
  { signed }: AttributionMap,
  ranking: readonly number[],
  { groups, effects, of }: Effects,
  unit: Subject['unit'],
): NonNullable<AttributionMap['certificate']['correlation']> {
  const rank = rankCorrelation(
    groups.map((group) => ranking[group]!),
    signed ? effects : effects.map(Math.abs),
  );
  return { rank, groups: groups.length, of, unit };
}

function named(methods: readonly Method[]): Explainer[] {
  if (methods.length === 0)
    throw new ExplainError(`no methods were asked for; name some, or 'all': ${listExplainers().map(fullName).join(', ')}`);
  return [...new Set(methods.map((method) => (typeof method === 'string' ? getExplainer(method) : (method as unknown as Explainer))))];
}

/** The numbers of the largest values, largest first. */
function largest(values: Float64Array, count: number): number[] {
  return [...values.keys()].toSorted((a, b) => values[b]! - values[a]! || a - b).slice(0, count);
}
