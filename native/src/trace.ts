import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Handle, NativeDevice, OpArguments, OpField } from './addon.js';

interface Operand {
  dtype: number;
  handle: Handle;
  writes: boolean;
  before?: Promise<ArrayBuffer> | undefined;
  after?: Promise<ArrayBuffer>;
}

/**
 * Writes every op call of this process to a file, with its operands before and its results after, for native/check/replay.cc
 * to run on another device: HIDDEN_ATTENTION_TRACE names the folder. Calls with more than `largest` bytes of operands are
 * left out. The file's form stands in native/check/replay.cc.
 */
export class Trace {
  readonly #file: string;

  constructor(
    folder: string,
    name: string,
    readonly largest: number = 256 * 1024,
  ) {
    mkdirSync(folder, { recursive: true });
    this.#file = join(folder, `${name}-${process.pid}.trace`);
  }

  static fromEnvironment(name: string): Trace | undefined {
    const folder = process.env.HIDDEN_ATTENTION_TRACE;
    return folder ? new Trace(folder, name) : undefined;
  }

  /** Call it before the op is queued; what it returns, after. Reads are queued, so they see the numbers of their turn. */
  call(native: NativeDevice, name: string, fields: OpField[], args: OpArguments): () => void {
    const operands: Operand[] = [];
    const parts: (number[] | number)[] = []; // numbers of a record, or the place of an operand
    const visit = (list: OpField[], values: OpArguments): void => {
      for (const { name: field, role, items } of list) {
        const value = values[field];
        if (role === 'list') {
          const entries = (value ?? []) as OpArguments[];
          parts.push([3, entries.length]);
          for (const entry of entries) visit(items!, entry);
        } else if (['size', 'index', 'number', 'flag', 'kind'].includes(role)) parts.push([0, Number(value ?? 0)]);
        else if (!value) parts.push([1, 0]);
        else {
          const handle = Number(value);
          const reads = ['in', 'optional', 'update'].includes(role);
          parts.push(operands.length);
          operands.push({
            dtype: native.dtype(handle),
            handle,
            writes: !reads || role === 'update',
            before: reads ? native.read(handle) : undefined,
          });
        }
      }
    };
    visit(fields, args);
    return () => {
      for (const operand of operands) if (operand.writes) operand.after = native.read(operand.handle);
      void this.#write(name, parts, operands).catch(() => {}); // an op that fails is not replayed
    };
  }

  async #write(name: string, parts: (number[] | number)[], operands: Operand[]): Promise<void> {
    const read = await Promise.all(operands.map(async ({ before, after }) => [await before, await after] as const));
    const bytes = read.flat().reduce((sum, data) => sum + (data?.byteLength ?? 0), 0);
    if (bytes > this.largest) return;
    const doubles = (values: number[]): Buffer => Buffer.from(Float64Array.from(values).buffer);
    const text = Buffer.from(name.padEnd(32, '\0'));
    const body = parts.flatMap((part) => {
      if (Array.isArray(part)) return [doubles(part)];
      const [before, after] = read[part]!;
      const size = (before ?? after)!.byteLength;
      return [
        doubles([2, operands[part]!.dtype, size, (before ? 1 : 0) + (after ? 2 : 0)]),
        ...[before, after].flatMap((data) => (data ? [Buffer.from(data), Buffer.alloc((8 - (data.byteLength % 8)) % 8)] : [])),
      ];
    });
    appendFileSync(this.#file, Buffer.concat([text, doubles([parts.length]), ...body]));
  }
}
