import type { ImageInput } from '@hidden-attention/explain';

/** A place in a text whose answer is known to come from other places: what a copied token was copied from. */
export interface Query {
  /** the position whose answer is explained */
  position: number;
  /** token that is right there: the answer that is explained */
  label: number;
  /** positions that the answer surely comes from, and those that it may come from as well */
  sources: readonly number[];
  possible?: readonly number[];
}

/** One held-out input: a text, as ids up to the explained position, or an image, and what is known about it. */
export interface Example {
  /** its number in its data set: what results are told apart and drawn by */
  index: number;
  ids?: Int32Array;
  /** the text of the ids */
  text?: string;
  image?: ImageInput;
  /** the class or token that is right */
  label?: number;
  /** of a text: what is ranked and removed together, lists of positions, such as words; default: every token by itself */
  units?: readonly (readonly number[])[];
  /** of a text: the part of it that each unit shows, for reports */
  spans?: readonly (readonly [start: number, end: number])[];
  /** of a text: positions that the right answer rests on */
  rationale?: readonly number[];
  /** of an image: 1 at the pixels that the right answer rests on (h w) */
  mask?: Uint8Array;
  /** of a text: the id put in place of what is removed where it is not cut out */
  unknown?: number;
  queries?: readonly Query[];
}

/** Held-out inputs of one kind. */
export interface DataSet {
  name: string;
  kind: 'text' | 'image';
  examples: readonly Example[];
}
