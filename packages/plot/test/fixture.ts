import type { Check, Report, ReportMap, ReportResult, ReportSpan } from '../src/index.js';

export const MAIL = `Subject: URGENT: claim your prize today

Dear friend,

You have been selected from 10,000 addresses as the winner of our monthly draw.
Click here to claim your FREE $500 gift card before midnight.
No purchase is needed. Act now, this offer will not be repeated.

If you wish to be removed from our list, reply to this message.

Kind regards,
The Rewards Team`;

/** How spam-like each word is in the made-up model; everything else gets a little noise. */
const WEIGHTS: Readonly<Record<string, number>> = {
  urgent: 0.52,
  claim: 0.61,
  prize: 0.74,
  winner: 0.66,
  selected: 0.31,
  click: 0.93,
  here: 0.28,
  free: 1.12,
  gift: 0.57,
  card: 0.22,
  offer: 0.48,
  now: 0.19,
  purchase: 0.24,
  removed: 0.17,
  list: -0.12,
  reply: -0.33,
  message: -0.21,
  kind: -0.28,
  regards: -0.46,
  team: -0.25,
  dear: -0.08,
};

function spans(text: string, pattern: RegExp): { start: number; end: number }[] {
  return Array.from(text.matchAll(pattern), (match) => ({ start: match.index, end: match.index + match[0].length }));
}

/** Byte-level tokens: one per UTF-8 byte, the bytes of one character sharing its place. */
function byteTokens(text: string): ReportResult['tokens'] {
  let start = 0;
  return Array.from(text).flatMap((character) => {
    const place = { start, end: (start += character.length) };
    const bytes = [...Buffer.from(character)];
    return bytes.map((id) => ({ id, text: bytes.length === 1 ? character : `<0x${id.toString(16)}>`, ...place }));
  });
}

function noise(seed: number): number {
  const value = Math.sin(12.9898 * seed) * 43758.5453;
  return value - Math.floor(value);
}

function totals(
  tokens: ReportResult['tokens'],
  scores: readonly number[],
  places: readonly { start: number; end: number }[],
): ReportSpan[] {
  return places.map(({ start, end }) => ({
    start,
    end,
    score: tokens.reduce((sum, token, index) => (token.start >= start && token.start < end ? sum + scores[index]! : sum), 0),
  }));
}

/** A map whose words score as `WEIGHTS` says times `right`, plus noise times `wrong`. */
export function makeMap(
  text: string,
  tokens: ReportResult['tokens'],
  options: Partial<ReportMap> & { right: number; wrong: number },
): ReportMap {
  const { right, wrong, ...rest } = options;
  const signed = rest.signed ?? true;
  const words = spans(text, /[\p{L}\p{N}$,.'’]*[\p{L}\p{N}]/gu);
  const scores = tokens.map(() => 0);
  words.forEach(({ start, end }, word) => {
    const known = WEIGHTS[text.slice(start, end).toLowerCase()] ?? 0.03 * (noise(word) - 0.5);
    const raw = right * known + wrong * (noise(word + 0.5) - 0.5);
    const score = signed ? raw : Math.abs(raw);
    tokens.forEach((token, index) => {
      if (token.start >= start && token.start < end) scores[index] = (score * (0.6 + 0.8 * noise(index))) / (end - start);
    });
  });
  return {
    method: 'raw',
    variant: 'paper',
    title: 'Raw hidden attention',
    summary: '',
    cite: 'Ali, Zimerman, Wolf, 2024',
    options: {},
    biases: null,
    signed,
    certificate: { audit: { worst: 2.1e-7, layers: [1.1e-7, 1.9e-7, 2.1e-7, 1.4e-7] } },
    ...rest,
    scores,
    words: totals(tokens, scores, words),
    sentences: totals(tokens, scores, spans(text, /\S[^.!?\n]*[.!?]*/gu)),
  };
}

export function makeCheck(original: number, top: number, lowest: number, random: number[], unit: Check['unit'] = 'word'): Check {
  const logit = (value: number): number => Math.log(value / (1 - value));
  return {
    unit,
    removed: 8,
    of: 78,
    probability: { original, top, lowest, random },
    logit: { original: logit(original), top: logit(top), lowest: logit(lowest), random: random.map(logit) },
  };
}

/** A classifier's answer about the mail, with six maps of which some pass their check and some do not. */
export function mailResult(index = 0, text: string = MAIL): ReportResult {
  const tokens = byteTokens(text);
  const audit = { worst: 2.1e-7, layers: [1.1e-7, 1.9e-7, 2.1e-7, 1.4e-7] };
  const random = [0.988, 0.957, 0.981, 0.922, 0.99];
  const maps = [
    makeMap(text, tokens, {
      right: 1,
      wrong: 0.05,
      method: 'decomposition',
      title: 'Exact decomposition',
      cite: 'whole-model decomposition with dynamics, scale and gates held',
      biases: -0.41,
      summary: 'Splits the answer’s raw score into one share per word, so that all shares and the model’s constants add up to it exactly.',
      certificate: {
        audit,
        completeness: { scores: 5.23, biases: -0.41, logit: 4.82, gap: 3.1e-6 },
        check: makeCheck(0.992, 0.41, 0.997, random),
      },
    }),
    makeMap(text, tokens, {
      right: 0.8,
      wrong: 0.6,
      method: 'gradient-x-input',
      title: 'Gradient × input',
      cite: 'Shrikumar et al., 2016',
      summary: 'How much the answer would change if each word were made a little weaker.',
      certificate: { audit, check: makeCheck(0.992, 0.68, 0.994, random) },
    }),
    makeMap(text, tokens, {
      right: 0.4,
      wrong: 1.1,
      title: 'Raw hidden attention',
      summary: 'How strongly the layers, on average, carry each word to the place where the answer is read off.',
      certificate: { audit, check: makeCheck(0.992, 0.95, 0.97, random) },
    }),
    makeMap(text, tokens, {
      right: 0.1,
      wrong: 1.4,
      method: 'rollout',
      title: 'Attention rollout',
      options: { startLayer: 0, normalize: 'none' },
      summary: 'Follows the attention through all layers at once, from the answer back to the words.',
      certificate: { audit, check: makeCheck(0.992, 0.985, 0.96, random) },
    }),
    makeMap(text, tokens, {
      right: 1,
      wrong: 0.3,
      signed: false,
      method: 'mamba-attribution',
      title: 'Mamba-Attribution',
      summary: 'As rollout, but each layer’s attention counts only where it helps this answer.',
      certificate: { audit, check: makeCheck(0.992, 0.52, 0.99, random) },
    }),
    makeMap(text, tokens, {
      right: 0.6,
      wrong: 0.8,
      signed: false,
      method: 'mamba-attribution',
      variant: 'released',
      title: 'Mamba-Attribution',
      options: { startLayer: 2, row: 'literal' },
      summary: 'The same map as the authors’ published program computes it.',
      certificate: { audit, check: makeCheck(0.992, 0.96, 0.985, random) },
    }),
  ];
  const layers = Array.from({ length: 4 }, (_, layer) =>
    tokens.map((_, token) => noise(layer * 1000 + token) * (maps[2]!.scores[token]! || 0.001)),
  );
  maps[2] = { ...maps[2]!, layers };
  return {
    index,
    text,
    tokens,
    position: null,
    maps,
    target: { id: 1, label: 'spam', logit: 4.82, probability: 0.992 },
    alternatives: [{ id: 0, label: 'ham', probability: 0.008 }],
  };
}

export function mailReport(results: ReportResult[] = [mailResult()]): Report {
  return {
    version: '0.1.0',
    created: '2025-01-15',
    model: { name: 'zoo:mail', family: 'Mamba', layers: 4, parameters: 912_000, task: 'classification' },
    results,
  };
}

/** A language model's next word after a place in the middle of a text. */
export function proseReport(): Report {
  const text = 'It was the best of times, it was the worst of times, it was the age of wisdom';
  const tokens = byteTokens(text);
  const position = text.indexOf(' times, it was the age') - 1;
  const map = makeMap(text, tokens, {
    right: 0,
    wrong: 1,
    title: 'Attention rollout',
    method: 'rollout',
    summary: 'Follows the attention back through all layers.',
  });
  map.certificate.check = { ...makeCheck(0.21, 0.02, 0.2, [0.17, 0.12, 0.2]), unit: 'token', removed: 8, of: position + 1 };
  return {
    version: '0.1.0',
    model: { name: 'zoo:prose', family: 'Mamba', layers: 6, parameters: 980_000, task: 'language-modelling' },
    results: [
      {
        index: 0,
        text,
        tokens,
        position,
        maps: [map],
        target: { id: 32, label: ' ', logit: 3.2, probability: 0.21 },
        alternatives: [
          { id: 44, label: ',', probability: 0.12 },
          { id: 10, label: '\n', probability: 0.0004 },
        ],
      },
    ],
  };
}
