/** A checkpoint, a tokenizer or a text that cannot be used; the message says what was seen, what is needed, what to do. */
export class CheckpointError extends Error {
  override name = 'CheckpointError';
}

/** What went wrong with a file, in words: for the end of an error message. */
export function fileTrouble(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const known: Record<string, string> = {
    ENOENT: 'no such file or folder',
    ENOTDIR: 'a part of the path is a file, not a folder',
    EISDIR: 'it is a folder',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EROFS: 'the file system is read-only',
    ENOSPC: 'no space is left on the disk',
    EEXIST: 'it exists already',
  };
  return known[code ?? ''] ?? message;
}
