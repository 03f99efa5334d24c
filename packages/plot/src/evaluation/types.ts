/** What a sweep found, as its pages show it. */
export interface EvaluationReport {
  readonly name: string;
  readonly title: string;
  readonly version: string;
  /** One for each data set, model and protocol. */
  readonly tables: readonly EvaluationTable[];
  readonly examples: readonly EvaluationExample[];
  /** Methods by what their maps cost, the slowest first. */
  readonly costs: readonly EvaluationCost[];
  readonly failures: readonly { readonly what: string; readonly error: string }[];
  readonly leftOut: readonly { readonly what: string; readonly reason: string }[];
}

export interface EvaluationTable {
  readonly data: string;
  readonly model: string;
  /** What the protocol is called in the sweep, and in words. */
  readonly protocol: string;
  readonly title: string;
  readonly summary: string;
  readonly cite: string;
  /** Number of examples and of seeds. */
  readonly examples: number;
  readonly seeds: number;
  readonly figures: readonly { readonly name: string; readonly better: 'higher' | 'lower' | 'neither'; readonly summary: string }[];
  readonly rows: readonly EvaluationRow[];
  /** One chart each, its lines the methods. */
  readonly charts: readonly {
    readonly name: string;
    readonly xLabel: string;
    readonly yLabel: string;
    readonly x: readonly number[];
    readonly lines: readonly { readonly method: string; readonly y: readonly number[] }[];
  }[];
}

export interface EvaluationRow {
  readonly method: string;
  /** Random or oracle: shown apart, never ranked. */
  readonly baseline: boolean;
  /** One for each figure; null where there is none. */
  readonly cells: readonly (EvaluationCell | null)[];
  /** Place among the methods by the first figure, from 1; null of baselines and where nothing ranks. */
  readonly place: number | null;
  /** Of the first figure, against the best method and against random maps: share of random swaps that differ as much. */
  readonly againstBest: number | null;
  readonly againstRandom: number | null;
  /** The example where the first figure is worst. */
  readonly worst: { readonly example: number; readonly value: number } | null;
  /** Rows that failed. */
  readonly failed: number;
}

/** A figure with its interval of 95 %. */
export interface EvaluationCell {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export interface EvaluationCost {
  readonly data: string;
  readonly model: string;
  readonly method: string;
  /** Median and largest time of a map in milliseconds, and the most memory that one took in MiB. */
  readonly ms: number;
  readonly slowest: number;
  readonly mib: number;
}

/** One input with every method's map of it. */
export interface EvaluationExample {
  readonly data: string;
  readonly model: string;
  readonly example: number;
  /** Why it is shown: "where methods differ most". */
  readonly why: string;
  readonly answer: string;
  /** A text and its units, or a picture as a data URL and the grid of its patches. */
  readonly text?: string;
  readonly spans?: readonly (readonly [start: number, end: number])[];
  readonly picture?: string;
  readonly grid?: readonly [rows: number, columns: number];
  readonly maps: readonly { readonly method: string; readonly signed: boolean; readonly scores: readonly number[] }[];
}
