import type { Figure } from './protocol.js';

/** Two maps of the same input to compare. */
export interface MapPair {
  a: Float64Array;
  b: Float64Array;
  /** of an image: the same maps one number a pixel */
  pixels?: { a: Float64Array; b: Float64Array; size: readonly [height: number, width: number] };
}

/** A way to say how alike two maps are: 1 for the same. Sanity checks, agreement and quantisation report every registered one. */
export interface Metric {
  /** lower case, hyphens */
  name: string;
  summary: string;
  cite: string;
  /** undefined where it cannot be said: structure in pixels of a text */
  compare(pair: MapPair): number | undefined;
}

/** A metric as a figure of a protocol. */
export const figureOf = ({ name, summary }: Metric, better: Figure['better'], what: string): Figure => ({
  name,
  better,
  summary: `${summary}, ${what}`,
});
