import { characterOfByte } from '../pieces.js';
import type { Tokenizer } from '../tokenizer.js';
import type { GgufHeader, GgufValue } from './header.js';

/** Kinds of tokens that stand for no text, or are found before all others. */
const control = 3;
const userDefined = 4;

/** Pre-tokenizers that cut a text as GPT-2 did; `default` is what old files of such models say, or nothing. */
const likeGpt2 = ['default', 'gpt-2', 'gpt2', 'olmo', 'mpt', 'jais', 'phi-2', 'trillion'];

/** The 256 characters of byte-level vocabularies, in the order of their bytes. */
const byteTokens = Array.from({ length: 256 }, (_, byte) => characterOfByte(byte));

/**
 * The content of a tokenizer.json for the vocabulary in a GGUF file; undefined where there is none, it is byte by byte (the
 * byte-level tokenizer is then found by the size), or it is of a kind that is not read.
 */
export function tokenizerOf({ metadata }: GgufHeader): object | undefined {
  const tokens = metadata.get('tokenizer.ggml.tokens');
  const merges = metadata.get('tokenizer.ggml.merges') ?? [];
  const pre = metadata.get('tokenizer.ggml.pre') ?? 'default';
  if (!Array.isArray(tokens) || metadata.get('tokenizer.ggml.model') !== 'gpt2' || !likeGpt2.includes(String(pre))) return undefined;
  if (!Array.isArray(merges) || (merges.length === 0 && byteTokens.every((token, byte) => tokens[byte] === token))) return undefined;
  const types = (metadata.get('tokenizer.ggml.token_type') ?? []) as readonly number[];
  const added = tokens.flatMap((content, id) =>
    types[id] === control || types[id] === userDefined
      ? [{ id, content, special: types[id] === control, single_word: false, lstrip: false, rstrip: false, normalized: false }]
      : [],
  );
  return {
    version: '1.0',
    added_tokens: added,
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', vocab: Object.fromEntries(tokens.map((token, id) => [String(token), id])), merges },
  };
}

/** Whether a pre-tokenizer does what `gpt-2` stands for. */
function cutsLikeGpt2(part: unknown): boolean {
  const step = part as { type?: string; add_prefix_space?: boolean; use_regex?: boolean; pretokenizers?: unknown[] } | null | undefined;
  if (step?.type === 'Sequence') return step.pretokenizers?.length === 1 && cutsLikeGpt2(step.pretokenizers[0]);
  return step?.type === 'ByteLevel' && step.use_regex !== false && !step.add_prefix_space;
}

/**
 * Metadata of a model's vocabulary: byte-level BPE that cuts a text as GPT-2 did, or one token a byte; undefined for a tokenizer
 * that the format can't hold. That a text is composed (NFC) first is lost: the format has no place for it, and readers do not do it.
 */
export function vocabularyOf(
  tokenizer: Tokenizer | null,
  vocabSize: number,
  endOfSequence: readonly number[],
): Record<string, GgufValue> | undefined {
  const end = endOfSequence.length > 0 ? { 'tokenizer.ggml.eos_token_id': endOfSequence[0]! } : {};
  const filled = (tokens: readonly string[]): string[] => Array.from({ length: vocabSize }, (_, id) => tokens[id] ?? `<unused ${id}>`);
  if (tokenizer?.kind === 'byte') {
    const tokens = filled([...byteTokens, ...Array.from({ length: vocabSize - 256 }, (_, i) => tokenizer.tokenText(256 + i))]);
    return {
      'tokenizer.ggml.model': 'gpt2',
      'tokenizer.ggml.pre': 'gpt-2',
      'tokenizer.ggml.tokens': tokens,
      'tokenizer.ggml.token_type': tokens.map((_, id) => (id < 256 ? 1 : control)),
      'tokenizer.ggml.merges': [],
      ...end,
    };
  }
  const text = tokenizer?.files['tokenizer.json'];
  if (text === undefined) return { 'tokenizer.ggml.model': 'none', ...end };
  const json = JSON.parse(text) as {
    added_tokens?: { id: number; content: string; special: boolean }[];
    model: { type?: string; vocab: Record<string, number>; merges?: (string | [string, string])[] };
    pre_tokenizer: unknown;
    normalizer?: { type?: string } | null;
  };
  if (json.model.type !== 'BPE' || !cutsLikeGpt2(json.pre_tokenizer)) return undefined;
  if (json.normalizer && json.normalizer.type !== 'NFC') return undefined;
  const tokens: string[] = [];
  const types: number[] = Array.from({ length: vocabSize }, () => 5); // unused
  for (const [token, id] of Object.entries(json.model.vocab)) [tokens[id], types[id]] = [token, 1];
  for (const { id, content, special } of json.added_tokens ?? []) [tokens[id], types[id]] = [content, special ? control : userDefined];
  return {
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'gpt-2',
    'tokenizer.ggml.tokens': filled(tokens),
    'tokenizer.ggml.token_type': types,
    'tokenizer.ggml.merges': (json.model.merges ?? []).map((merge) => (typeof merge === 'string' ? merge : merge.join(' '))),
    ...end,
  };
}
