// The addon's own types: what binding/addon.cc exports. Everyone else uses the class Device of device.ts.

/** A tensor's memory on a device, by number; 0 names none. */
export type Handle = number;
/** Element types; the position in this list is the number the addon uses. */
export const dtypes = ['f32', 'i32'] as const;
export type DType = (typeof dtypes)[number];

export type FieldRole = 'size' | 'index' | 'number' | 'flag' | 'kind' | 'in' | 'optional' | 'out' | 'optionalOut' | 'update';

/** One op of the addon: its arguments in the order in which a call writes them. */
export interface OpFields {
  name: string;
  fields: { name: string; role: FieldRole }[];
}

/** Bytes held by a device. */
export interface MemoryUse {
  /** in tensors */
  live: number;
  /** kept for reuse */
  cached: number;
  /** the largest `live` so far */
  peak: number;
  /** what live and cached together may reach */
  limit: number;
}

export interface NativeDevice {
  allocate(dtype: number, count: number): Handle;
  upload(data: Float32Array | Int32Array): Handle;
  read(handle: Handle): Promise<ArrayBuffer>;
  release(handle: Handle): void;
  run(op: number): void;
  memory(resetPeak?: boolean): MemoryUse;
  trim(): void;
  close(): void;
}

export interface Addon {
  /** Instruction-set levels that the binary holds and this processor runs, best first. */
  levels(): string[];
  ops(): OpFields[];
  Device: new (level: string, threads: number, memoryLimit: number, frame: Float64Array) => NativeDevice;
}
