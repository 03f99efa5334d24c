import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { argmax, RunnerError, sampleToken, type SamplingOptions } from '../src/index.js';

const logitsOf = fc
  .array(fc.float({ min: -20, max: 20, noNaN: true }), { minLength: 1, maxLength: 40 })
  .map((numbers) => Float32Array.from(numbers));
const never = (): number => expect.fail('a greedy choice draws no random number');

/** Every token that can be drawn, with its share of the random numbers in [0, 1). */
function sharesOf(logits: Float32Array, options: SamplingOptions, draws = 2000): Map<number, number> {
  const shares = new Map<number, number>();
  for (let i = 0; i < draws; i++) {
    const id = sampleToken(logits, options, () => (i + 0.5) / draws);
    shares.set(id, (shares.get(id) ?? 0) + 1 / draws);
  }
  return shares;
}

/** Probabilities by the definition: softmax of logits / temperature, in double precision. */
function softmax(logits: ArrayLike<number>, temperature: number): number[] {
  const largest = Math.max(...Array.from(logits));
  const weights = Array.from(logits, (logit) => Math.exp((logit - largest) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

describe('greedy', () => {
  test('takes the largest logit, the first of equals, without a random number', () => {
    expect(sampleToken(Float32Array.of(1, 3, 2, 3), {}, never)).toBe(1);
    expect(sampleToken(Float32Array.of(-Infinity, -5), { temperature: 0 }, never)).toBe(1);
    expect(argmax(Float32Array.of(0, 0))).toBe(0);
  });

  test('is what a temperature near 0, the likeliest one and the smallest nucleus give', () => {
    fc.assert(
      fc.property(logitsOf, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (logits, random) => {
        // equally likely to the last bit of a weight is equal
        const expectBest = (options: SamplingOptions): void =>
          expect(logits[sampleToken(logits, options, () => random)]).toBeCloseTo(logits[argmax(logits)]!, 12);
        expectBest({ temperature: 1, topK: 1 });
        expectBest({ temperature: 1, topP: 1e-9 });
        expectBest({ temperature: 1e-30 });
      }),
    );
  });
});

describe('sampling', () => {
  test('draws every token by its probability', () => {
    fc.assert(
      fc.property(logitsOf, fc.double({ min: 0.2, max: 5, noNaN: true }), (logits, temperature) => {
        const shares = sharesOf(logits, { temperature });
        softmax(logits, temperature).forEach((probability, id) =>
          expect(Math.abs((shares.get(id) ?? 0) - probability)).toBeLessThan(2 / 2000),
        );
      }),
      { numRuns: 20 },
    );
  });

  test('topK keeps the k largest, of equals those with the smaller ids, in their old proportions', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 1, max: 40 }),
        (numbers, topK) => {
          const kept = numbers.map((_, id) => id).sort((a, b) => numbers[b]! - numbers[a]! || a - b).slice(0, topK); // prettier-ignore
          const probabilities = softmax(kept.map((id) => numbers[id]!), 1); // prettier-ignore
          const shares = sharesOf(Float32Array.from(numbers), { temperature: 1, topK });
          expect([...shares.keys()].every((id) => kept.includes(id))).toBe(true);
          kept.forEach((id, i) => expect(Math.abs((shares.get(id) ?? 0) - probabilities[i]!)).toBeLessThan(2 / 2000));
        },
      ),
      { numRuns: 30 },
    );
  });

  test('topP keeps the fewest tokens that reach p', () => {
    fc.assert(
      fc.property(logitsOf, fc.double({ min: 0.05, max: 0.95, noNaN: true }), (logits, topP) => {
        const probabilities = softmax(logits, 1);
        const weights = Array.from(logits, (logit) => Math.exp(logit - Math.max(...logits)));
        const order = weights.map((_, id) => id).sort((a, b) => weights[b]! - weights[a]! || a - b);
        let sofar = 0;
        const needed = order.findIndex((id) => (sofar += probabilities[id]!) >= topP) + 1;
        // a sum that all but meets p may fall on either side of it
        fc.pre(Math.abs(sofar - topP) > 1e-9 && Math.abs(sofar - probabilities[order[needed - 1]!]! - topP) > 1e-9);
        const shares = sharesOf(logits, { temperature: 1, topP });
        for (const [id, share] of shares) {
          expect(order.indexOf(id)).toBeLessThan(needed);
          expect(Math.abs(share - probabilities[id]! / sofar)).toBeLessThan(2 / 2000);
        }
      }),
      { numRuns: 30 },
    );
  });

  test('topP counts within topK', () => {
    // of the two likeliest, 0.6 and 0.3 of all, the first alone has 2/3 of what topK leaves
    const logits = Float32Array.from([0.6, 0.3, 0.1], Math.log);
    expect([...sharesOf(logits, { temperature: 1, topK: 2, topP: 0.65 }).keys()]).toEqual([0]);
    expect([...sharesOf(logits, { temperature: 1, topK: 2, topP: 0.68 }).keys()]).toEqual([0, 1]);
    expect([...sharesOf(logits, { temperature: 1, topP: 0.65 }).keys()]).toEqual([0, 1]);
  });

  test('a token of logit −∞ is never drawn', () => {
    const logits = Float32Array.of(-Infinity, 0, -Infinity, 0, -Infinity);
    expect([...sharesOf(logits, { temperature: 1 }).keys()]).toEqual([1, 3]);
    expect(sampleToken(logits, { temperature: 1 }, () => 1 - 2 ** -53)).toBe(3);
    expect([1, 3]).toContain(sampleToken(logits, { temperature: 1, topK: 4 }, () => 1 - 2 ** -53));
  });

  test('leaves the logits as they are', () => {
    const logits = Float32Array.of(1, -2, 3);
    sampleToken(logits, { temperature: 0.5, topK: 2, topP: 0.5, repetitionPenalty: 2 }, () => 0.5, [0, 1]);
    expect(logits).toEqual(Float32Array.of(1, -2, 3));
  });
});

describe('the repetition penalty', () => {
  test('divides positive logits of what was seen and multiplies negative ones, once', () => {
    const choose = (logits: number[], seen: number[]): number =>
      sampleToken(Float32Array.from(logits), { repetitionPenalty: 2 }, never, seen);
    expect(choose([4, 3], [])).toBe(0);
    expect(choose([4, 3], [0])).toBe(1);
    expect(choose([4, 1.5], [0, 0, 0])).toBe(0);
    expect(choose([-1, -1.5], [0])).toBe(1);
  });
});

test.each([
  [[1, NaN, 2], /logit of token 1 is NaN/],
  [[1, Infinity], /logit of token 1 is Infinity/],
  [[-Infinity, -Infinity], /all 2 logits are −∞/],
])('refuses the logits %j', (logits, message) => {
  for (const temperature of [0, 1]) {
    expect(() => sampleToken(Float32Array.from(logits), { temperature }, () => 0)).toThrow(message);
    expect(() => sampleToken(Float32Array.from(logits), { temperature }, () => 0)).toThrow(RunnerError);
  }
});
