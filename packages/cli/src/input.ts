import { readFile } from 'node:fs/promises';
import { requireTokenizer, type LoadedModel } from '@hidden-attention/checkpoint';
import { z } from 'zod';
import { UsageError } from './errors.js';

/** The INPUT flags of a command; exactly one is given. */
export interface InputFlags {
  text?: string;
  file?: string;
  ids?: string;
}

/** One row of the input: its ids, and where it came from text, the text and the part of it that each id covers. */
export interface InputRow {
  ids: number[];
  text: string | null;
  /** UTF-16 offsets into `text` */
  offsets: [start: number, end: number][];
}

/** @throws UsageError unless exactly one of --text, --file, --ids is given */
export function checkInputFlags(flags: InputFlags): void {
  const given = (['text', 'file', 'ids'] as const).filter((name) => flags[name] !== undefined);
  if (given.length === 1) return;
  const seen = given.length === 0 ? 'no input' : given.map((name) => `--${name}`).join(' and ');
  throw new UsageError(`${seen} given; exactly one of --text T, --file F, --ids F is needed`);
}

const idsSchema = z.union([z.array(z.number()).min(1), z.array(z.array(z.number()).min(1)).min(1)]);

/** The rows that the input flags name; an --ids file may hold one array of ids or an array of them. */
export async function readInput(flags: InputFlags, loaded: LoadedModel): Promise<InputRow[]> {
  if (flags.ids !== undefined) return readIds(flags.ids);
  const text = flags.text ?? (await readText(flags.file!));
  if (text === '')
    throw new Error(`${flags.text === undefined ? `${flags.file} is` : '--text is'} empty; at least one character is needed`);
  const { ids, offsets } = requireTokenizer(loaded).encode(text);
  return [{ ids, text, offsets }];
}

async function readIds(path: string): Promise<InputRow[]> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new Error(`--ids ${path}: ${(error as Error).message}`);
  }
  const parsed = idsSchema.safeParse(json);
  if (!parsed.success) throw new Error(`--ids ${path}: needs a JSON array of ids, or an array of such arrays, none of them empty`);
  const rows = typeof parsed.data[0] === 'number' ? [parsed.data as number[]] : (parsed.data as number[][]);
  return rows.map((ids) => ({ ids, text: null, offsets: [] }));
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new Error(`--file ${path}: ${(error as Error).message}`);
  }
}
