import type { Fill, ImageInput, Relevance } from '@hidden-attention/explain';
import type { Model } from '@hidden-attention/model';
import type { Example } from './example.js';
import type { Ranker } from './ranker.js';

/** Which answer is explained: the model's own, the right one, or one by number. */
export type Explained = 'predicted' | 'label' | number;

/** A map that a protocol asks for; without changes, the one that is being judged. */
export interface MapRequest {
  explained?: Explained;
  /** another model in the model's place */
  model?: Model;
  /** another input of the same positions */
  input?: Int32Array | ImageInput;
  /** explain the answer at this position of the text, not at its last one; scores have so many positions */
  position?: number;
  /** positions that the answer there is known to come from, for the oracle; default: the example's */
  truth?: readonly number[];
  /** another method on the same question */
  ranker?: Ranker;
  /** a name of the change, unique within the protocol: baselines draw by it */
  change?: string;
}

export interface RemovalOptions {
  /** of an image; of a text 'unknown' puts the data set's id for "unknown" in place, 'cut' leaves nothing */
  fill: Fill | 'cut' | 'unknown';
  /** what the numbers mean: units (default) or pixels */
  by?: 'unit' | 'pixel';
}

/** One example, one model, one method: what a protocol measures. Everything it says is computed when first asked for and then kept. */
export interface Case {
  readonly example: Example;
  readonly model: Model;
  readonly ranker: Ranker;
  /** what random draws of a protocol go by, with the example's number */
  readonly seed: number;
  /** what is ranked and removed: lists of positions among the scores, words or tokens or patches */
  readonly units: readonly (readonly number[])[];
  /** units that may be removed: not the one that a language model answers from */
  readonly free: readonly number[];
  /** share of each unit that belongs to the known answer; undefined where none is known */
  readonly truth: Float64Array | undefined;
  /** of an image: its patches and its pixels */
  readonly grid: readonly [rows: number, columns: number] | undefined;
  readonly pixels: readonly [height: number, width: number] | undefined;
  /** other methods on the same model, baselines left out */
  readonly others: readonly Ranker[];
  /** logits of the answer */
  logits(): Promise<Float32Array>;
  /** @throws EvaluateError for the label of an example that has none */
  target(explained: Explained): Promise<number>;
  /** one score a position (class tokens of an image left out), and what the biases receive, where the method gives them anything */
  map(request?: MapRequest): Promise<Relevance & { scores: ArrayLike<number> }>;
  /** the same, summed over each unit */
  unitScores(request?: MapRequest): Promise<Float64Array>;
  /** of an image: the same, one a pixel */
  pixelScores(request?: MapRequest): Promise<Float64Array>;
  /** the logits of the answers without some units (or pixels) each */
  answersWithout(without: readonly (readonly number[])[], options: RemovalOptions): Promise<Float32Array[]>;
  /** a changed model, made once for all examples of a piece of work and freed with it */
  variant(key: string, make: (model: Model) => Model | Promise<Model>): Promise<Model>;
}
