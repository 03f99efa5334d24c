// What a selective channel can and an attention head cannot: the examples, asked about more than they print.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

// the examples are programs in JavaScript: the tests say what their parts take and give
interface CountInRow {
  countInRow(bits: readonly number[]): number[];
  construction(bits: readonly number[]): number[];
  asPrinted(bits: readonly number[]): number[];
  byTheKernel(bits: readonly number[]): Promise<Float32Array>;
  lastOfHead(bits: readonly number[], head: Record<'query' | 'key' | 'value', readonly number[]>): Promise<number>;
}
interface Mixing {
  inputs: [Float32Array, Float32Array];
  fixedMixing(input?: Float32Array): Promise<Float32Array>;
  gatedMixing(input: Float32Array): Promise<Float32Array>;
  selectiveMixing(input: Float32Array): Promise<Float32Array>;
  difference(one: Float32Array, other: Float32Array): string;
}
interface Trained {
  mixers: Record<'channel' | 'head' | 'linearHead', object>;
  trained(mixer: object, options: { seed: number; steps: number; lengths: number[] }): Promise<number[]>;
}
const load = async <T>(name: string): Promise<T> => (await import(new URL(`../examples/${name}.mjs`, import.meta.url).href)) as T;

describe('count in row (theorem 2)', () => {
  test('the construction is right on any bits, and the lemma as printed counts all ones', async () => {
    const { countInRow, construction, asPrinted } = await load<CountInRow>('count-in-row');
    const bits = fc.array(fc.integer({ min: 0, max: 1 }), { maxLength: 60 });
    fc.assert(fc.property(bits, (own) => void expect(construction(own)).toEqual(countInRow(own))));
    expect(asPrinted([0, 1, 1, 0, 1, 1, 1, 0, 1])).toEqual([0, 1, 2, 2, 3, 4, 5, 5, 6]);
  });
  test('the kernel that models run counts exactly, up to 100,000 positions', async () => {
    const { countInRow, byTheKernel } = await load<CountInRow>('count-in-row');
    const bits = Array.from({ length: 100_000 }, (_, at) => ((at * 7919) % 1000 === 0 || at % 17_011 === 3 ? 0 : 1));
    expect(Array.from(await byTheKernel(bits))).toEqual(countInRow(bits));
  });
  test('a softmax head without positions says the same of 0 1 1 and 1 0 1, whatever its weights', async () => {
    const { lastOfHead } = await load<CountInRow>('count-in-row');
    const pair = fc.tuple(fc.float({ min: -4, max: 4, noNaN: true }), fc.float({ min: -4, max: 4, noNaN: true }));
    await fc.assert(
      fc.asyncProperty(pair, pair, pair, async (query, key, value) => {
        const head = { query, key, value };
        expect(await lastOfHead([0, 1, 1], head)).toBeCloseTo(await lastOfHead([1, 0, 1], head), 5);
      }),
      { numRuns: 30 },
    );
  });
  test('trained alike, one channel goes on to longer texts, and one head, with softmax or without, does not', async () => {
    const { mixers, trained } = await load<Trained>('channel-against-head');
    const errors = async (name: keyof typeof mixers): Promise<number[]> =>
      trained(mixers[name], { seed: 1, steps: 250, lengths: [16, 64] });
    const [channel, head, linear] = [await errors('channel'), await errors('head'), await errors('linearHead')];
    for (const [at, error] of channel.entries()) {
      expect(error).toBeLessThan(0.5);
      expect(error).toBeLessThan(head[at]! / 4);
      expect(error).toBeLessThan(linear[at]! / 4);
    }
  });
});

describe('mixing (theorem 1)', () => {
  test('another input changes nothing of an S4-like operator, factors of a gated one, and a selective one off its diagonal', async () => {
    const { fixedMixing, gatedMixing, selectiveMixing, difference, inputs } = await load<Mixing>('mixing');
    const of = async (mix: (input: Float32Array) => Promise<Float32Array>): Promise<string> =>
      difference(await mix(inputs[0]), await mix(inputs[1]));
    expect([await of(fixedMixing), await of(gatedMixing), await of(selectiveMixing)]).toEqual(['same', 'diagonal', 'off-diagonal']);
  });
});
