import { describe, expect, test } from 'vitest';
import {
  add,
  affine,
  defineOp,
  gradient,
  multiply,
  record,
  reshape,
  selectiveScanTransposed,
  silu,
  split,
  sum,
  Tensor,
  unrecorded,
} from '../src/index.js';

const vector = (...values: number[]): Tensor<'f32'> => Tensor.from(Float32Array.from(values));
const read = async (tensor: Tensor | undefined): Promise<number[]> => [...(await tensor!.read())];

describe('gradient', () => {
  test('of a tensor used in several places adds up', async () => {
    const x = vector(2, 3);
    const { value, gradients } = gradient(() => add(multiply(x, multiply(x, x)), x), [x]);
    expect(await read(value)).toEqual([10, 30]);
    expect(await read(gradients[0])).toEqual([13, 28]); // 3x² + 1
  });

  test('is zero for what the value does not depend on', async () => {
    const [x, other] = [vector(2), vector(5, 6)];
    const { gradients } = gradient(() => multiply(x, x), [other, x]);
    expect(await read(gradients[0])).toEqual([0, 0]);
    expect(await read(gradients[1])).toEqual([4]);
  });

  test('can be asked at intermediate tensors, with seeds, again and again', async () => {
    const x = vector(1, 2);
    let middle: Tensor | undefined;
    const { value, tape } = record([x], () => {
      middle = affine(x, 3);
      return multiply(middle, middle);
    });
    const [atMiddle, atInput] = tape.gradient(value, [middle!, x], { seed: vector(1, 0) });
    expect(await read(atMiddle)).toEqual([6, 0]);
    expect(await read(atInput)).toEqual([18, 0]);
    expect(await read(tape.gradient(value, [x])[0])).toEqual([18, 36]);
    expect(await read(tape.gradient(middle!, [x])[0])).toEqual([3, 3]);
    tape.dispose();
    expect(() => tape.gradient(value, [x])).toThrow('does not depend on the inputs of this tape');
  });

  test('reaches one output of an op with several', async () => {
    const x = vector(1, 2, 3);
    const { gradients } = gradient(() => {
      const [first, second] = split(x, [1, 2]);
      return add(second!, first!);
    }, [x]);
    expect(await read(gradients[0])).toEqual([2, 1, 1]);
  });

  test('goes through reshape, and not through a view', async () => {
    const x = vector(1, 2);
    expect(await read(gradient(() => reshape(x, [2, 1]), [x]).gradients[0])).toEqual([1, 1]);
    expect(() => gradient(() => x.view([2, 1]), [x])).toThrow('does not depend on the inputs of this tape');
  });

  test('does not see what was unrecorded', async () => {
    const x = vector(3);
    const { gradients } = gradient(
      () =>
        multiply(
          x,
          unrecorded(() => multiply(x, x)),
        ),
      [x],
    );
    expect(await read(gradients[0])).toEqual([9]);
  });

  test('of a tape inside another is the inner one’s', async () => {
    const x = vector(3);
    const { value, gradients } = gradient(() => {
      const { gradients: inner } = gradient(() => multiply(x, x), [x]);
      return multiply(x, inner[0]!); // 6 counts as a constant
    }, [x]);
    expect(await read(value)).toEqual([18]);
    expect(await read(gradients[0])).toEqual([6]);
  });
});

describe('what can not be differentiated is said', () => {
  const x = vector(1, -2);
  test('an output that was not recorded', () => {
    expect(() => gradient(() => vector(1), [x])).toThrow('gradient: the output (1) does not depend on the inputs of this tape');
  });
  test('a seed of another shape', () => {
    expect(() => gradient(() => silu(x), [x], { seed: vector(1) })).toThrow('gradient: the seed is (1); the output is (2)');
  });
  test('a rule that the op does not have', () => {
    expect(() => gradient(() => silu(x), [x], { rules: { silu: 'hold' } })).toThrow('gradient: silu has no rule "hold"; it has: holdRatio');
    expect(() => gradient(() => sum(x), [x], { rules: { sum: 'hold' } })).toThrow('gradient: sum has no rule "hold"; it has: none');
  });
  test('an op without a gradient on the way, but not beside it', async () => {
    const [delta, A, B] = [Tensor.full([1, 2, 1], 1), Tensor.full([1, 1], -1), Tensor.full([1, 2, 1, 1], 1)];
    const row = (): Tensor => selectiveScanTransposed({ delta, A, B, C: B });
    expect(() => gradient(() => sum(row()), [delta])).toThrow(
      'gradient: selectiveScanTransposed has no gradient, and the output depends on it',
    );
    const { gradients } = gradient(() => {
      row();
      return sum(delta);
    }, [delta]);
    expect(await read(gradients[0])).toEqual([1, 1]);
  });
});

test('a third party adds an op with a gradient and a rule by the same call', async () => {
  const half = defineOp<{ x: Tensor }, object, { y: Tensor<'f32'> }>({
    name: 'half',
    signature: 'x: ... -> y: ...',
    forward: ({ x }) => ({ outputs: { y: unrecorded(() => affine(x, 0.5)) } }),
    gradient: (_, { y }) => ({ x: y && affine(y, 0.5) }),
    rules: { whole: (_, { y }) => ({ x: y?.view() }) },
  });
  const x = vector(4);
  expect(await read(gradient(() => half({ x }, {}).y, [x]).gradients[0])).toEqual([0.5]);
  expect(await read(gradient(() => half({ x }, {}).y, [x], { rules: { half: 'whole' } }).gradients[0])).toEqual([1]);
});
