import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { CheckpointError } from './errors.js';
import type { Encoded, Tokenizer } from './tokenizer.js';

/** One turn of a conversation. */
export interface ChatMessage {
  /** who speaks, as the template knows it: usually system, user or assistant */
  role: string;
  content: string;
}

export interface ChatOptions {
  /** ends where the assistant's answer begins; default true */
  addGenerationPrompt?: boolean;
  /** further values that the template asks for (`tools`, …) */
  values?: Readonly<Record<string, unknown>>;
}

/** How a model was trained to see conversations: its chat template (Jinja). */
export interface ChatTemplate {
  /** where it was found, for error messages */
  from: string;
  /** The conversation as one text. @throws CheckpointError for no messages, or with what the template itself refuses (an unknown role) */
  render(messages: readonly ChatMessage[], options?: ChatOptions): string;
}

/** The special tokens that templates name, by those names. */
type Named = Readonly<Record<string, string>>;

/** The library for templates, loaded when the first is read. */
const jinja = (): typeof import('@huggingface/jinja') => createRequire(import.meta.url)('@huggingface/jinja') as ReturnType<typeof jinja>;

/**
 * A chat template out of its source.
 * @param from for error messages
 * @param special texts of `bos_token`, `eos_token` and so on
 * @throws CheckpointError where it cannot be parsed
 */
export function chatTemplate(from: string, source: string, special: Named = {}): ChatTemplate {
  const { Template } = jinja();
  const template = attempt(`the chat template of ${from} cannot be read`, () => new Template(source));
  return {
    from,
    render(messages, { addGenerationPrompt = true, values = {} } = {}) {
      if (messages.length === 0) throw new CheckpointError('a conversation needs at least one message');
      const given = {
        ...special,
        ...values,
        messages: messages.map((message) => ({ ...message })),
        add_generation_prompt: addGenerationPrompt,
      };
      return attempt(`the chat template of ${from} refuses these messages`, () => template.render(given));
    },
  };
}

function attempt<R>(what: string, body: () => R): R {
  try {
    return body();
  } catch (error) {
    throw new CheckpointError(`${what}: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * The chat template of a model folder: chat_template.jinja, else `chat_template` of tokenizer_config.json (of several the one called
 * default); null where there is none.
 * @throws CheckpointError for a file that cannot be read, or a template that cannot be parsed
 */
export async function chatTemplateFor(folder: string): Promise<ChatTemplate | null> {
  const configPath = join(folder, 'tokenizer_config.json');
  const config = existsSync(configPath) ? readJson(configPath, await readFile(configPath, 'utf8')) : {};
  const special = specialTokens(config);
  const own = join(folder, 'chat_template.jinja');
  if (existsSync(own)) return chatTemplate(own, await readFile(own, 'utf8'), special);
  const { chat_template: stored } = config;
  const source = Array.isArray(stored) ? stored.find((one: { name?: unknown }) => one.name === 'default')?.template : stored;
  return typeof source === 'string' ? chatTemplate(configPath, source, special) : null;
}

function readJson(path: string, text: string): Record<string, unknown> {
  return attempt(`${path} is no JSON`, () => JSON.parse(text) as Record<string, unknown>);
}

/** bos_token, eos_token and so on, each a text or an object with one. */
function specialTokens(config: Readonly<Record<string, unknown>>): Named {
  const texts = Object.entries(config).flatMap(([name, value]): [string, string][] => {
    if (!name.endsWith('_token')) return [];
    const text = typeof value === 'object' && value !== null ? (value as { content?: unknown }).content : value;
    return typeof text === 'string' ? [[name, text]] : [];
  });
  return Object.fromEntries(texts);
}

/**
 * A conversation as ids. The template writes the special tokens; none is put around it, and none may stand in a message: what a user
 * types must not end a turn.
 * @throws CheckpointError for a message that holds the text of a special token, and as `ChatTemplate.render`
 */
export function encodeChat(
  tokenizer: Tokenizer,
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  options: ChatOptions = {},
): Encoded & { text: string } {
  const special = tokenizer.specialIds.map((id) => tokenizer.tokenText(id)).filter((text) => text !== '');
  messages.forEach(({ content }, at) => {
    const found = special.find((text) => content.includes(text));
    if (found !== undefined)
      throw new CheckpointError(`message ${at} holds ${JSON.stringify(found)}, a special token of this model; leave it out of the message`);
  });
  const text = template.render(messages, options);
  return { text, ...tokenizer.encode(text, { around: false }) };
}
