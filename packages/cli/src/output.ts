import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname, extname } from 'node:path';
import { UsageError } from './errors.js';

/**
 * Checks, before any work, that a file of that name can be written.
 * @throws UsageError for another ending than `endings`, a folder that does not exist or cannot be written, a name that is a folder
 */
export function checkOutput(path: string, endings: readonly string[], flag = '--out'): string {
  if (!endings.includes(extname(path).toLowerCase())) throw new UsageError(`${flag} ${path}: the name must end in ${endings.join(' or ')}`);
  if (existsSync(path) && statSync(path).isDirectory()) throw new UsageError(`${flag} ${path} is a folder; name a file`);
  const folder = dirname(path);
  try {
    accessSync(folder, constants.W_OK);
  } catch {
    throw new UsageError(`${flag} ${path}: the folder ${folder} ${existsSync(folder) ? 'cannot be written to' : 'does not exist'}`);
  }
  return path;
}
