// The reference figures in test/golden/ops: their numbers, their tolerances, and which of them were tested.
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { sizeOf, type Tensor } from '../src/index.js';
import { download, upload, type HostArray } from './support.js';

interface Figure {
  role: 'input' | 'expected';
  shape: number[];
  tolerance: { exact: true } | { atol: number; rtol: number };
}
/** What case.json says of a variant of an op. */
export type Variant = Record<string, number | string | boolean>;

const folder = new URL('golden/ops/', import.meta.url);
const description = JSON.parse(readFileSync(new URL('case.json', folder), 'utf8')) as {
  variants: Record<string, Variant>;
  tensors: Record<string, Figure>;
};
const arrays = readSafetensors(readFileSync(new URL('golden.safetensors', folder)));
const tested = new Set<string>();

/** 8 bytes of header length, a JSON header, then the numbers, little-endian. */
function readSafetensors(file: Buffer): Map<string, HostArray> {
  const start = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, start)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const result = new Map<string, HostArray>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const {
      dtype,
      shape,
      data_offsets: [from, to],
    } = entry;
    const bytes = Uint8Array.from(file.subarray(start + from, start + to)).buffer;
    const data = dtype === 'I64' ? Int32Array.from(new BigInt64Array(bytes), Number) : Float64Array.from(new Float32Array(bytes));
    if (data.length !== sizeOf(shape)) throw new Error(`${name}: ${data.length} numbers for shape ${shape.join(' ')}`);
    result.set(name, { shape, data });
  }
  return result;
}

/** Variants of one op, by name: `selective_scan` → full_n16, … */
export function variantsOf(op: string): [string, Variant][] {
  return Object.entries(description.variants)
    .filter(([name]) => name.startsWith(`${op}.`))
    .map(([name, variant]) => [name.slice(op.length + 1), variant]);
}

/** A figure, its axes reordered: axis i of the result is axis order[i] of the file's. */
export function golden(name: string, order?: readonly number[]): HostArray {
  const found = arrays.get(name);
  if (!found) throw new Error(`no figure ${name}`);
  return order ? permuted(found, order) : found;
}

/** The same on the device, in `shape`; undefined where the file has no such figure. */
export function goldenTensor(name: string, order?: readonly number[], shape?: readonly number[]): Tensor | undefined {
  if (!arrays.has(name)) return undefined;
  const found = golden(name, order);
  return upload(shape ? { shape, data: found.data } : found);
}

/** Every number within the figure's own tolerance; `order` is how the tensor's axes follow from the file's. */
export async function expectGolden(tensor: Tensor, name: string, order?: readonly number[]): Promise<void> {
  const { tolerance } = description.tensors[name]!;
  const [atol, rtol] = 'exact' in tolerance ? [0, 0] : [tolerance.atol, tolerance.rtol];
  const expected = golden(name, order);
  const { data } = await download(tensor);
  expect(data.length, name).toBe(expected.data.length);
  let worst = 0;
  expected.data.forEach((value, i) => {
    const error = Math.abs(data[i]! - value);
    const share = error === 0 ? 0 : error / (atol + rtol * Math.abs(value));
    worst = Number.isNaN(share) ? Infinity : Math.max(worst, share);
  });
  tested.add(name);
  expect(worst, `${name}: largest error as a share of its tolerance`).toBeLessThanOrEqual(1);
}

/** Expected figures that no test has looked at. */
export function untested(): string[] {
  return Object.keys(description.tensors).filter((name) => description.tensors[name]!.role === 'expected' && !tested.has(name));
}

function permuted({ shape, data }: HostArray, order: readonly number[]): HostArray {
  const strides = shape.map((_, i) => sizeOf(shape.slice(i + 1)));
  const newShape = order.map((axis) => shape[axis]!);
  const result = data.slice();
  for (let flat = 0; flat < data.length; flat++) {
    let rest = flat;
    let from = 0;
    for (let i = order.length - 1; i >= 0; i--) {
      from += (rest % newShape[i]!) * strides[order[i]!]!;
      rest = Math.floor(rest / newShape[i]!);
    }
    result[flat] = data[from]!;
  }
  return { shape: newShape, data: result };
}
