import { describe, expect, test } from 'vitest';
import { add, gradient, openDevice, record, scope, Tensor } from '../src/index.js';

const used = /used after it was disposed of/;
const ones = (): Tensor<'f32'> => Tensor.full([4], 1);
const live = (): number => openDevice().memory().live;

describe('scope', () => {
  test('frees what it made, keeps what it returns at any depth', async () => {
    const before = live();
    let lost: Tensor | undefined;
    const kept = scope(() => {
      lost = ones();
      return { list: [ones()], map: new Map([['a', ones()]]), set: new Set([ones()]), deep: { deeper: [[ones()]] }, number: 3 };
    });
    expect(lost!.disposed).toBe(true);
    expect(() => lost!.handle).toThrow(used);
    const tensors = [kept.list[0]!, kept.map.get('a')!, [...kept.set][0]!, kept.deep.deeper[0]![0]!];
    for (const tensor of tensors) {
      expect([...(await tensor.read())]).toEqual([1, 1, 1, 1]);
      tensor.dispose();
    }
    expect(live()).toBe(before);
  });

  test('inside another: what it returns belongs to the outer one', () => {
    let inner: Tensor | undefined;
    const outer = scope(() => {
      inner = scope(() => add(ones(), ones()));
      expect(inner.disposed).toBe(false);
      return scope(() => inner!.view());
    });
    expect(inner!.disposed).toBe(true);
    expect(outer.disposed).toBe(false);
    outer.dispose();
  });

  test('frees also when the body throws, and leaves alone what was made outside', () => {
    const before = live();
    const outside = ones();
    expect(() =>
      scope(() => {
        add(outside, ones());
        throw new Error('stop');
      }),
    ).toThrow('stop');
    expect(outside.disposed).toBe(false);
    outside.dispose();
    expect(live()).toBe(before);
  });

  test('refuses a promise: what is made after the first await would not be its own', () => {
    expect(() => scope(async () => ones())).toThrow(
      'scope: the body returned a promise; queue the ops in the scope and await what it returns',
    );
  });
});

describe('a tensor', () => {
  test('can not be used after dispose; disposing twice does nothing', async () => {
    const before = live();
    const tensor = ones();
    tensor.dispose();
    tensor.dispose();
    expect(live()).toBe(before);
    expect(() => add(tensor, tensor)).toThrow('a tensor (4) was used after it was disposed of');
    await expect(tensor.read()).rejects.toThrow(used);
    expect(() => tensor.view()).toThrow(used);
  });

  test('shares its memory with its views, each with a life of its own', async () => {
    const before = live();
    const tensor = ones();
    const view = tensor.view([2, 2]);
    tensor.dispose();
    expect([...(await view.read())]).toEqual([1, 1, 1, 1]);
    view[Symbol.dispose]();
    expect(live()).toBe(before);
  });

  test('that is retained outlives dispose until it is let go', () => {
    const before = live();
    const tensor = ones();
    tensor.retain();
    tensor.dispose();
    expect(tensor.disposed).toBe(false);
    tensor.letGo();
    expect(tensor.disposed).toBe(true);
    expect(live()).toBe(before);
  });

  test('on a tape is kept by the tape', async () => {
    const before = live();
    const x = ones();
    const { value, tape } = scope(() => record([x], () => add(add(x, x), x)));
    const gradients = tape.gradient(value, [x]);
    expect([...(await gradients[0]!.read())]).toEqual([3, 3, 3, 3]);
    tape.dispose();
    for (const tensor of [x, value, ...gradients]) tensor.dispose();
    expect(live()).toBe(before);
  });

  test('of a queued op may be disposed of at once', async () => {
    const before = live();
    let x = ones();
    for (let i = 0; i < 100; i++) {
      const next = add(x, x);
      x.dispose();
      x = next;
    }
    expect(await gradient(() => x, [x]).gradients[0]!.read()).toHaveLength(4);
    expect((await x.read())[0]).toBe(2 ** 100);
    x.dispose();
    expect(live()).toBeLessThanOrEqual(before + 1024);
  });
});
