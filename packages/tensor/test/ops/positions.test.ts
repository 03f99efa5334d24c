import { describe, expect, test } from 'vitest';
import {
  appendPositions,
  positionIds,
  rotate,
  scope,
  softmaxAttention,
  softmaxAttentionTransposed,
  slice,
  Tensor,
} from '../../src/index.js';
import { expectGradients } from '../gradients.js';
import { array, download, expectClose, integers, Random, upload, type HostArray } from '../support.js';

/** Each pair (c, c + pairs) turned by position·base^(−c/pairs), as a complex number. */
function turned(x: HostArray, { pairs, base, past }: { pairs: number; base: number; past: readonly number[] }): HostArray {
  const [, length, heads, width] = x.shape as [number, number, number, number];
  return array(x.shape, (index) => {
    const c = index % width;
    if (c >= 2 * pairs) return x.data[index]!;
    const position = Math.floor(index / width / heads);
    const angle = (past[Math.floor(position / length)]! + (position % length)) * base ** (-(c % pairs) / pairs);
    const [real, imaginary] = c < pairs ? [x.data[index]!, x.data[index + pairs]!] : [x.data[index - pairs]!, x.data[index]!];
    return c < pairs ? real * Math.cos(angle) - imaginary * Math.sin(angle) : imaginary * Math.cos(angle) + real * Math.sin(angle);
  });
}

test('rotate: values and gradient, with what came before', async () => {
  const x = new Random(2).array([2, 4, 3, 7], -1, 1);
  for (const past of [
    [0, 0],
    [5, 31],
  ]) {
    const options = { pairs: 3, base: 50 };
    const before = past[0] === 0 ? undefined : Tensor.from(Float32Array.from(past));
    await expectGradients({
      inputs: { x },
      op: ({ x }) => [rotate({ x: x!, past: before }, options)],
      reference: ({ x }) => [turned(x!, { ...options, past })],
    });
  }
});

test('scores of rotated queries and keys depend on how far apart they are alone', async () => {
  const x = new Random(8).array([1, 1, 1, 8], -1, 1);
  const at = (position: number): Tensor => rotate({ x: upload(x), past: Tensor.from(Float32Array.of(position)) }, { pairs: 4, base: 100 });
  const score = async (i: number, j: number): Promise<number> => {
    const [q, k] = await Promise.all([at(i).read(), at(j).read()]);
    return q.reduce((sum, value, c) => sum + value * k[c]!, 0);
  };
  expect(await score(9, 4)).toBeCloseTo(await score(25, 20), 5);
});

test('a cache that is filled in parts is what was put in; queries see what lies before them', async () => {
  const random = new Random(5);
  const [q, k, v] = ['q', 'k', 'v'].map(() => upload(random.array([2, 6, 2, 3], -1, 1))) as [Tensor, Tensor, Tensor];
  const whole = softmaxAttention({ q, k, v });
  const room = (): Tensor => Tensor.full([2, 9, 2, 3], 0);
  const [keys, values] = [room(), room()];
  // row 0 has read four positions, row 1 two; then two more each
  const rows = (x: Tensor, from: number, to: number): Tensor => slice(x, 1, from, to);
  const first = Tensor.from(Float32Array.of(0, 0));
  const counts = upload(integers([4, 2])) as Tensor;
  for (const [cache, source] of [
    [keys, k],
    [values, v],
  ] as const)
    appendPositions({ cache, source: rows(source, 0, 4), past: first, lengths: counts });
  const past = Tensor.from(Float32Array.of(4, 2));
  const next = (x: Tensor): Tensor => scope(() => concatRows(rows(slice(x, 0, 0, 1), 4, 6), rows(slice(x, 0, 1, 2), 2, 4)));
  for (const [cache, source] of [
    [keys, k],
    [values, v],
  ] as const)
    appendPositions({ cache, source: next(source), past });
  const { y } = softmaxAttention({ q: next(q), k: keys, v: values, past });
  expectClose(await download(y), await download(next(whole.y)), 1e-5);
  expect([...(await positionIds(q.view([2, 36]), past).read())].slice(34, 38)).toEqual([38, 39, 2, 3]);
});

function concatRows(a: Tensor, b: Tensor): Tensor {
  const both = Tensor.full([2, ...a.shape.slice(1)], 0);
  for (const [row, part] of [a, b].entries())
    appendPositions({
      cache: both.view([1, 2 * a.shape[1]!, ...a.shape.slice(2)]),
      source: part,
      past: Tensor.from(Float32Array.of(row * a.shape[1]!)),
    });
  return both;
}

test('the probabilities, transposed, times g: adjoint to the probabilities times v', async () => {
  const random = new Random(6);
  const [q, k, v, g] = ['q', 'k', 'v', 'g'].map(() => upload(random.array([2, 5, 2, 4], -1, 1))) as [Tensor, Tensor, Tensor, Tensor];
  const { y, logSumExp } = softmaxAttention({ q, k, v });
  const back = softmaxAttentionTransposed({ q, k, logSumExp, g });
  const dot = async (a: Tensor, b: Tensor): Promise<number> => {
    const [left, right] = [await a.read(), await b.read()];
    return left.reduce((sum, value, i) => sum + value * right[i]!, 0);
  };
  expect(await dot(back, v)).toBeCloseTo(await dot(g, y), 4);
});

describe('what is refused', () => {
  test('more pairs than a head has, and a cache without room', async () => {
    expect(() => rotate({ x: Tensor.full([1, 1, 1, 5], 0) }, { pairs: 3, base: 10 })).toThrow(
      /pairs is 3; x \(1, 1, 1, 5\) has room for 2 pairs/,
    );
    const cache = Tensor.full([1, 3, 1, 2], 0);
    appendPositions({ cache, source: Tensor.full([1, 2, 1, 2], 1), past: Tensor.from(Float32Array.of(2)) });
    await expect(cache.read()).rejects.toThrow(/row 0 goes on from position 2.*room for 3/);
  });
});
