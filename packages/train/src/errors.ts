/** A recipe, data or an output folder that cannot be used, or a training that went wrong. */
export class TrainError extends Error {
  override name = 'TrainError';
}
