import { TrainError } from '../errors.js';
import type { DataFile } from './data.js';
import { readDataFile } from './files.js';

/**
 * Reads files of JSON lines; `use` is given what each line holds that is not blank, and where it stands.
 * @throws TrainError for a missing or empty file, or a line that is not JSON (file and line named); what `use` throws
 */
export async function readJsonLines(
  paths: readonly string[],
  use: (json: unknown, where: string, line: string) => void,
): Promise<DataFile[]> {
  const files: DataFile[] = [];
  for (const path of paths) {
    const { bytes, file } = await readDataFile(path);
    files.push(file);
    for (const [index, line] of bytes.toString('utf8').split('\n').entries()) {
      const where = `${path}:${index + 1}`;
      if (line.trim() !== '') use(parsed(line, where), where, line);
    }
  }
  return files;
}

function parsed(line: string, where: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new TrainError(`${where} is not JSON: ${(error as Error).message}`);
  }
}
