import { extname } from 'node:path';
import { writeFileAtomic, writeSafetensors } from '@hidden-attention/checkpoint';
import { writePicture } from './figures.js';
import { tensorsOf } from './numbers.js';
import { version } from './version.js';

/** What a command's results can be written as. */
export const resultEndings: readonly string[] = ['.json', '.svg', '.png', '.safetensors'];

/**
 * Writes what a command found of each row: to a file as JSON, as tensors or as a picture of the first, and to standard output as JSON
 * (`json`) or for people.
 */
export async function writeResults<Result extends object, Row>(
  { out, json, model }: { out?: string | undefined; json?: boolean | undefined; model: string },
  results: readonly Result[],
  rows: readonly Row[],
  { words, picture }: { words(result: Result, row: Row): string; picture(result: Result, row: Row): string },
): Promise<void> {
  const text = `${JSON.stringify({ version, model, results }, null, 2)}\n`;
  if (out !== undefined) {
    const ending = extname(out).toLowerCase();
    if (ending === '.json') await writeFileAtomic(out, text);
    else if (ending === '.safetensors') await writeSafetensors(out, tensorsOf(results));
    else await writePicture(out, picture(results[0]!, rows[0]!));
  }
  process.stdout.write(json ? text : results.map((result, at) => words(result, rows[at]!)).join(''));
  if (out !== undefined && !json) process.stdout.write(`wrote ${out}\n`);
}
