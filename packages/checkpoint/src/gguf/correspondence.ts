import type { Model, ModelConfig } from '@hidden-attention/model';
import { ContentError } from '../file-reading.js';
import type { GgufHeader, GgufValue } from './header.js';

/** A parameter of ours and its tensor in a GGUF file. */
export interface Correspondence {
  /** the file's name of it; `%` is the layer */
  theirs: string;
  ours: string;
  /** its shape in the file, where it is another than ours */
  shape?: (ours: readonly number[], config: Sizes) => readonly number[];
  /** its shape here */
  ourShape?: (theirs: readonly number[]) => readonly number[];
  /** its numbers there from ours, and back */
  write?: (value: number) => number;
  read?: (value: number) => number;
  /** its numbers in another order there, and back; shapes are those that the numbers have */
  rearrange?: {
    write(numbers: Float32Array, shape: readonly number[], config: Sizes): Float32Array<ArrayBuffer>;
    read(numbers: Float32Array, shape: readonly number[], config: Readonly<Record<string, unknown>>): Float32Array<ArrayBuffer>;
  };
  /** whether it is kept in f32, whatever the others are */
  exact?: boolean;
}

export type Sizes = ModelConfig & Record<string, unknown>;

/** How models of one kind are stored: names and metadata, as llama.cpp reads and writes them. */
export interface Architecture {
  /** general.architecture */
  name: string;
  /** our families that it stores */
  families: readonly string[];
  tensors: readonly Correspondence[];
  /** config.json out of a file's header */
  config(header: GgufHeader): Record<string, unknown>;
  /** metadata of a model; throws ContentError where the format has no place for what the model is */
  metadata(model: Model): Record<string, GgufValue>;
}

/** A value of the metadata; throws ContentError where it is missing. */
export const value = ({ metadata }: GgufHeader, key: string): GgufValue => {
  const found = metadata.get(key);
  if (found === undefined) throw new ContentError(`its metadata lack ${key}`);
  return found;
};
/** The same, a number. */
export const number = (header: GgufHeader, key: string): number => {
  const found = Number(value(header, key));
  if (!Number.isFinite(found)) throw new ContentError(`${key} of its metadata is ${String(found)}; a number is needed`);
  return found;
};

/** The short decimal number that a number in f32 was made of: 0.00001, not 0.00000999999974. */
export const decimal = (number: number): number => Number(number.toPrecision(7));

/** Says that a file has no place for something. */
export const refuse = (what: string): never => {
  throw new ContentError(`GGUF has no place for ${what}; write safetensors instead`);
};

/** The embeddings' rows, and whether the head is them, and what ends a text: what every architecture says. */
export function headConfig(header: GgufHeader): Record<string, unknown> {
  const embeddings = header.places.find(({ name }) => name === 'token_embd.weight');
  if (!embeddings) throw new ContentError('it has no tensor token_embd.weight');
  const end = header.metadata.get('tokenizer.ggml.eos_token_id');
  return {
    vocab_size: embeddings.shape[0],
    tie_word_embeddings: !header.places.some(({ name }) => name === 'output.weight'),
    ...(end === undefined ? {} : { eos_token_id: Number(end) }),
  };
}

export const negExp = (value: number): number => -Math.exp(value);
export const logNegative = (value: number): number => Math.log(-value);
