import { unlinkSync } from 'node:fs';
import { open, realpath, rename, stat, unlink, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CheckpointError, fileTrouble } from './errors.js';

const unfinished = new Set<string>();
let count = 0;
let watching = false;

function removeUnfinished(): void {
  for (const path of unfinished) {
    try {
      unlinkSync(path);
    } catch {
      // it is gone already
    }
  }
}

/**
 * Writes a file beside `path` and renames it when it is complete and on the disk: whoever reads `path` sees the old content or
 * all of the new, and only who could read the old one. What `write` leaves unfinished is removed, also when the process exits meanwhile.
 * @throws CheckpointError when the file cannot be written; what `write` throws
 */
export async function writeAtomically(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const target = await realpath(path).catch(() => path);
  const beside = join(dirname(target), `.${basename(target)}.${process.pid}-${++count}.partial`);
  if (!watching) process.once('exit', removeUnfinished);
  watching = true;
  unfinished.add(beside);
  try {
    const old = await stat(target).catch(() => undefined);
    const file = await open(beside, 'wx', old && old.mode & 0o777);
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, target);
  } catch (error) {
    await unlink(beside).catch(() => undefined);
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw new CheckpointError(`cannot write ${path}: ${fileTrouble(error)}. Choose a place that exists and can be written`, {
      cause: error,
    });
  } finally {
    unfinished.delete(beside);
  }
}

/**
 * Writes a file beside `path` and renames it when it is complete and on the disk: whoever reads `path` sees the old content or all of
 * the new.
 * @throws CheckpointError when the file cannot be written
 */
export const writeFileAtomic = (path: string, content: string | Uint8Array): Promise<void> =>
  writeAtomically(path, (file) => file.writeFile(content));

/** Writes all of `bytes`, however many calls that takes. */
export async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.byteLength;) done += (await file.write(bytes, done, bytes.byteLength - done)).bytesWritten;
}
