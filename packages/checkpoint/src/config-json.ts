import { readFile } from 'node:fs/promises';
import { CheckpointError, fileTrouble } from './errors.js';

/**
 * Reads a config.json. Infinity, -Infinity and NaN are understood, bare as Python writes them or as `{"__float__": "Infinity"}`.
 * @throws CheckpointError naming the file and what is wrong with it
 */
export async function readConfig(path: string): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new CheckpointError(`cannot read ${path}: ${fileTrouble(error)}; a model folder holds config.json beside its weights`, {
      cause: error,
    });
  }
  let json: unknown;
  try {
    json = JSON.parse(tagBareNumbers(text), (_, value: unknown) => untag(value));
  } catch (error) {
    throw new CheckpointError(`${path} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new CheckpointError(`${path} holds ${JSON.stringify(json)}; a JSON object is needed`);
  return json as Record<string, unknown>;
}

/** The text of a config.json; numbers that JSON has no word for are written as `{"__float__": …}`. */
export function configText(json: Readonly<Record<string, unknown>>): string {
  const tag = (_: string, value: unknown): unknown =>
    typeof value === 'number' && !Number.isFinite(value) ? { __float__: String(value) } : value;
  return `${JSON.stringify(json, tag, 2)}\n`;
}

/** Gives bare Infinity, -Infinity and NaN, outside of texts, the form that JSON can hold. */
function tagBareNumbers(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|(-?Infinity|NaN)\b/g, (all, bare: string | undefined) =>
    bare === undefined ? all : `{"__float__":"${bare}"}`,
  );
}

function untag(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('__float__' in value) || Object.keys(value).length !== 1) return value;
  const { __float__: word } = value;
  return word === 'Infinity' || word === '-Infinity' || word === 'NaN' ? Number(word) : value;
}
