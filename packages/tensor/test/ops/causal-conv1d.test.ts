import fc from 'fast-check';
import { expect, test } from 'vitest';
import { causalConv1d, gradient, ShapeError, silu, slice, sum, Tensor, type CausalConv1dInputs } from '../../src/index.js';
import { expectGradients } from '../gradients.js';
import * as reference from '../reference/causal-conv1d.js';
import { array, download, expectClose, integers, Random, runs, upload } from '../support.js';

test('values and gradients', () =>
  fc.assert(
    fc.asyncProperty(
      fc.record({
        batch: fc.integer({ min: 1, max: 3 }),
        length: fc.integer({ min: 1, max: 9 }),
        channels: fc.integer({ min: 1, max: 21 }),
        width: fc.integer({ min: 1, max: 5 }),
        bias: fc.boolean(),
        initial: fc.boolean(),
        activation: fc.constantFrom('silu' as const, undefined),
        lengths: fc.option(fc.array(fc.nat(9), { minLength: 3, maxLength: 3 }), { nil: undefined }),
        seed: fc.integer(),
      }),
      async ({ batch, length, channels, width, bias, initial, activation, lengths, seed }) => {
        const random = new Random(seed);
        await expectGradients({
          inputs: {
            x: random.array([batch, length, channels]),
            weight: random.array([channels, width]),
            bias: bias ? random.array([channels]) : undefined,
            initial: initial ? random.array([batch, channels, width - 1]) : undefined,
            lengths: lengths && integers(lengths.slice(0, batch).map((n) => Math.min(n, length))),
          },
          op: (tensors) => {
            const { y, final } = causalConv1d(tensors as unknown as CausalConv1dInputs, { activation });
            return [y, final];
          },
          reference: (arrays) => {
            const { y, final } = reference.causalConv1d(arrays);
            return [activation ? array(y.shape, (i) => y.data[i]! / (1 + Math.exp(-y.data[i]!))) : y, final];
          },
        });
      },
    ),
    runs(40),
  ));

test('a sequence in pieces, the last columns carried, is the sequence in one', async () => {
  const random = new Random(5);
  const [x, weight] = [upload(random.array([2, 11, 5])), upload(random.array([5, 4]))];
  const whole = causalConv1d({ x, weight });
  let initial: Tensor | undefined;
  let start = 0;
  for (const size of [1, 2, 5, 3]) {
    const piece = causalConv1d({ x: slice(x, 1, start, start + size), weight, initial });
    expectClose(await download(piece.y), await download(slice(whole.y, 1, start, start + size)), 0);
    initial = piece.final;
    start += size;
  }
  expectClose(await download(initial!), await download(whole.final), 0);
});

test('carried columns of the wrong number are refused', () => {
  const [x, weight] = [Tensor.full([1, 6, 3], 0), Tensor.full([3, 4], 0)];
  expect(() => causalConv1d({ x, weight, initial: Tensor.full([1, 3, 4], 0) })).toThrow(
    new ShapeError('causalConv1d: initial is (1, 3, 4); axis 2 is "k-1", which weight (3, 4) sets to 3'),
  );
});

test('with SiLU in the same kernel = SiLU of what it gives, and a rule for either is refused', async () => {
  const random = new Random(8);
  const [x, weight, bias] = [upload(random.array([2, 70, 37])), upload(random.array([37, 4])), upload(random.array([37]))];
  const inputs = { x, weight, bias };
  const fused = gradient(() => sum(causalConv1d(inputs, { activation: 'silu' }).y), Object.values(inputs));
  const apart = gradient(() => sum(silu(causalConv1d(inputs).y)), Object.values(inputs));
  for (const [i, dx] of fused.gradients.entries()) expectClose(await download(dx), await download(apart.gradients[i]!), 1e-5);
  for (const rules of [{ silu: 'holdRatio' }, { causalConv1d: 'gamma:1' }] as const) {
    const held = (): unknown => gradient(() => sum(causalConv1d(inputs, { activation: 'silu' }).y), [x], { rules });
    expect(held).toThrow(/rule .* needs silu as an op of its own; run the model with spelledOut: true/);
  }
});
