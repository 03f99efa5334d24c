import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadTokenizer } from '@hidden-attention/checkpoint';
import { describe, expect, test } from 'vitest';
import { evaluate, expressions, symbols } from '../recipes/listops-mamba/expressions.mjs';
import { baselineFigures, baselines } from '../recipes/listops-mamba/baselines.mjs';
import { folded, found } from '../recipes/listops-mamba/measure.mjs';
import { tokenizerJson } from '../recipes/listops-mamba/prepare.mjs';

interface Expression {
  whole: object;
  symbols: string[];
  operands: [number, number][];
  value: number;
  decides: number | undefined;
  digit: number | undefined;
}
const some = (options: {
  count: number;
  from?: number;
  to?: number;
  seed?: string;
  short?: number;
  evenDepths?: boolean;
}): Expression[] => [...(expressions({ seed: 'a', from: 5, to: 300, ...options }) as Iterable<Expression>)];

/** The value of symbols, read from left to right with a stack. */
function valueOf(list: string[]): number {
  const stack: { operator: string; values: number[] }[] = [];
  for (const symbol of list) {
    if (symbol.startsWith('[')) stack.push({ operator: symbol.slice(1), values: [] });
    else if (symbol === ']') {
      const { operator, values } = stack.pop()!;
      values.sort((a, b) => a - b);
      const result = { MAX: values.at(-1)!, MIN: values[0]!, MED: values[(values.length - 1) / 2]! }[operator]!;
      if (stack.length === 0) return result;
      stack.at(-1)!.values.push(result);
    } else stack.at(-1)!.values.push(Number(symbol));
  }
  throw new Error('not closed');
}

describe('expressions', () => {
  const all = some({ count: 300 });

  test('are worth what is said, by their symbols and by their tree; each value as often', () => {
    const counts = new Map<number, number>();
    for (const { whole, symbols: list, value } of all) {
      expect(valueOf(list)).toBe(value);
      expect(evaluate(whole)).toBe(value);
      expect(list.every((symbol) => symbols.includes(symbol))).toBe(true);
      expect(list.length).toBeGreaterThanOrEqual(5);
      expect(list.length).toBeLessThanOrEqual(300);
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    expect([...counts.values()]).toEqual(new Array(10).fill(30));
  });

  test('an operand decides where it alone has the value, and its digit is one of its symbols', () => {
    const worth = (list: string[]): number => (list.length === 1 ? Number(list[0]) : valueOf(list));
    for (const { symbols: list, operands, value, decides, digit } of all) {
      const values = operands.map(([from, to]) => worth(list.slice(from, to)));
      const same = values.flatMap((own, at) => (own === value ? [at] : []));
      expect(decides).toBe(same.length === 1 ? same[0] : undefined);
      if (digit === undefined) continue;
      expect(list[digit]).toBe(String(value));
      const [from, to] = operands[decides!]!;
      expect(digit).toBeGreaterThanOrEqual(from);
      expect(digit).toBeLessThan(to);
      // another digit there changes the value, in at least one of its ten forms
      expect(Array.from({ length: 10 }, (_, other) => valueOf(list.with(digit, String(other)))).some((own) => own !== value)).toBe(true);
    }
    expect(all.filter(({ decides }) => decides !== undefined).length).toBeGreaterThan(100);
  });

  test('are the same for the same seed, and reach 2,000 symbols', () => {
    expect(some({ count: 20 })).toEqual(all.slice(0, 20));
    expect(some({ count: 20, seed: 'b' })).not.toEqual(all.slice(0, 20));
    const long = some({ count: 3, from: 1600, to: 2000 });
    for (const { symbols: list, value } of long) {
      expect(list.length).toBeGreaterThanOrEqual(1600);
      expect(valueOf(list)).toBe(value);
    }
  });
});

test('more of the short ones, and as many of each depth, where that is asked for', () => {
  const median = (all: Expression[]): number => all.map(({ symbols: list }) => list.length).sort((a, b) => a - b)[all.length >> 1]!;
  expect(median(some({ count: 100, short: 2 }))).toBeLessThan(0.6 * median(some({ count: 100 })));
  const depthOf = (list: string[]): number => {
    let [depth, deepest] = [0, 0];
    for (const symbol of list) {
      depth += symbol.startsWith('[') ? 1 : symbol === ']' ? -1 : 0;
      deepest = Math.max(deepest, depth);
    }
    return deepest;
  };
  const depths = some({ count: 30, from: 200, evenDepths: true }).map(({ symbols: list }) => depthOf(list));
  expect([1, 2, 3].map((depth) => depths.filter((own) => own === depth).length)).toEqual([10, 10, 10]);
});

test('baselines that read no list within a list, worked out by hand', () => {
  // values 7 and 2; the nested list holds the largest digit, and counts for none where own digits are read
  const lines = [
    {
      text: '[MAX 2 [MIN 9 7 ] 1 ]',
      label: '7',
      operands: [
        [1, 2],
        [2, 6],
        [6, 7],
      ],
    },
    {
      text: '[MED 2 3 [MAX 1 0 ] ]',
      label: '2',
      operands: [
        [1, 2],
        [2, 3],
        [3, 7],
      ],
    },
  ];
  expect(lines.map(baselines['all digits'])).toEqual([9, 1]);
  expect(lines.map(baselines['own digits'])).toEqual([2, 2]);
  expect(baselineFigures(lines)).toEqual({
    'largest class': { accuracy: 0.5, 'up to 20': 0.5, 'up to 20, nested': 0.5 },
    'all digits': { accuracy: 0, 'up to 20': 0, 'up to 20, nested': 0 },
    'own digits': { accuracy: 0.5, 'up to 20': 0.5, 'up to 20, nested': 0.5 },
  });
});

test('the tokenizer that is kept has one id a symbol', async () => {
  const kept = readFileSync(new URL('../recipes/listops-mamba/tokenizer.json', import.meta.url), 'utf8');
  expect(JSON.parse(kept)).toEqual(tokenizerJson);
  const tokenizer = await loadTokenizer(fileURLToPath(new URL('../recipes/listops-mamba/tokenizer.json', import.meta.url)));
  const [{ symbols: list }] = some({ count: 1 }) as [Expression];
  expect(tokenizer.encode(list.join(' ')).ids.map((id: number) => symbols[id])).toEqual(list);
});

test('a map is folded to operands, and compared with chance', () => {
  const operands: [number, number][] = [
    [1, 2],
    [2, 6],
    [6, 7],
  ];
  const scores = [9, 1, 2, -1, 0, 3, -1, 9];
  expect(folded(scores, operands)).toEqual([1, 4, -1]);
  expect(found(scores, { operands, decides: 1 })).toEqual({ share: 6 / 8, symbols: 4 / 6, largest: 1, chance: 1 / 3 });
  expect(found(scores, { operands, decides: 0 })).toEqual({ share: 1 / 8, symbols: 1 / 6, largest: 0, chance: 1 / 3 });
  expect(
    found(
      scores.map(() => 0),
      { operands, decides: 1 },
    ),
  ).toEqual({ share: 4 / 6, symbols: 4 / 6, largest: 1 / 3, chance: 1 / 3 });
});
