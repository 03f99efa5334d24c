/** The parts of a tokenizer.json that say which bytes a token stands for. */
export interface TokenizerJson {
  model: {
    vocab: Record<string, number> | [string, number][];
    continuing_subword_prefix?: string | null;
    end_of_word_suffix?: string | null;
    byte_fallback?: boolean;
  };
  added_tokens?: { id: number; content: string; special: boolean }[];
  decoder: unknown;
  pre_tokenizer: unknown;
}

/**
 * The byte behind each character of byte-level vocabularies (GPT-2 and after): printable characters of Latin-1 stand for
 * themselves, all other bytes for the characters from U+0100 on, in order.
 */
const byteOfCharacter: ReadonlyMap<string, number> = new Map(
  Array.from({ length: 256 }, (_, byte) => byte)
    .toSorted((a, b) => Number(!shows(a)) - Number(!shows(b)) || a - b)
    .map((byte, rank): [string, number] => [String.fromCharCode(shows(byte) ? byte : 256 + rank - 188), byte]),
);

const characters = new Map([...byteOfCharacter].map(([character, byte]) => [byte, character]));

/** The character that stands for a byte in such vocabularies. */
export const characterOfByte = (byte: number): string => characters.get(byte)!;

function shows(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
}

const utf8 = new TextEncoder();

/** The bytes that each token stands for, by id; absent for ids that the vocabulary does not have. */
export function tokenBytes(json: TokenizerJson): (id: number) => Uint8Array | undefined {
  const { vocab, continuing_subword_prefix: prefix, end_of_word_suffix: suffix, byte_fallback: fallback } = json.model;
  const tokens = new Map<number, string>(
    Array.isArray(vocab) ? vocab.map(([token], id) => [id, token]) : Object.entries(vocab).map(([token, id]) => [id, token]),
  );
  const added = new Map((json.added_tokens ?? []).map(({ id, content }) => [id, content]));
  const byteLevel = mentions(json.decoder, 'ByteLevel') || mentions(json.pre_tokenizer, 'ByteLevel');
  const hasSpaceMark = mentions(json.decoder, 'Metaspace') || mentions(json.decoder, 'Replace');
  return (id) => {
    const literal = added.get(id);
    if (literal !== undefined) return utf8.encode(literal);
    const token = tokens.get(id);
    if (token === undefined) return undefined;
    if (byteLevel)
      return Uint8Array.from(
        Array.from(token, (character) =>
          Array.from(byteOfCharacter.has(character) ? [byteOfCharacter.get(character)!] : utf8.encode(character)),
        ).flat(),
      );
    const byte = fallback ? /^<0x([0-9A-F]{2})>$/.exec(token) : null;
    if (byte) return Uint8Array.of(Number.parseInt(byte[1]!, 16));
    const word = prefix && token.startsWith(prefix) ? token.slice(prefix.length) : token;
    const whole = suffix && word.endsWith(suffix) ? `${word.slice(0, -suffix.length)} ` : word;
    return utf8.encode(hasSpaceMark ? whole.replaceAll('▁', ' ') : whole);
  };
}

/** Whether a part of a tokenizer.json is of a type, or a sequence that has such a part. */
function mentions(part: unknown, type: string): boolean {
  if (typeof part !== 'object' || part === null) return false;
  if ((part as { type?: unknown }).type === type) return true;
  return Object.values(part).some((inner) => (Array.isArray(inner) ? inner.some((one) => mentions(one, type)) : mentions(inner, type)));
}
