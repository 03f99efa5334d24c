/** A request that cannot be generated from; the message names the option, the value seen and the value needed. */
export class RunnerError extends Error {
  override name = 'RunnerError';
}
