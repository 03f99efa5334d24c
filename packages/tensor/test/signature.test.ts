import { describe, expect, test } from 'vitest';
import { ShapeError, Tensor } from '../src/index.js';
import { bindAxes, parseSignature } from '../src/signature.js';

const of = (...shape: number[]): Tensor => Tensor.full(shape, 0);
const bind = (signature: string, operands: Record<string, Tensor | undefined>): Record<string, number> =>
  bindAxes('op', parseSignature(signature), operands);

test('letters take their sizes from the operands', () => {
  expect(bind('x: b l d, w: d k, first?: b d k-1 -> y: b l d', { x: of(2, 5, 3), w: of(3, 4), first: of(2, 3, 3) })).toEqual({
    b: 2,
    l: 5,
    d: 3,
    k: 4,
  });
});

test('an expression may stand before the operand that sets its letter', () => {
  expect(bind('first: k-1, w: k ->', { first: of(3), w: of(4) })).toEqual({ k: 4 });
});

test('leading axes are any, and the same wherever they stand', () => {
  expect(bind('x: ... d, y: ... d, w: d ->', { x: of(2, 3, 4), y: of(2, 3, 4), w: of(4) })).toEqual({ d: 4 });
  expect(bind('x: ... ->', { x: of() })).toEqual({});
  expect(bind('x: *, y: * ->', { x: of(2, 3), y: of(7) })).toEqual({});
});

describe('each mistake names the operand, what it is, what it must be, and who says so', () => {
  test.each<[string, Record<string, Tensor | undefined>, string]>([
    ['x: b d, w: d ->', { x: of(2, 3), w: of(4) }, 'op: w is (4); axis 0 is "d", which x (2, 3) sets to 3'],
    ['x: b 3 ->', { x: of(2, 4) }, 'op: x is (2, 4); axis 1 is "3", which the signature sets to 3'],
    ['x: b k-1, w: k ->', { x: of(2, 4), w: of(4) }, 'op: x is (2, 4); axis 1 is "k-1", which w (4) sets to 3'],
    ['x: b d, w?: d ->', { w: of(2) }, 'op: x is missing; its axes are (b, d)'],
    ['x: * ->', {}, 'op: x is missing; its axes are (*)'],
    ['x: b d ->', { x: of(2) }, 'op: x is (2); it needs 2 axes (b, d)'],
    ['x: ... r c ->', { x: of(2) }, 'op: x is (2); it needs at least 2 axes (..., r, c)'],
    ['x: ... d, y: ... ->', { x: of(2, 3), y: of(3) }, 'op: y is (3); its leading axes must be (2), as x (2, 3) has them'],
  ])('%s', (signature, operands, message) => {
    expect(() => bind(signature, operands)).toThrow(new ShapeError(message));
  });
});
