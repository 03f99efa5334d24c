import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const root: string = join(import.meta.dirname, '../../..');
export const fixtures: string = join(root, 'packages/zoo/test/fixtures');
const main = join(root, 'packages/cli/dist/main.js');

/** Runs the built command line, as a user would. */
export function cli(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  if (!existsSync(main)) throw new Error(`${main} is missing: the tests of the command line need the packages built (npm test does it)`);
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', cwd: tmpdir() });
  return { status, stdout, stderr };
}

export function workFolder(): string {
  return mkdtempSync(join(tmpdir(), 'hidden-attention-cli-'));
}

/** A safetensors file, read by the format's own description: names, shapes, and f32 numbers. */
export function safetensors(path: string): Map<string, { shape: number[]; dtype: string; data: Float32Array }> {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const tensors = new Map<string, { shape: number[]; dtype: string; data: Float32Array }>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const [begin, end] = entry.data_offsets;
    const own = Uint8Array.from(bytes.subarray(8 + length + begin, 8 + length + end));
    tensors.set(name, { shape: entry.shape, dtype: entry.dtype, data: new Float32Array(own.buffer) });
  }
  return tensors;
}
