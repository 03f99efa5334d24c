import { defineOp } from '../op.js';
import { ShapeError, formatShape } from '../shape-error.js';
import { Tensor, type Float } from '../tensor.js';

const idsOp = defineOp<{ past?: Tensor | undefined; like: Tensor }, object, { ids: Tensor<'i32'> }>({
  name: 'positionIds',
  signature: 'past?: b, like: b l -> ids: b l',
  forward({ past, like }, _, { axes }) {
    const ids = Tensor.empty(like.shape, like.device, 'i32');
    ids.device.run('positionIds', { batch: axes.b, length: axes.l, past: past?.handle, ids: ids.handle });
    return { outputs: { ids } };
  },
});

/**
 * The number of each position in its text: past[b] + i, for the rows of a table of learned positions.
 * @param like (b l), for its shape
 * @param past (b), whole numbers: positions of each row that were read before; none by default
 */
export function positionIds(like: Tensor, past?: Tensor): Tensor<'i32'> {
  return idsOp({ past, like }, {}).ids;
}

type AppendInputs = { cache: Tensor; source: Tensor; past: Tensor; lengths?: Tensor | undefined };

const appendOp = defineOp<AppendInputs, object, Record<string, never>>({
  name: 'appendPositions',
  signature: 'cache: b s h p, source: b l h p, past: b, lengths?: b ->',
  forward({ cache, source, past, lengths }, _, { axes }) {
    const { b, s, l, h, p } = axes as Record<'b' | 's' | 'l' | 'h' | 'p', number>;
    cache.device.run('appendPositions', {
      batch: b,
      length: l,
      capacity: s,
      width: h * p,
      past: past.handle,
      lengths: lengths?.handle,
      source: source.handle,
      cache: cache.handle,
    });
    return { outputs: {} };
  },
});

/**
 * Puts positions behind those that a cache holds, in its own memory: cache[b, past[b] + i] = source[b, i]. Like `assign` it breaks
 * the rule that tensors do not change, and no gradient passes through it.
 * @param inputs cache (b s h p), source (b l h p), past (b): positions of each row that the cache holds, lengths (b), i32: how many of
 * the source's count. Beyond the cache's room the read that depends on it is rejected
 */
export function appendPositions(inputs: AppendInputs): void {
  appendOp(inputs, {});
}

type RotateOptions = { pairs: number; base: number };

function rotated(x: Tensor, past: Tensor | undefined, { pairs, base }: RotateOptions, inverse: boolean): Tensor<Float> {
  const [batch, length, heads, width] = x.shape as [number, number, number, number];
  const y = Tensor.like(x);
  x.device.run('rotate', { batch, length, heads, width, pairs, base, inverse, past: past?.handle, x: x.handle, y: y.handle });
  return y;
}

const rotateOp = defineOp<{ x: Tensor; past?: Tensor | undefined }, RotateOptions, { y: Tensor<Float> }>({
  name: 'rotate',
  signature: 'x: b l h p, past?: b -> y: b l h p',
  forward({ x, past }, options) {
    const { pairs } = options;
    if (!Number.isInteger(pairs) || pairs < 0 || 2 * pairs > x.shape[3]!)
      throw new ShapeError(`rotate: pairs is ${pairs}; x ${formatShape(x.shape)} has room for ${Math.floor(x.shape[3]! / 2)} pairs a head`);
    return { outputs: { y: rotated(x, past, options, false) } };
  },
  gradient: ({ inputs: { past }, options }, { y: dy }) => ({ x: dy && rotated(dy, past, options, true) }),
});

/**
 * Rotary position embedding (Su et al. 2021): in every head the numbers c and c + pairs are turned by the angle
 * position·base^(−c/pairs), for c < pairs; the others stay.
 * @param inputs x (b l h p), past (b): positions of each row that came before; none by default
 */
export function rotate(inputs: { x: Tensor; past?: Tensor | undefined }, options: RotateOptions): Tensor<Float> {
  return rotateOp(inputs, options).y;
}
