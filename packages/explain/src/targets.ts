import type { Model } from '@hidden-attention/model';
import { ExplainError } from './errors.js';
import type { ScoreFunction, Target, TokenSpan } from './objective.js';
import type { Answers, ExplainRequest } from './request.js';
import { checkTarget, parseTarget } from './target.js';
import type { TextTokenizer } from './tokens.js';

/**
 * What is explained of each row; undefined: its most probable answer.
 * @throws ExplainError for an answer that does not exist, another number of them than of rows, or several kinds of targets at once
 */
export function targetsOf(request: ExplainRequest, rows: number): (Target | undefined)[] {
  const { model, tokenizer, target, contrast, span, position } = request;
  const given = [typeof target === 'function' && 'a function', span && 'a span'].filter(Boolean) as string[];
  if (given.length > 0) {
    const others = [
      ...given.slice(1),
      ...(target !== undefined && typeof target !== 'function' ? ['an answer'] : []),
      ...(contrast !== undefined ? ['a contrast'] : []),
      ...(span && position !== undefined ? ['a position'] : []),
    ];
    if (others.length > 0) throw new ExplainError(`${given[0]} and ${others.join(', ')} were given as the target; give one of them`);
    return Array.from({ length: rows }, () => span ?? (target as ScoreFunction));
  }
  const ids = answersOfRows('targets', target as Answers | undefined, rows, model, tokenizer);
  const against = answersOfRows('contrasts', contrast, rows, model, tokenizer);
  return Array.from({ length: rows }, (_, row) => {
    const [id, other] = [ids?.[row], against?.[row]];
    if (other === undefined) return id;
    return { against: other, ...(id === undefined ? {} : { id }) };
  });
}

function answersOfRows(
  what: string,
  named: Answers | undefined,
  rows: number,
  model: Model,
  tokenizer: TextTokenizer | null | undefined,
): number[] | undefined {
  if (named === undefined) return undefined;
  const given = typeof named === 'string' ? parseTarget(named, model, tokenizer) : [named].flat();
  const answers = given.length === 1 ? Array.from({ length: rows }, () => given[0]!) : given;
  if (answers.length !== rows) throw new ExplainError(`${given.length} ${what} for ${rows} rows; give one, or one a row`);
  return answers.map((id) => checkTarget(id, model));
}

/**
 * Reads "A:B", tokens A to B − 1.
 * @throws ExplainError for anything else
 */
export function parseSpan(text: string): TokenSpan {
  const [, start, end] = /^(\d+):(\d+)$/.exec(text.trim()) ?? [];
  if (start === undefined)
    throw new ExplainError(`the span "${text}" is not of the form A:B, the numbers of its first token and of the one behind it`);
  return { start: Number(start), end: Number(end) };
}
