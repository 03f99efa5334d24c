/** A file or folder that is not a usable checkpoint; the message names the file, what was seen and what is needed. */
export class CheckpointError extends Error {
  override name = 'CheckpointError';
}
