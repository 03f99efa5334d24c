/**
 * What a report is made of: the JSON of `explain`, plus words for people. All offsets (`start`, `end`) are UTF-16 code unit offsets
 * into the result's `text`, that is, JavaScript string indices, end exclusive.
 */
export interface Report {
  version: string;
  model: {
    name: string;
    family: string;
    layers: number;
    parameters: number;
    task: 'classification' | 'language-modelling';
  };
  /** When the report was made; printed as given. */
  created?: string;
  /** One per input row. */
  results: ReportResult[];
}

export interface ReportResult {
  index: number;
  /** Null where only ids are known; the tokens' own texts are then drawn instead. */
  text: string | null;
  /** none of an image */
  tokens: { id: number; text: string; start: number; end: number }[];
  /** of an image: that of its patches; maps have one score a patch, row by row */
  grid?: readonly [rows: number, columns: number];
  /** of an image: the picture as the model saw it, as a data URL */
  picture?: string;
  /** The answer that is explained. `probability` is 0 to 1. */
  target: {
    id: number;
    label: string | null;
    logit: number;
    probability: number;
    /** What is explained, if not a logit: its difference from another answer's, a stretch of the text, a function of the logits. */
    kind?: 'logit' | 'contrast' | 'span' | 'function';
    /** The explained number. */
    score?: number;
    /** Of a model that rounds what its linear layers read: the same when it does; what is shown is of the model that does not. */
    asRun?: { score: number; probability: number };
    against?: { id: number; label: string | null; probability: number };
  };
  /** Other answers, most probable first. */
  alternatives?: { id: number; label: string; probability: number }[];
  /** The token whose output is explained; null where the whole text is (a classifier's mean). */
  position: number | null;
  maps: ReportMap[];
}

export interface ReportMap {
  method: string;
  variant: string;
  title: string;
  /** One sentence: what the map means. */
  summary: string;
  /** Where the method comes from. */
  cite: string;
  options: Record<string, unknown>;
  /** One per token. */
  scores: number[];
  words?: ReportSpan[];
  sentences?: ReportSpan[];
  /** Of an image: one per pixel, row by row, where the method has them. */
  pixels?: { shape: readonly [height: number, width: number]; scores: number[] };
  /** What the biases receive; null where the method gives them nothing. */
  biases: number | null;
  /** Whether scores can be negative. */
  signed: boolean;
  /** One array per layer, one number per token. */
  layers?: number[][];
  /** By layer, then by group of channels or head: one number per token. `site`: where they read. */
  groups?: { site: string; layers: number[][][] };
  certificate: Certificate;
}

export interface ReportSpan {
  start: number;
  end: number;
  score: number;
}

export interface Certificate {
  /** How far the layers' outputs are from what their attention view says, relative: the worst layer and each. */
  audit: { worst: number; layers: number[] };
  /** `gap`: |scores + biases − logit| as a share of the sum of all |scores| and |biases|. */
  completeness?: { scores: number; biases: number; logit: number; gap: number };
  /** `gap`: |from + scores − to| as a share of the sum of all |scores|; `from` and `to`: the explained number at the baseline and the input. */
  convergence?: { scores: number; from: number; to: number; gap: number };
  check?: Check;
  /** Rank correlation of the scores with what removing each of `groups` of `of` words by itself does; null where all are equal. */
  correlation?: { rank: number | null; groups: number; of: number; unit: Check['unit'] };
}

/** The model's answer after `removed` of `of` words or tokens are taken out: the top-ranked, the lowest-ranked, random ones (one number per draw). */
export interface Check {
  unit: 'word' | 'token' | 'patch';
  removed: number;
  of: number;
  probability: Removal;
  logit: Removal;
}

export interface Removal {
  original: number;
  top: number;
  lowest: number;
  random: number[];
}
