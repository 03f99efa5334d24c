import type { Tensor } from './tensor.js';
import { ShapeError, formatShape } from './shape-error.js';

/** One operand of a signature: `B: b l g n` is { name: 'B', axes: ['b', 'l', 'g', 'n'], optional: false }. */
export interface Operand {
  name: string;
  axes: string[];
  optional: boolean;
}

export interface Signature {
  inputs: Operand[];
  outputs: Operand[];
}

/**
 * Reads a signature such as `u: b l d, A: d n, D?: d, initial?: b d k-1 -> y: b l d`. An axis is a letter (the same letter,
 * the same size), a letter minus a number, a number, or `...` in front for any leading axes (the same wherever it stands).
 * `*` alone is any shape: the op looks at it itself.
 */
export function parseSignature(text: string): Signature {
  const [inputs, outputs] = text.split('->').map((side) =>
    side.split(',').map((part) => {
      const [name = '', axes = ''] = part.split(':').map((word) => word.trim());
      return { name: name.replace('?', ''), axes: axes.split(/\s+/).filter(Boolean), optional: name.endsWith('?') };
    }),
  );
  return { inputs: inputs ?? [], outputs: outputs ?? [] };
}

/** Sizes by axis letter, as the operands set them. */
export type Axes = Record<string, number>;

/**
 * Checks operands against a signature: the one place where shapes are checked.
 * @throws ShapeError naming the op, the operand, its shape, the axis, and who set the size it must have
 */
export function bindAxes(op: string, signature: Signature, operands: Record<string, Tensor | undefined>): Axes {
  const sizes: Axes = {};
  const setBy: Record<string, string> = {};
  let leading: readonly number[] | undefined;
  // letters before expressions: `initial?: b d k-1` may stand before the operand that sets k
  for (const pass of ['letters', 'expressions']) {
    for (const { name, axes, optional } of signature.inputs) {
      const tensor = operands[name];
      if (!tensor) {
        if (optional) continue;
        throw new ShapeError(`${op}: ${name} is missing; its axes are (${axes.join(', ')})`);
      }
      if (axes[0] === '*') continue;
      const open = axes[0] === '...';
      const fixed = open ? axes.slice(1) : axes;
      const extra = tensor.shape.length - fixed.length;
      if (extra < 0 || (!open && extra > 0)) {
        throw new ShapeError(
          `${op}: ${name} is ${formatShape(tensor.shape)}; it needs ${open ? 'at least ' : ''}${fixed.length} axes (${axes.join(', ')})`,
        );
      }
      if (open) {
        const own = tensor.shape.slice(0, extra);
        if (leading && formatShape(leading) !== formatShape(own)) {
          throw new ShapeError(
            `${op}: ${name} is ${formatShape(tensor.shape)}; its leading axes must be ${formatShape(leading)}, as ${setBy['...']} has them`,
          );
        }
        leading = own;
        setBy['...'] ??= `${name} ${formatShape(tensor.shape)}`;
      }
      fixed.forEach((axis, i) => {
        const size = tensor.shape[extra + i]!;
        const [, letter = axis, minus] = /^([a-z]+)-(\d+)$/i.exec(axis) ?? [];
        const simple = minus === undefined;
        if (simple !== (pass === 'letters')) return;
        if (simple && !(letter in sizes)) {
          sizes[letter] = /^\d+$/.test(letter) ? Number(letter) : size;
          setBy[letter] = /^\d+$/.test(letter) ? 'the signature' : `${name} ${formatShape(tensor.shape)}`;
        }
        const needed = sizes[letter]! - Number(minus ?? 0);
        if (size !== needed) {
          throw new ShapeError(
            `${op}: ${name} is ${formatShape(tensor.shape)}; axis ${extra + i} is "${axis}", which ${setBy[letter]} sets to ${needed}`,
          );
        }
      });
    }
  }
  return sizes;
}
