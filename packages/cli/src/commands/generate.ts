import { LiveAttention } from '@hidden-attention/attention';
import { encodeChat, requireTokenizer, type LoadedModel } from '@hidden-attention/checkpoint';
import { generate, generateAll, type GenerateOptions } from '@hidden-attention/runner';
import type { Command } from 'commander';
import { UsageError } from '../errors.js';
import { readInput } from '../input.js';
import { resolveModel } from '../models.js';
import { dtypeOption, type ModelFlags } from '../options.js';
import { parseNumber } from '../ranges.js';

interface Flags extends ModelFlags {
  prompt?: string;
  chat?: string;
  system?: string;
  ids?: string;
  maxTokens: string;
  temperature?: string;
  topK?: string;
  topP?: string;
  repetitionPenalty?: string;
  seed?: string;
  ignoreEos?: boolean;
  stop?: string[];
  live?: string;
  json?: boolean;
}

/** `generate`: continues a prompt, streaming; Ctrl-C ends it. */
export function addGenerate(program: Command): void {
  program
    .command('generate')
    .description('Continue a prompt, or rows of token ids.')
    .requiredOption('--model <M>', 'a folder or file, zoo:NAME, or org/name of the hub')
    .addOption(dtypeOption())
    .option('--prompt <P>', 'the text to continue')
    .option('--chat <MESSAGE>', "a message to answer, by the model's chat template")
    .option('--system <TEXT>', 'with --chat: what the system says before')
    .option('--ids <F>', 'a JSON file of token ids: an array, or an array of arrays')
    .requiredOption('--max-tokens <N>', 'tokens to add, at most')
    .option('--temperature <T>', 'how freely to choose; 0, the default, always takes the likeliest')
    .option('--top-k <K>', 'only among the K likeliest')
    .option('--top-p <P>', 'only among the likeliest that together have probability P')
    .option('--repetition-penalty <R>', 'above 1: make what stands there already less likely')
    .option('--seed <S>', 'for the same choice again')
    .option('--stop <TEXT...>', 'end where one of these texts comes up; it is left out')
    .option('--ignore-eos', 'go on past the end-of-sequence token')
    .option('--live <K>', 'with every token, the K earlier positions of each layer that it drew on most')
    .option('--json', 'as JSON, with ids')
    .action(async (flags: Flags) => {
      const given = (['prompt', 'chat', 'ids'] as const).filter((name) => flags[name] !== undefined);
      if (given.length !== 1) throw new UsageError('exactly one of --prompt P, --chat MESSAGE, --ids F is needed');
      if (flags.system !== undefined && flags.chat === undefined) throw new UsageError('--system goes with --chat');
      const interrupt = new AbortController();
      const options = { ...samplingOf(flags), signal: interrupt.signal };
      const loaded = await resolveModel(flags.model, program.opts<{ device?: string }>().device, flags.dtype);
      const rows =
        flags.chat === undefined
          ? await readInput(
              { ...(flags.prompt === undefined ? {} : { text: flags.prompt }), ...(flags.ids === undefined ? {} : { ids: flags.ids }) },
              loaded,
            )
          : [chatRow(loaded, flags.chat, flags.system)];
      const prompts = rows.map((row) => row.ids);
      const { model, tokenizer } = loaded;
      if (flags.stop) Object.assign(options, { stopStrings: flags.stop, tokenizer: requireTokenizer(loaded) });
      process.once('SIGINT', () => interrupt.abort());
      if (flags.live !== undefined)
        return streamLive(loaded, rows[0]!, { ...options, ...(tokenizer ? { tokenizer } : {}) }, liveCount(flags.live), rows.length);
      if (flags.json) {
        const sequences = await generateAll(model, prompts, options);
        const report = { sequences: sequences.map((tokens) => ({ tokens, text: tokenizer ? tokenizer.decode(tokens) : null })) };
        process.stdout.write(`${JSON.stringify(report)}\n`);
      } else if (rows.length > 1 || !tokenizer) {
        const sequences = await generateAll(model, prompts, options);
        for (const tokens of sequences) process.stdout.write(`${tokenizer ? tokenizer.decode(tokens) : JSON.stringify(tokens)}\n`);
      } else {
        requireTokenizer(loaded);
        if (flags.prompt !== undefined) process.stdout.write(flags.prompt);
        for await (const { text } of generate(model, prompts, { ...options, tokenizer })) process.stdout.write(text!);
        process.stdout.write('\n');
      }
    });
}

const liveCount = (text: string): number => parseNumber('--live', text, { integer: true, minimum: 1 });

/** A conversation of one message, by the model's own template. */
function chatRow(loaded: LoadedModel, message: string, system: string | undefined): { ids: number[] } {
  const tokenizer = requireTokenizer(loaded);
  if (!loaded.chat)
    throw new Error(`${loaded.folder} has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json); use --prompt`);
  const messages = [...(system === undefined ? [] : [{ role: 'system', content: system }]), { role: 'user', content: message }];
  return encodeChat(tokenizer, loaded.chat, messages);
}

/** One line a token: the token, then what it drew on in each layer, with the share of the row that these hold. */
async function streamLive(
  loaded: LoadedModel,
  { ids }: { ids: number[] },
  options: GenerateOptions,
  k: number,
  rows: number,
): Promise<void> {
  if (rows !== 1) throw new UsageError(`--live follows one text; ${rows} rows were given`);
  const { model, tokenizer } = loaded;
  const name = (id: number): string => (tokenizer ? JSON.stringify(tokenizer.tokenText(id)).slice(1, -1) : String(id));
  const text = [...ids];
  using live = new LiveAttention(model, { k });
  for await (const { id } of generate(model, [ids], { ...options, observer: live })) {
    const drawn = await live.rows();
    process.stdout.write(`${name(id)}\n`);
    for (const { layer, top, share, reach } of drawn) {
      const entries = top.map(({ position, value }) => `${position} ${name(text[position]!)} ${value.toPrecision(3)}`);
      process.stdout.write(`  layer ${layer}: ${entries.join(' · ')}  (${(100 * share).toFixed(0)} % of the row, back to ${reach})\n`);
    }
    text.push(id);
  }
}

function samplingOf(flags: Flags): GenerateOptions {
  const number = (flag: string, text: string | undefined, check: Parameters<typeof parseNumber>[2]): number | undefined =>
    text === undefined ? undefined : parseNumber(flag, text, check);
  const options: Record<string, number | boolean | undefined> = {
    temperature: number('--temperature', flags.temperature, { minimum: 0 }),
    topK: number('--top-k', flags.topK, { integer: true, minimum: 1 }),
    topP: number('--top-p', flags.topP, { minimum: 1e-9, maximum: 1 }),
    repetitionPenalty: number('--repetition-penalty', flags.repetitionPenalty, { minimum: 1e-9 }),
    seed: number('--seed', flags.seed, { integer: true }),
    ignoreEos: flags.ignoreEos,
  };
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return { maxTokens: parseNumber('--max-tokens', flags.maxTokens, { integer: true, minimum: 1 }), ...given };
}
