// The generalised γ rule of linear layers and convolutions.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { causalConv1d, linear, quantize, record, Tensor, type CausalConv1dInputs } from '../src/index.js';
import { gamma, type Contribution } from './reference/gamma.js';
import { array, expectClose, Random, runs, upload, type HostArray } from './support.js';

/** Gradients of the operands that are not weights, under the rule. */
async function underRule(
  operands: Record<string, HostArray | undefined>,
  op: (tensors: Record<string, Tensor>) => Tensor,
  dy: HostArray,
  rule: string,
): Promise<Record<string, HostArray>> {
  const given = Object.entries(operands).filter((entry): entry is [string, HostArray] => entry[1] !== undefined);
  const tensors = Object.fromEntries(given.map(([name, host]) => [name, upload(host)]));
  const names = Object.keys(tensors).filter((name) => name !== 'weight');
  const { value, tape } = record(Object.values(tensors), () => op(tensors));
  const found = tape.gradient(
    value,
    names.map((name) => tensors[name]!),
    { seed: upload(dy), rules: { linear: rule, causalConv1d: rule } },
  );
  const numbers = await Promise.all(found.map((tensor) => tensor.read()));
  tape.dispose();
  return Object.fromEntries(names.map((name, at) => [name, { shape: found[at]!.shape, data: Float64Array.from(numbers[at]!) }]));
}

function expectRule(found: Record<string, HostArray>, wanted: Record<string, Float64Array>): void {
  for (const [name, host] of Object.entries(found)) expectClose(host, { shape: host.shape, data: wanted[name]! }, 2e-5, name);
}

const cases = fc.record({
  rows: fc.integer({ min: 1, max: 5 }),
  channels: fc.integer({ min: 1, max: 19 }),
  width: fc.integer({ min: 1, max: 6 }),
  bias: fc.boolean(),
  initial: fc.boolean(),
  factor: fc.constantFrom(0, 0.25, 1, 40),
  seed: fc.integer(),
});

test('a linear layer: by hand, and as its definition', async () => {
  const one = { x: array([1, 3], (i) => [1, 2, -1][i]!), weight: array([1, 3], (i) => [4, -1, 1][i]!) };
  const dy = array([1, 1], () => 1);
  const { x } = await underRule(one, (t) => linear(t.x!, t.weight!), dy, 'gamma:0.25');
  // contributions 4, −2, −1 make 1; the first counts 5/4, which makes 2: shares of 1 are 5/2, −1, −1/2
  expect([...x!.data]).toEqual([2.5, -0.5, 0.5]);
  await fc.assert(
    fc.asyncProperty(cases, async ({ rows, channels, width, bias: biased, factor, seed }) => {
      const random = new Random(seed);
      const [x, weight, g] = [random.array([rows, width]), random.array([channels, width]), random.array([rows, channels])];
      const bias = biased ? random.array([channels]) : undefined;
      const outputs = Array.from({ length: rows * channels }, (_, at): Contribution[] => {
        const [row, j] = [Math.floor(at / channels), at % channels];
        const own = Array.from({ length: width }, (_, i) => ({
          operand: 'x',
          at: row * width + i,
          x: x.data[row * width + i]!,
          w: weight.data[j * width + i]!,
        }));
        return bias ? [...own, { operand: 'bias', at: j, x: bias.data[j]!, w: 1 }] : own;
      });
      const found = await underRule({ x, weight, bias }, (t) => linear(t.x!, t.weight!, t.bias), g, `gamma:${factor}`);
      expectRule(found, gamma(outputs, g.data, { x: x.data.length, bias: channels }, factor));
    }),
    runs(20),
  );
});

test('a convolution, carried columns included', () =>
  fc.assert(
    fc.asyncProperty(cases, async ({ rows: length, channels, width, bias: biased, initial: carried, factor, seed }) => {
      const random = new Random(seed);
      const [x, weight, g] = [random.array([1, length, channels]), random.array([channels, width]), random.array([1, length, channels])];
      const bias = biased ? random.array([channels]) : undefined;
      const initial = carried ? random.array([1, channels, width - 1]) : undefined;
      const outputs = Array.from({ length: length * channels }, (_, at): Contribution[] => {
        const [i, d] = [Math.floor(at / channels), at % channels];
        const taps = Array.from({ length: width }, (_, k): Contribution => {
          const from = i - (width - 1) + k;
          const place = from >= 0 ? from * channels + d : d * (width - 1) + (width - 1) + from;
          const of = from >= 0 ? x : initial;
          return { operand: from >= 0 ? 'x' : 'initial', at: place, x: of?.data[place] ?? 0, w: weight.data[d * width + k]! };
        });
        return bias ? [...taps, { operand: 'bias', at: d, x: bias.data[d]!, w: 1 }] : taps;
      });
      const run = (t: Record<string, Tensor>): Tensor => causalConv1d(t as unknown as CausalConv1dInputs).y;
      const sizes = { x: x.data.length, bias: channels, initial: channels * (width - 1) };
      expectRule(await underRule({ x, weight, bias, initial }, run, g, `gamma:${factor}`), gamma(outputs, g.data, sizes, factor));
    }),
    runs(20),
  ));

test('what is 0 stays 0, weights in int8 are taken as they are, and a rule without its number is refused', async () => {
  const zeros = array([2, 4]);
  const dy = array([2, 3], () => 1);
  const weight = new Random(1).array([3, 4]);
  const { x } = await underRule({ x: zeros, weight }, (t) => linear(t.x!, t.weight!), dy, 'gamma:0.25');
  expect([...x!.data].every((value) => value === 0)).toBe(true);
  const wide = new Random(2).array([3, 32]);
  const small = quantize(upload(wide));
  const input = upload(new Random(3).array([2, 32]));
  const gradientsOf = async (matrix: Tensor, rule: string): Promise<Float32Array> => {
    const { value, tape } = record([input], () => linear(input, matrix));
    const [found] = tape.gradient(value, [input], { rules: { linear: rule } });
    tape.dispose();
    return found!.read();
  };
  const expected = await gradientsOf(small.as('f32'), 'gamma:0.5');
  (await gradientsOf(small, 'gamma:0.5')).forEach((value, at) => expect(value).toBeCloseTo(expected[at]!, 5));
  await expect(gradientsOf(upload(wide), 'gamma')).rejects.toThrow('linear: rule "gamma" needs a number of at least 0 behind it');
});
