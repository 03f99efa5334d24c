// What every recipe needs: files that are whole or absent, and a choice that depends on a seed and a name alone.
import { createHash } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** Writes `content` beside `path` and renames it there, so that a reader never meets half a file. Makes the folder. */
export async function writeWhole(path, content) {
  await mkdir(dirname(path), { recursive: true });
  const beside = `${path}.${process.pid}.partial`;
  await writeFile(beside, content);
  await rename(beside, path);
}

/** A number in [0, 1) from a seed and a text (the first 48 bits of SHA-256): the same on every machine and in any order. */
export function fraction(seed, text) {
  return createHash('sha256').update(`${seed}\n${text}`).digest().readUIntBE(0, 6) / 2 ** 48;
}

/** The default output folder of a recipe: `~/.cache/hidden-attention/NAME`. */
export function outputFolder(name) {
  return join(homedir(), '.cache', 'hidden-attention', name);
}

/** Runs a recipe; a failure becomes one line on stderr and exit status 1. */
export async function main(recipe) {
  try {
    await recipe();
  } catch (error) {
    console.error(`error: ${error.message}`);
    process.exitCode = 1;
  }
}
