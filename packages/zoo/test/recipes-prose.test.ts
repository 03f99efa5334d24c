import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { xzSize } from '../recipes/prose/baselines.mjs';
import { ContextModel, contextModelBits, kneserNey, partialMatching } from '../recipes/prose/context-model.mjs';
import { drawHeldOut, normalise } from '../recipes/prose/prepare.mjs';

const bytes = (text: string) => new TextEncoder().encode(text);
const modelOf = (text: string, order: number) => {
  const model = new ContextModel({ order });
  for (const byte of bytes(text)) model.update(byte);
  return model;
};

test('prose becomes ASCII with single blank lines', () => {
  expect(normalise('“Whale—ho!”\r\n\r\n\r\n  it’s  10° of Œ  naïve … \r\n')).toBe('"Whale--ho!"\n\nit\'s 10 degrees of OE naive ...');
});

test('documents are held out until their bytes suffice, whatever order they come in', () => {
  const documents = Array.from({ length: 20 }, (_, index) => ({ name: `chapter ${index}`, text: 'x'.repeat(10) }));
  const drawn = drawHeldOut(documents, 35);
  expect(drawn.size).toBe(4);
  expect(drawHeldOut([...documents].reverse(), 35)).toEqual(drawn);
  expect(drawHeldOut(documents, 35, 'another seed')).not.toEqual(drawn);
});

describe('the context model', () => {
  const text = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 60 }).map((list) => list.join(''));

  test('counts as update exclusion says: in the longest context that knew the byte, and in longer ones', () => {
    fc.assert(fc.property(text, fc.nat(3), (shown, order) => {
      const expected = new Map<string, number>();
      for (let end = 0; end < shown.length; end++) {
        for (let length = Math.min(order, end); length >= 0; length--) {
          const key = shown.slice(end - length, end + 1);
          expected.set(key, (expected.get(key) ?? 0) + 1);
          if (expected.get(key)! > 1) break;
        }
      }
      const model = modelOf(shown, order);
      const counted = new Map<string, number>();
      const walk = (context: number, name: string) => {
        for (let node = model.child[context]!; node !== 0; node = model.sibling[node]!) {
          const key = name + String.fromCharCode(model.symbol[node]!);
          counted.set(key, model.count[node]!);
          walk(node, key);
        }
      };
      walk(1, '');
      expect(counted).toEqual(expected);
    })); // prettier-ignore
  });

  test('the probabilities of all 256 bytes sum to 1, for every method, wherever the model stands', () => {
    fc.assert(fc.property(text, fc.nat(3), (shown, order) => {
      const model = modelOf(shown, order);
      for (const cost of [partialMatching('C'), partialMatching('D'), kneserNey(model)]) {
        let sum = 0;
        for (let byte = 0; byte < 256; byte++) sum += 2 ** -cost(model, byte);
        expect(sum).toBeCloseTo(1, 9);
      }
    })); // prettier-ignore
  });

  test('costs worked out by hand', () => {
    const model = modelOf('aab', 1); // context "b" is new; order 0 holds a: 2 (the second a was new after "a"), b: 1
    expect(partialMatching('C')(model, 97)).toBeCloseTo(-Math.log2(2 / 5), 12);
    expect(partialMatching('D')(model, 97)).toBeCloseTo(-Math.log2(3 / 6), 12);
    expect(partialMatching('C')(model, 120)).toBeCloseTo(-Math.log2(2 / 5) - Math.log2(1 / 254), 12);
    expect(kneserNey(model)(model, 98)).toBeCloseTo(-Math.log2((1 - 0.5) / 3 + (0.75 + 0.5) / 3 / 256), 12);
  });

  test('exclusion: a byte that a longer context would have given is not expected again', () => {
    const model = modelOf('abababa', 1); // after "a" only b is known; order 0 knows a, twice, and b, which is excluded
    const afterEscape = partialMatching('C')(model, 97);
    const known = model.count[model.find(model.context, 98)]!;
    expect(afterEscape).toBeCloseTo(-Math.log2(1 / (known + 1)) - Math.log2(2 / 3), 12);
  });

  test('real prose costs less the longer the context, and what was seen before costs far less', async () => {
    const prose = new Uint8Array(await readFile(new URL('fixtures/prose-sample.txt', import.meta.url)));
    const [train, heldOut] = [prose.subarray(0, 15_000), prose.subarray(15_000)];
    const [short, long] = [contextModelBits(train, heldOut, { order: 0 }), contextModelBits(train, heldOut, { order: 3 })];
    for (const method of ['ppmC', 'ppmD', 'kneserNey'] as const) {
      expect(short[method]).toBeGreaterThan(4);
      expect(long[method]).toBeLessThan(3);
      expect(long[method]).toBeGreaterThan(2);
      expect(contextModelBits(prose, prose)[method]).toBeLessThan(1.5);
    }
  });
});

test('xz packs a repeated text to nearly nothing', async () => {
  const once = await xzSize(bytes('the whale '.repeat(3)));
  expect(await xzSize(bytes('the whale '.repeat(3000)))).toBeLessThan(once + 100);
});
