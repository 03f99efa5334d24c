/** An evaluation that cannot be done as asked; the message says what was asked, why not, and what to do. */
export class EvaluateError extends Error {
  override name = 'EvaluateError';
}
