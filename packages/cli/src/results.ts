import { extname } from 'node:path';
import { writeFileAtomic, writeSafetensors } from '@hidden-attention/checkpoint';
import { writePicture } from './figures.js';
import { tensorsOf } from './numbers.js';
import { version } from './version.js';

/** What a command's results can be written as. */
export const resultEndings: readonly string[] = ['.json', '.svg', '.png', '.safetensors'];

/**
 * Writes a command's results: to a file as JSON, as tensors or as a picture, and to standard output as JSON (`json`) or for people.
 * @param picture draws the first row
 */
export async function writeResults(
  { out, json, model }: { out?: string | undefined; json?: boolean | undefined; model: string },
  results: readonly object[],
  picture: () => string,
  words: string,
): Promise<void> {
  const text = `${JSON.stringify({ version, model, results }, null, 2)}\n`;
  if (out !== undefined) {
    const ending = extname(out).toLowerCase();
    if (ending === '.json') await writeFileAtomic(out, text);
    else if (ending === '.safetensors') await writeSafetensors(out, tensorsOf(results));
    else await writePicture(out, picture());
  }
  process.stdout.write(json ? text : words);
  if (out !== undefined && !json) process.stdout.write(`wrote ${out}\n`);
}
