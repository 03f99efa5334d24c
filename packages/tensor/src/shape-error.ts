/** Shapes that do not fit together; the message names the op, the argument, what it is and what it must be. */
export class ShapeError extends Error {
  override name = 'ShapeError';
}

/** (2, 64, 16) */
export function formatShape(shape: readonly number[]): string {
  return `(${shape.join(', ')})`;
}
