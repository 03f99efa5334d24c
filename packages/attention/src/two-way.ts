import { abs, add, positive, reverse, scope, subtract, sumLast, Tensor, type Float } from '@hidden-attention/tensor';
import { sumKinds, type Reduce } from './channels.js';
import type { Operator, TriangularOperator } from './layer.js';
import { onDiagonal, type RowRange } from './positions.js';

/** An operator over the positions in the order from last to first, seen in the order of the tokens: flipped on both axes. */
export function reversed(operator: TriangularOperator): TriangularOperator {
  const length = operator.shape[1];
  const turned = ({ start, end }: RowRange): RowRange => ({ start: length - end, end: length - start });
  const flipped = (matrix: Tensor): Tensor<Float> => reverse(reverse(matrix, -1), -2);
  return {
    name: operator.name,
    shape: operator.shape,
    lengths: operator.lengths,
    device: operator.device,
    apply: (v) => scope(() => reverse(operator.apply(reverse(v, 1)), 1)),
    applyTransposed: (g) => scope(() => reverse(operator.applyTransposed(reverse(g, 1)), 1)),
    matrixOf: (channels, range) => scope(() => flipped(operator.matrixOf(channels, turned(range)))),
    matrixReduced: (reduce, range) => scope(() => flipped(operator.matrixReduced(reduce, turned(range)))),
    diagonal: () => scope(() => reverse(operator.diagonal(), 1)),
  };
}

/**
 * A layer that reads forwards and backwards: the sum of both matrices, in the order of the tokens. One is lower and one upper
 * triangular, so that they meet on the diagonal only.
 */
export function twoWay(forward: TriangularOperator, backward: TriangularOperator): Operator {
  const both = (of: (operator: Operator) => Tensor): Tensor<Float> => scope(() => add(of(forward), of(backward)));
  return {
    name: forward.name,
    shape: forward.shape,
    lengths: forward.lengths,
    device: forward.device,
    apply: (v) => both((operator) => operator.apply(v)),
    applyTransposed: (g) => both((operator) => operator.applyTransposed(g)),
    matrixOf: (channels, range) => both((operator) => operator.matrixOf(channels, range)),
    matrixReduced: (reduce, range) =>
      scope(() => {
        const apart = both((operator) => operator.matrixReduced(reduce, range));
        return reduce === 'mean' ? apart : add(apart, onDiagonal(meeting(forward, backward, reduce), range));
      }),
  };
}

const kinds = { meanAbs: abs, meanPositive: positive };

/** What the mean of f(a + b) is more than that of f(a) + f(b) on the diagonal, f the absolute value or positive part: (b l). */
function meeting(forward: TriangularOperator, backward: TriangularOperator, reduce: Exclude<Reduce, 'mean'>): Tensor<Float> {
  const f = kinds[reduce];
  const [a, b] = [forward.diagonal(), backward.diagonal()];
  return sumLast(subtract(f(add(a, b)), add(f(a), f(b))), sumKinds.mean, 1 / forward.shape[2]);
}
