import { nearestNames, type Model } from '@hidden-attention/model';
import { ExplainError } from './errors.js';
import type { TextTokenizer } from './tokens.js';

/**
 * The classes or tokens that a `--target` names: a whole number is an id, `text:…` one token, another word a label of a
 * classifier; a list with commas gives one per row.
 * @throws ExplainError for an id out of range, a text that is several tokens (its pieces are listed), or an unknown label
 */
export function parseTarget(text: string, model: Model, tokenizer?: TextTokenizer | null): number[] {
  if (text.startsWith('text:') && !text.includes(',text:')) {
    const whole = tokenizer?.encode(text.slice('text:'.length)).ids;
    if (whole?.length === 1 || !text.includes(',')) return [parseOne(text, model, tokenizer)];
  }
  return text.split(',').map((part) => parseOne(part.trimStart(), model, tokenizer));
}

/** Number of answers that the model chooses among. */
export function answersOf({ config: { head, vocabSize } }: Model): number {
  return head.kind === 'classifier' ? head.classes : vocabSize;
}

/** @throws ExplainError for an id that is no answer of this model */
export function checkTarget(id: number, model: Model): number {
  const count = answersOf(model);
  if (!Number.isInteger(id) || id < 0 || id >= count) {
    throw new ExplainError(
      `target ${id} does not exist; this model's ${model.config.head.kind === 'classifier' ? 'classes' : 'tokens'} are 0 to ${count - 1}`,
    );
  }
  return id;
}

function parseOne(text: string, model: Model, tokenizer: TextTokenizer | null | undefined): number {
  if (/^-?\d+$/.test(text)) return checkTarget(Number(text), model);
  const { head } = model.config;
  if (text.startsWith('text:')) return tokenOf(text.slice('text:'.length), model, tokenizer);
  if (head.kind !== 'classifier')
    throw new ExplainError(
      `target "${text}" is neither an id nor text:…; a language model's targets are tokens, for example "text:${text}" or 42`,
    );
  const found = head.labels.indexOf(text);
  if (found < 0)
    throw new ExplainError(`target "${text}" is no label of this model; the nearest are ${nearestNames(text, head.labels).join(', ')}`);
  return found;
}

function tokenOf(text: string, model: Model, tokenizer: TextTokenizer | null | undefined): number {
  if (model.config.head.kind === 'classifier')
    throw new ExplainError(
      `target "text:${text}" is a token, and this model chooses among classes: ${model.config.head.labels.join(', ')}`,
    );
  if (!tokenizer) throw new ExplainError(`target "text:${text}" needs a tokenizer, and the model has none; give the token's id`);
  const { ids } = tokenizer.encode(text);
  if (ids.length !== 1) {
    const pieces = ids.map((id) => `${JSON.stringify(tokenizer.tokenText(id))} (${id})`);
    throw new ExplainError(`target "text:${text}" is ${ids.length} tokens: ${pieces.join(', ') || 'none'}; name one of them`);
  }
  return checkTarget(ids[0]!, model);
}
