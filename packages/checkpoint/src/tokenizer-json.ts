import type { Tokenizer as Library } from '@huggingface/tokenizers';
import { alignTokens } from './align.js';
import { CheckpointError } from './errors.js';
import { tokenBytes, type TokenizerJson } from './pieces.js';
import { readableBytes } from './readable.js';
import { streamingDecoder } from './streaming.js';
import type { Tokenizer } from './tokenizer.js';

const none = new Uint8Array();

/**
 * A tokenizer.json through Hugging Face's own library. The library gives ids without offsets: these are found by matching the
 * bytes that each token stands for with the text.
 * @param path for error messages
 * @param config content of tokenizer_config.json
 * @throws CheckpointError when either is not as it must be
 */
export async function parseTokenizer(path: string, text: string, config?: string): Promise<Tokenizer> {
  const { Tokenizer: Library } = await import('@huggingface/tokenizers');
  let json: TokenizerJson;
  let library: Library;
  try {
    json = JSON.parse(text) as TokenizerJson;
    library = new Library(json, config === undefined ? {} : (JSON.parse(config) as object));
  } catch (error) {
    throw new CheckpointError(`${path} is no tokenizer.json that can be used: ${(error as Error).message}`, { cause: error });
  }
  const bytesOf = tokenBytes(json);
  const specialIds = (json.added_tokens ?? []).filter(({ special }) => special).map(({ id }) => id);
  const special = new Set(specialIds);
  const decode = (ids: readonly number[]): string => {
    const known = ids.filter((id) => !special.has(id) && bytesOf(id) !== undefined);
    return known.length === 0 ? '' : library.decode(known, { clean_up_tokenization_spaces: false });
  };
  return {
    kind: 'tokenizer.json',
    vocabSize: [...library.get_vocab().values()].reduce((largest, id) => Math.max(largest, id), -1) + 1,
    specialIds,
    encode(input, { around = true } = {}) {
      const { ids, tokens } = library.encode(input, { add_special_tokens: around }) as { ids: (number | undefined)[]; tokens: string[] };
      const pieces = ids.map((id, i) => {
        if (id === undefined)
          throw new CheckpointError(
            `${path} has no id for ${JSON.stringify(tokens[i])}, and no token for the unknown; leave it out of the text`,
          );
        // what the tokenizer puts around a text, such as a token for its beginning, covers none of it
        return special.has(id) && !input.includes(tokens[i]!) ? none : (bytesOf(id) ?? none);
      });
      return { ids: ids as number[], offsets: alignTokens(input, pieces) };
    },
    decode,
    decoder: () => streamingDecoder(decode),
    tokenText: (id) => readableBytes(bytesOf(id) ?? new TextEncoder().encode(`<${id}>`)),
    files: config === undefined ? { 'tokenizer.json': text } : { 'tokenizer.json': text, 'tokenizer_config.json': config },
  };
}
