import { defineOp, type Gradient, type Op } from '../op.js';
import { scope } from '../scope.js';
import type { Float, Tensor } from '../tensor.js';
import { binary, spreadOf, unary, type BinaryKind } from './elementwise.js';
import { sum, sumLast, sumLeading } from './reduce.js';

type In = { a: Tensor; b: Tensor };
type Out = { y: Tensor<Float> };

/** What b's gradient is, when g is that of b spread over a: a new tensor. */
function gathered(op: string, g: Tensor, a: Tensor, b: Tensor): Tensor {
  const spread = spreadOf(op, a, b);
  if (spread === 'same') return g.view();
  return scope(() =>
    (spread === 'one' ? sum(g) : spread === 'row' ? sumLast(g) : sumLeading(g.view([b.size === 0 ? 0 : g.size / b.size, b.size]))).view(
      b.shape,
    ),
  );
}

function define(
  kind: BinaryKind,
  gradientOf: (dy: Tensor, call: In & Out, needs: (name: 'a' | 'b') => boolean) => { a?: Tensor | undefined; b?: Tensor | undefined },
): Op<In, object, Out> {
  const gradient: Gradient<In, object, Out> = ({ inputs: { a, b }, outputs: { y } }, { y: dy }, needs) =>
    dy
      ? scope(() => {
          const full = gradientOf(dy, { a, b, y }, needs);
          return { a: full.a, b: full.b && gathered(kind, full.b, a, b) };
        })
      : {};
  return defineOp<In, object, Out>({
    name: kind,
    signature: 'a: *, b: * -> y: *',
    forward: ({ a, b }) => ({ outputs: { y: binary(kind, a, b) } }),
    gradient,
  });
}

const addOp = define('add', (dy) => ({ a: dy.view(), b: dy.view() }));
const subtractOp = define('subtract', (dy, _, needs) => ({ a: dy.view(), b: needs('b') ? unary('affine', dy, -1) : undefined }));
const multiplyOp = define('multiply', (dy, { a, b }, needs) => ({
  a: needs('a') ? binary('multiply', dy, b) : undefined,
  b: needs('b') ? binary('multiply', dy, a) : undefined,
}));
const divideOp = define('divide', (dy, { b, y }, needs) => {
  const da = binary('divide', dy, b);
  return { a: da, b: needs('b') ? unary('affine', binary('multiply', da, y), -1) : undefined };
});

/**
 * a + b. Here and in `subtract`, `multiply` and `divide`, b has a's shape; or that of a's last axes (one row for all); or is
 * one number; or has a's leading axes and a last axis of 1 (one number a row).
 */
export function add(a: Tensor, b: Tensor): Tensor<Float> {
  return addOp({ a, b }, {}).y;
}
/** a − b; shapes as in `add`. */
export function subtract(a: Tensor, b: Tensor): Tensor<Float> {
  return subtractOp({ a, b }, {}).y;
}
/** a ⊙ b; shapes as in `add`. */
export function multiply(a: Tensor, b: Tensor): Tensor<Float> {
  return multiplyOp({ a, b }, {}).y;
}
/** a / b, number by number; shapes as in `add`. */
export function divide(a: Tensor, b: Tensor): Tensor<Float> {
  return divideOp({ a, b }, {}).y;
}
