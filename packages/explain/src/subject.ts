import type { Model } from '@hidden-attention/model';
import { scope } from '@hidden-attention/tensor';
import { groupTokens, type Group } from './aggregate.js';
import { ExplainError } from './errors.js';
import { batchOfImages, type ImageInput } from './image.js';
import { checkSpan } from './objective.js';
import type { ExplainRequest } from './request.js';
import { readRows, type ExplainInput, type Token, type TokenizedRow } from './tokens.js';

/** One input of a call: what the question is about, and how its scores are shown. */
export interface Subject {
  /** ids up to the explained position, all of them where a span is explained, or an image */
  input: Int32Array | ImageInput;
  text: string | null;
  tokens: Token[];
  /** of an image: that of its patches */
  grid?: readonly [rows: number, columns: number];
  words?: Group[] | undefined;
  sentences?: Group[] | undefined;
  /** what is removed together when a map is checked, as places among the scores that are shown */
  groups: readonly (readonly number[])[];
  unit: 'word' | 'token' | 'patch';
  /** the scores that are shown, of those of all positions: one a token (0 behind the explained position), or one a patch */
  shown(scores: ArrayLike<number>): number[];
  /** the sum of the others: what class tokens receive */
  left(scores: ArrayLike<number>): number;
}

/** @throws ExplainError for no text or a position that does not exist, ModelError for bad ids */
export function textSubjects(input: ExplainInput, { model, tokenizer, position, span, locale }: ExplainRequest): Subject[] {
  const rows = readRows(input, tokenizer);
  scope(() => void model.batch(rows.map(({ ids }) => ids))); // refuses ids out of range
  return rows.map((row, index) => {
    const { text, tokens, ids } = row;
    if (span) checkSpan(model, span, ids.length);
    const end = span ? span.end - 1 : endOf(model, row, index, position); // nothing reads the span's last token
    const group = (by: 'word' | 'sentence'): Group[] | undefined => (text === null ? undefined : groupTokens(text, tokens, by, locale));
    const words = group('word');
    const groups = words
      ? words.map(({ tokens: own }) => own.filter((token) => token < end)).filter((own) => own.length > 0)
      : Array.from({ length: end }, (_, at) => [at]);
    return {
      input: span ? ids : ids.subarray(0, end),
      text,
      tokens,
      words,
      sentences: group('sentence'),
      groups,
      unit: words ? 'word' : 'token',
      shown: (scores) => Array.from(ids, (_, at) => (at < scores.length ? scores[at]! : 0)),
      left: () => 0,
    };
  });
}

/** @throws ExplainError for no image, images of several sizes, or a position, ModelError for images that the model cannot read */
export function imageSubjects(images: readonly ImageInput[], { model, position, span }: ExplainRequest): Subject[] {
  if (span) throw new ExplainError(`a span (${span.start} to ${span.end}) was given; images have no text, so leave it out`);
  if (position !== undefined)
    throw new ExplainError(`a position (${position}) was given; the answer is about the whole image, so leave it out`);
  const { grid, classPositions } = scope(() => batchOfImages(model, images)); // refuses all that cannot be read
  const patches = grid[0] * grid[1];
  const special = new Set(classPositions);
  const shown = (scores: ArrayLike<number>): number[] => Array.from(scores).filter((_, at) => !special.has(at));
  return images.map((image) => ({
    input: image,
    text: null,
    tokens: [],
    grid,
    groups: Array.from({ length: patches }, (_, at) => [at]),
    unit: 'patch',
    shown,
    left: (scores) => classPositions.reduce((sum, at) => sum + scores[at]!, 0),
  }));
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
