// The addon's own types: what binding/addon.cc exports. Everyone else uses the class Device of device.ts.

/** A tensor's memory on a device, by number; 0 names none. */
export type Handle = number;
/** Element types; the position in this list is the number the addon uses. */
export const dtypes = ['f32', 'i32', 'bf16', 'f16', 'i8'] as const;
export type DType = (typeof dtypes)[number];

export type FieldRole = 'size' | 'index' | 'number' | 'flag' | 'kind' | 'in' | 'optional' | 'out' | 'optionalOut' | 'update' | 'list';

/** One op of the addon: its arguments in the order in which a call writes them. */
export interface OpFields {
  name: string;
  fields: OpField[];
}

export interface OpField {
  name: string;
  role: FieldRole;
  /** of a list: the fields of each of its items */
  items?: OpField[];
}

/** An argument of an op: a number, a flag, a tensor's handle, undefined where an operand is absent, or a list of such. */
export type OpArguments = { [name: string]: number | boolean | undefined | OpArguments[] };

/** Arrays whose bytes become a tensor's: Uint16Array for bf16 and f16. */
export type DeviceArray = Float32Array | Int32Array | Uint16Array | Int8Array;

/** What one kind of device (`cuda`, `simt`) offers on this machine. */
export interface DeviceKind {
  kind: string;
  devices: { name: string; description: string; memory: number }[];
  /** why there is none */
  missing?: string;
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
  upload(data: DeviceArray, dtype: number): Handle;
  write(handle: Handle, data: DeviceArray): void;
  read(handle: Handle): Promise<ArrayBuffer>;
  dtype(handle: Handle): number;
  release(handle: Handle): void;
  run(op: number): void;
  memory(resetPeak?: boolean): MemoryUse;
  beginRecording(): void;
  endRecording(): number;
  pauseRecording(): void;
  resumeRecording(): void;
  replay(recording: number): void;
  disposeRecording(recording: number): void;
  trim(): void;
  close(): void;
}

export interface Addon {
  /** Instruction-set levels that the binary holds and this processor runs, best first. */
  levels(): string[];
  ops(): OpFields[];
  devices(): DeviceKind[];
  Device: new (name: string, level: string, threads: number, memoryLimit: number, frame: Float64Array) => NativeDevice;
}
