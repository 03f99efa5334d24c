/** Ids of a text, and for each the UTF-16 offsets of the part of the text that it covers. */
export interface Encoded {
  ids: number[];
  /** an id that holds a part of a character covers all of it; one that covers nothing has start = end */
  offsets: [start: number, end: number][];
}

/** Text to ids and back. */
export interface Tokenizer {
  kind: 'byte' | 'tokenizer.json';
  /** one more than the largest id */
  vocabSize: number;
  /** ids that stand for no text, such as the end of a sequence */
  specialIds: readonly number[];
  /** @param options.around whether the tokenizer's own special tokens are put around the text; default true */
  encode(text: string, options?: { around?: boolean }): Encoded;
  /** The text of ids, special ones left out; bytes that are no UTF-8 become U+FFFD. */
  decode(ids: readonly number[]): string;
  /** Decodes a stream: holds back what is not a whole character yet; all that it gives, joined, is what `decode` gives. */
  decoder(): { push(id: number): string; end(): string };
  /** A readable name of one id: its text, with <0x0A> for a byte that does not show. */
  tokenText(id: number): string;
  /** what to write beside a saved model, by file name */
  files: Readonly<Record<string, string>>;
}
