// Nested lists of operations on digits, after ListOps (Nangia and Bowman 2018), whose value is known, and which operand decides it:
// [MAX 2 [MIN 7 4 ] 1 ] is 4 by its second operand. An expression is made from its value downwards, so that every value is as frequent.
import { fraction } from '../files.mjs';

const OPERATORS = ['MAX', 'MIN', 'MED'];
/** A median of more operands is not asked for; of an odd number it is one of them. */
const MOST_OF_MEDIAN = 9;

/** All symbols, by id. */
export const symbols = [...OPERATORS.map((name) => `[${name}`), ']', ...Array.from({ length: 10 }, (_, digit) => String(digit))];

/** Numbers in [0, 1) from a seed of 32 bits (mulberry32). */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What the other operands may be, besides the one that decides: half of a median's on either side. `apart`: none is equal to it. */
function others(operator, value, count, apart, whole) {
  const step = apart ? 1 : 0;
  const below = () => whole(value + 1 - step);
  const above = () => value + step + whole(10 - value - step);
  return Array.from({ length: count }, (_, i) => (operator === 'MAX' || (operator === 'MED' && i % 2 === 0) ? below() : above()));
}

/** @returns {{ operator: string, value: number, operands: (number | object)[], decides: number | undefined }} */
function expression(value, size, depth, random) {
  const whole = (below) => Math.floor(random() * below);
  const wanted = depth === 1 ? size - 2 : Math.round((size - 2) ** (1 / depth) * (0.7 + 0.7 * random()));
  const most = Math.max(2, Math.min(size - 2, wanted));
  const choices = OPERATORS.filter((name) => name !== 'MED' || depth > 1 || most <= MOST_OF_MEDIAN);
  const operator = choices[whole(choices.length)];
  const count = operator === 'MED' ? Math.min(MOST_OF_MEDIAN, most % 2 === 0 ? most + 1 : most) : most;
  const possible = { MAX: value > 0, MIN: value < 9, MED: value > 0 && value < 9 }[operator];
  const values = others(operator, value, count - 1, possible && random() < 0.6, whole);
  const decides = whole(count);
  values.splice(decides, 0, value);
  // beside the one that decides, in an order of chance
  for (let i = count - 1; i > 0; i--) {
    const j = whole(i + 1);
    if (i !== decides && j !== decides) [values[i], values[j]] = [values[j], values[i]];
  }
  const shares = values.map(() => 0.4 + random());
  const sum = shares.reduce((total, share) => total + share, 0);
  const operands = values.map((own, i) => {
    const room = Math.floor(((size - 2) * shares[i]) / sum);
    return depth > 1 && room >= 4 && random() < 0.85 ? expression(own, room, depth - 1, random) : own;
  });
  const unique = values.filter((own) => own === value).length === 1;
  return { operator, value, operands, decides: unique ? decides : undefined };
}

/** The value of an operand. */
const valueOf = (operand) => (typeof operand === 'number' ? operand : operand.value);

/** What an expression is worth, computed from its digits upwards. */
export function evaluate(operand) {
  if (typeof operand === 'number') return operand;
  const values = operand.operands.map(evaluate).sort((a, b) => a - b);
  return { MAX: values.at(-1), MIN: values[0], MED: values[(values.length - 1) >> 1] }[operand.operator];
}

/**
 * Its symbols, and the places [from, to) of every operand of the outermost operation.
 * @returns {{ symbols: string[], operands: [number, number][] }}
 */
export function written(whole) {
  const list = [];
  const operands = [];
  const write = (operand, outermost) => {
    if (typeof operand === 'number') return void list.push(String(operand));
    list.push(`[${operand.operator}`);
    for (const one of operand.operands) {
      const from = list.length;
      write(one, false);
      if (outermost) operands.push([from, list.length]);
    }
    list.push(']');
  };
  write(whole, true);
  return { symbols: list, operands };
}

/** The one digit that an expression's value comes from, as a place among its symbols; undefined where some operation has several such operands. */
export function decidingDigit(whole) {
  let at = 0;
  const length = (operand) => (typeof operand === 'number' ? 1 : 2 + operand.operands.reduce((sum, one) => sum + length(one), 0));
  for (let node = whole; typeof node !== 'number';) {
    if (node.decides === undefined) return undefined;
    at += 1 + node.operands.slice(0, node.decides).reduce((sum, one) => sum + length(one), 0);
    node = node.operands[node.decides];
  }
  return at;
}

/**
 * Expressions, the same for the same seed: an even share of each value, sizes even on a logarithmic scale.
 * @param {{ count: number, seed: string, from: number, to: number, short?: number, evenDepths?: boolean }} options from, to: symbols; short, above 1:
 * more of the short ones; evenDepths: as many of one, two and three lists within each other (else flat ones reach far lengths more often)
 */
export function* expressions({ count, seed, from, to, short = 1, evenDepths = false }) {
  for (let index = 0; index < count; index++) {
    const random = generator(fraction(seed, String(index)) * 2 ** 32);
    for (;;) {
      const size = Math.exp(Math.log(from) + random() ** short * (Math.log(to + 1) - Math.log(from)));
      const depth = evenDepths ? 1 + (Math.floor(index / 10) % 3) : 1 + Math.floor(random() * (size < 12 ? 1 : size < 40 ? 2 : 3));
      const whole = expression(index % 10, Math.floor(size), depth, random);
      const text = written(whole);
      if (text.symbols.length < from || text.symbols.length > to) continue;
      yield { whole, ...text, value: valueOf(whole), decides: whole.decides, digit: decidingDigit(whole) };
      break;
    }
  }
}
