import { extname } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { writePicture } from './figures.js';
import { version } from './version.js';

/**
 * Writes a command's results: to a file as JSON or as a picture, and to standard output as JSON (`json`) or for people.
 * @param picture draws the first row
 */
export async function writeResults(
  { out, json, model }: { out?: string | undefined; json?: boolean | undefined; model: string },
  results: readonly object[],
  picture: () => string,
  words: string,
): Promise<void> {
  const text = `${JSON.stringify({ version, model, results }, null, 2)}\n`;
  if (out !== undefined) await (extname(out).toLowerCase() === '.json' ? writeFileAtomic(out, text) : writePicture(out, picture()));
  process.stdout.write(json ? text : words);
  if (out !== undefined && !json) process.stdout.write(`wrote ${out}\n`);
}
