import { defineOp, type Op } from '../op.js';
import { commonType, Tensor, type Float } from '../tensor.js';

type In = { a: Tensor; b: Tensor };
type Out = { c: Tensor<Float> };
/** Which operands are stored the other way round. */
export interface MatmulOptions {
  transposeA?: boolean;
  transposeB?: boolean;
}

/** op(a)·op(b) as a new tensor (m n), by default in f32 where their types differ, recorded nowhere; k is what is summed over. */
export function product(
  m: number,
  n: number,
  k: number,
  a: Tensor,
  transposeA: boolean,
  b: Tensor,
  transposeB: boolean,
  bias?: Tensor,
  dtype: Float = commonType(a, b),
): Tensor<Float> {
  const c = Tensor.empty([m, n], a.device, dtype);
  a.device.run('matmul', { m, n, k, transposeA, transposeB, accumulate: false, a: a.handle, b: b.handle, bias: bias?.handle, c: c.handle });
  return c;
}

function define(transposeA: boolean, transposeB: boolean): Op<In, object, Out> {
  return defineOp<In, object, Out>({
    name: 'matmul',
    signature: `a: ${transposeA ? 'k m' : 'm k'}, b: ${transposeB ? 'n k' : 'k n'} -> c: m n`,
    forward({ a, b }, _, { axes }) {
      return { outputs: { c: product(axes.m!, axes.n!, axes.k!, a, transposeA, b, transposeB) } };
    },
    gradient({ inputs: { a, b }, axes }, { c: dc }, needs) {
      if (!dc) return {};
      const { m, n, k } = axes as Record<'m' | 'n' | 'k', number>;
      const da = (): Tensor => (transposeA ? product(k, m, n, b, transposeB, dc, true) : product(m, k, n, dc, false, b, !transposeB));
      const db = (): Tensor => (transposeB ? product(n, k, m, dc, true, a, transposeA) : product(k, n, m, a, !transposeA, dc, false));
      return { a: needs('a') ? da() : undefined, b: needs('b') ? db() : undefined };
    },
  });
}
const ops = [define(false, false), define(false, true), define(true, false), define(true, true)];

/** a·b: a (m k), or (k m) with `transposeA`; b (k n), or (n k) with `transposeB` → (m n). */
export function matmul(a: Tensor, b: Tensor, { transposeA = false, transposeB = false }: MatmulOptions = {}): Tensor<Float> {
  return ops[2 * Number(transposeA) + Number(transposeB)]!({ a, b }, {}).c;
}
