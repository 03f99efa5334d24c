/** An explanation that cannot be given; the message says what was asked, why not, and what to do. */
export class ExplainError extends Error {
  override name = 'ExplainError';
}

/** A method, an option or a target that is not known: a mistake in what was asked, whatever the model. */
export class UnknownNameError extends ExplainError {
  override name = 'UnknownNameError';
}
