import { encodeChat, requireTokenizer, type LoadedModel } from '@hidden-attention/checkpoint';
import { generate, type GeneratedToken, type GenerateOptions } from '@hidden-attention/runner';
import { Option, type Command } from 'commander';
import { UsageError } from '../errors.js';
import { searchBeams } from '../generation/beams.js';
import { chooseAnswer } from '../generation/choices.js';
import { streamLive } from '../generation/live.js';
import { writeWithAlternatives } from '../generation/log-probabilities.js';
import { continued } from '../generation/session.js';
import { readInput } from '../input.js';
import { resolveModel } from '../models.js';
import { dtypeOption, type ModelFlags } from '../options.js';
import { checkOutput } from '../output.js';
import { parseNumber } from '../ranges.js';

interface Flags extends ModelFlags {
  prompt?: string;
  chat?: string;
  system?: string;
  ids?: string;
  maxTokens?: string;
  temperature?: string;
  topK?: string;
  topP?: string;
  repetitionPenalty?: string;
  seed?: string;
  ignoreEos?: boolean;
  stop?: string[];
  choices?: string[];
  beams?: string;
  logProbabilities?: string;
  speculate?: string;
  state?: string;
  saveState?: string;
  live?: string;
  liveLayers: 'each' | 'mean';
  cutoff?: string;
  json?: boolean;
}

/** `generate`: continues a prompt, streaming; Ctrl-C ends it. */
export function add(command: Command, program: Command): void {
  command
    .requiredOption('--model <M>', 'a folder or file, zoo:NAME, or org/name of the hub')
    .addOption(dtypeOption())
    .option('--prompt <P>', 'the text to continue')
    .option('--chat <MESSAGE>', "a message to answer, by the model's chat template")
    .option('--system <TEXT>', 'with --chat: what the system says before')
    .option('--ids <F>', 'a JSON file of token ids: an array, or an array of arrays')
    .option('--state <F>', 'go on from what --save-state wrote; the prompt, if any, is read behind it')
    .option('--save-state <F>', 'keep the state at the end, as a .safetensors file')
    .option('--max-tokens <N>', 'tokens to add, at most')
    .option('--temperature <T>', 'how freely to choose; 0, the default, always takes the likeliest')
    .option('--top-k <K>', 'only among the K likeliest')
    .option('--top-p <P>', 'only among the likeliest that together have probability P')
    .option('--repetition-penalty <R>', 'above 1: make what stands there already less likely')
    .option('--seed <S>', 'for the same choice again')
    .option('--stop <TEXT...>', 'end where one of these texts comes up; it is left out')
    .option('--ignore-eos', 'go on past the end-of-sequence token')
    .option('--choices <TEXT...>', 'instead of continuing: how likely each of these answers is behind the prompt')
    .option('--beams <N>', 'instead of one text: the N best that beam search finds')
    .option('--log-probabilities <N>', 'with every token its log-probability, and the N likeliest in its place')
    .option('--speculate <N>', 'guess up to N tokens ahead where the text repeats itself: the same text, sooner')
    .option('--live <K>', 'with every token, the K earlier positions of each layer that it drew on most')
    .addOption(
      new Option('--live-layers <WHICH>', 'with --live: each layer, or the mean over them').choices(['each', 'mean']).default('each'),
    )
    .option('--cutoff <C>', 'with --live: look back no further than where less than this share of the state is alive (default: 0.001)')
    .option('--json', 'as JSON, with ids')
    .action(async (flags: Flags) => {
      checkFlags(flags);
      const interrupt = new AbortController();
      const { signal } = interrupt;
      const own = numbersOf(flags);
      if (flags.saveState !== undefined) checkOutput(flags.saveState, ['.safetensors'], '--save-state');
      const loaded = await resolveModel(flags.model, program.opts<{ device?: string }>().device, flags.dtype);
      const prompts = await promptsOf(flags, loaded);
      const { model, tokenizer } = loaded;
      const [first = [], ...others] = prompts;
      const only = ['choices', 'live', 'logProbabilities', 'state', 'saveState', 'speculate'] as const;
      const alone = only.find((name) => flags[name] !== undefined);
      if (alone !== undefined && others.length > 0 && !(alone === 'logProbabilities' && flags.json))
        throw new UsageError(`${flagNames[alone]} goes with one text; ${prompts.length} rows were given`);
      process.once('SIGINT', () => interrupt.abort());

      const json = flags.json ?? false;
      if (flags.choices) return chooseAnswer(loaded, first, flags.choices, { signal, json });
      if (own.beams !== undefined)
        return searchBeams(loaded, prompts, { beams: own.beams, maxTokens: own.options.maxTokens, signal, json });
      const options: GenerateOptions = { ...own.options, signal, ...(tokenizer ? { tokenizer } : {}) };
      if (flags.stop) options.tokenizer = requireTokenizer(loaded);
      if (own.live !== undefined) return streamLive(loaded, first, options, { k: own.live, cutoff: own.cutoff, over: flags.liveLayers });
      const tokens = others.length > 0 ? generate(model, prompts, options) : continued(loaded, first, options, flags);
      if (json || !tokenizer || others.length > 0) return writeRows(await rowsOf(tokens, prompts.length), loaded, json);
      if (own.options.logProbabilities !== undefined) {
        for await (const token of tokens) writeWithAlternatives(token, tokenizer);
        return undefined;
      }
      if (flags.prompt !== undefined) process.stdout.write(flags.prompt);
      for await (const { text } of tokens) process.stdout.write(text!);
      process.stdout.write('\n');
      return undefined;
    });
}

const flagNames = {
  choices: '--choices',
  live: '--live',
  logProbabilities: '--log-probabilities',
  state: '--state',
  saveState: '--save-state',
  speculate: '--speculate',
  beams: '--beams',
} as const;

/** @throws UsageError for flags that do not go together */
function checkFlags(flags: Flags): void {
  const given = (['prompt', 'chat', 'ids'] as const).filter((name) => flags[name] !== undefined);
  if (given.length > 1 || (given.length === 0 && flags.state === undefined))
    throw new UsageError('exactly one of --prompt P, --chat MESSAGE, --ids F is needed');
  if (flags.system !== undefined && flags.chat === undefined) throw new UsageError('--system goes with --chat');
  if (flags.choices === undefined && flags.maxTokens === undefined)
    throw new UsageError("required option '--max-tokens <N>' not specified");
  if (flags.cutoff !== undefined && flags.live === undefined) throw new UsageError('--cutoff goes with --live');
  const ways = (['choices', 'beams', 'live'] as const).filter((name) => flags[name] !== undefined);
  const [way] = ways;
  if (ways.length > 1) throw new UsageError(`${ways.map((name) => flagNames[name]).join(' and ')} do not go together`);
  const beside = (['state', 'saveState', 'logProbabilities', 'speculate'] as const).find((name) => flags[name] !== undefined);
  if (way !== undefined && beside !== undefined) throw new UsageError(`${flagNames[way]} and ${flagNames[beside]} do not go together`);
  if (flags.speculate !== undefined && (flags.state ?? flags.saveState) !== undefined)
    throw new UsageError('--speculate and a state do not go together: of a text before that, no ids are kept');
}

/** The ids to continue: rows of a file, or one text; none where a state alone is gone on from. */
async function promptsOf(flags: Flags, loaded: LoadedModel): Promise<number[][]> {
  if (flags.chat !== undefined) return [chatRow(loaded, flags.chat, flags.system)];
  if (flags.prompt !== undefined) return (await readInput({ text: flags.prompt }, loaded)).map(({ ids }) => ids);
  return flags.ids === undefined ? [[]] : (await readInput({ ids: flags.ids }, loaded)).map(({ ids }) => ids);
}

/** A conversation of one message, by the model's own template. */
function chatRow(loaded: LoadedModel, message: string, system: string | undefined): number[] {
  const tokenizer = requireTokenizer(loaded);
  if (!loaded.chat)
    throw new Error(`${loaded.folder} has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json); use --prompt`);
  const messages = [...(system === undefined ? [] : [{ role: 'system', content: system }]), { role: 'user', content: message }];
  return encodeChat(tokenizer, loaded.chat, messages).ids;
}

async function rowsOf(stream: AsyncIterable<GeneratedToken>, count: number): Promise<GeneratedToken[][]> {
  const rows = Array.from({ length: count }, (): GeneratedToken[] => []);
  for await (const token of stream) rows[token.row]!.push(token);
  return rows;
}

function writeRows(rows: readonly GeneratedToken[][], { tokenizer }: LoadedModel, json: boolean): void {
  const ids = (row: readonly GeneratedToken[]): number[] => row.map(({ id }) => id);
  if (!json) {
    for (const row of rows) process.stdout.write(`${tokenizer ? tokenizer.decode(ids(row)) : JSON.stringify(ids(row))}\n`);
    return;
  }
  const sequences = rows.map((row) => ({
    tokens: ids(row),
    text: tokenizer ? tokenizer.decode(ids(row)) : null,
    ...(row[0]?.logProbability === undefined
      ? {}
      : { logProbabilities: row.map(({ logProbability }) => logProbability), alternatives: row.map(({ alternatives }) => alternatives) }),
  }));
  process.stdout.write(`${JSON.stringify({ sequences })}\n`);
}

/** The flags that are numbers, each within its bounds. */
function numbersOf(flags: Flags): { options: GenerateOptions } & Partial<Record<'beams' | 'live' | 'cutoff', number | undefined>> {
  const number = (flag: string, text: string | undefined, check: Parameters<typeof parseNumber>[2]): number | undefined =>
    text === undefined ? undefined : parseNumber(flag, text, check);
  const whole = { integer: true, minimum: 1 };
  const options: Record<string, number | boolean | readonly string[] | undefined> = {
    temperature: number('--temperature', flags.temperature, { minimum: 0 }),
    topK: number('--top-k', flags.topK, whole),
    topP: number('--top-p', flags.topP, { minimum: 1e-9, maximum: 1 }),
    repetitionPenalty: number('--repetition-penalty', flags.repetitionPenalty, { minimum: 1e-9 }),
    seed: number('--seed', flags.seed, { integer: true }),
    logProbabilities: number('--log-probabilities', flags.logProbabilities, { integer: true, minimum: 0 }),
    speculate: number('--speculate', flags.speculate, whole),
    ignoreEos: flags.ignoreEos,
    stopStrings: flags.stop,
  };
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const maxTokens = number('--max-tokens', flags.maxTokens, whole) ?? 1;
  return {
    options: { maxTokens, ...given },
    beams: number('--beams', flags.beams, whole),
    live: number('--live', flags.live, whole),
    cutoff: number('--cutoff', flags.cutoff, { minimum: 0, maximum: 0.999 }),
  };
}
