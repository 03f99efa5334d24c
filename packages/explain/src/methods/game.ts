import * as z from '@hidden-attention/model/schema';
import { ExplainError } from '../errors.js';
import { answersOf } from '../target.js';
import type { Question } from '../question.js';

/** What methods that take inputs away have in common. */
export interface GameOptions {
  /** what is taken away together: words (of a text that is known only as ids: tokens), or single tokens; of an image patches */
  unit: 'word' | 'token';
  /** an id to put in place of what is taken away; default: tokens are cut out, patches become black */
  replaceWith?: number | undefined;
  /** positions that may be read in all */
  limit: number;
}

/** Their schemas, for those of a method. */
export const gameOptions = (): {
  unit: z.ZodType<GameOptions['unit']>;
  replaceWith: z.ZodOptional<z.ZodType<number>>;
  limit: z.ZodType<number>;
} => ({
  unit: z.enum(['word', 'token']).default('word'),
  replaceWith: z.coerce.number().int().min(0).optional(),
  limit: z.coerce.number().int().min(1).default(4_194_304),
});

/** An input's parts as players of a game whose value is the explained number (Shapley 1953; Strumbelj and Kononenko 2010). */
export interface Game {
  /** the players: numbers of the parts of each. What a language model answers from always stays, and plays no part */
  players: readonly (readonly number[])[];
  /** the value when all play, and when none does */
  all: number;
  none: number;
  /** the values of coalitions: for each, whether player i is in it */
  values(coalitions: readonly (readonly boolean[])[]): Promise<number[]>;
  /** a number a player, shared evenly by its positions: one a position */
  spread(ofPlayers: ArrayLike<number>): Float64Array;
}

/**
 * @param name of the method, for errors
 * @param passes how many values are asked for in all, of so many players
 * @throws ExplainError where nothing can be taken away, or the passes would read more than `limit` positions
 */
export async function gameOf(question: Question, name: string, options: GameOptions, passes: (players: number) => number): Promise<Game> {
  const { model, length, parts } = question;
  const { unit, replaceWith, limit } = options;
  if (replaceWith !== undefined && (question.image || replaceWith >= model.config.vocabSize))
    throw new ExplainError(
      question.image
        ? `${name}: replaceWith is ${replaceWith}, an id; patches of images become black, so leave it out`
        : `${name}: replaceWith is ${replaceWith}; ids of this model are 0 to ${model.config.vocabSize - 1}`,
    );
  const subject = await question.removable(replaceWith);
  const groups = unit === 'word' ? question.groups : parts.map((_, part) => [part]);
  const players = subject.free(groups).map((group) => groups[group]!);
  if (players.length === 0)
    throw new ExplainError(
      `${name}: nothing of this input can be taken away: a language model answers from its last position; give a longer text`,
    );
  const cost = passes(players.length) * length;
  if (cost > limit)
    throw new ExplainError(
      `${name} would run the input of ${length} positions ${passes(players.length)} times and read ${cost} positions; allow it by option ${name}.limit=${cost}, ask for fewer samples, or explain a shorter input`,
    );
  const empty = parts.length === players.reduce((sum, own) => sum + own.length, 0) && !question.image && replaceWith === undefined;
  const nothing = empty ? await (await question.objective()).value(new Float32Array(answersOf(model))) : undefined;
  const known = new Map<string, number>(nothing === undefined ? [] : [[players.map(() => 0).join(''), nothing]]);
  const values: Game['values'] = async (coalitions) => {
    const keys = coalitions.map((coalition) => coalition.map(Number).join(''));
    const asked = [...new Set(keys)].filter((key) => !known.has(key));
    const { logit } = await subject.figures(asked.map((key) => players.flatMap((own, player) => (key[player] === '1' ? [] : own))));
    asked.forEach((key, at) => known.set(key, logit[at]!));
    return keys.map((key) => known.get(key)!);
  };
  const [all, none] = (await values([players.map(() => true), players.map(() => false)])) as [number, number];
  return {
    players,
    all,
    none,
    values,
    spread: (ofPlayers) => {
      const scores = new Float64Array(length);
      players.forEach((own, player) => own.forEach((part) => (scores[parts[part]!] = ofPlayers[player]! / own.length)));
      return scores;
    },
  };
}
