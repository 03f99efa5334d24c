import { availableParallelism } from 'node:os';
import {
  dtypes,
  type DeviceArray,
  type DeviceKind,
  type DType,
  type Handle,
  type MemoryUse,
  type NativeDevice,
  type OpArguments,
  type OpField,
} from './addon.js';
import { loadAddon } from './load.js';
import { Trace } from './trace.js';

/** Ops that were kept by `Device.record`. */
export interface Recording {
  /** Queues all of them. */
  replay(): void;
  /** Frees what they allocated. */
  dispose(): void;
}

/** Numbers that the arguments of one op can take: those of an optimiser name every parameter of a model. */
const frameLength = 65536;

/** What holds the numbers of each type in JavaScript. */
const arrays = { f32: Float32Array, i32: Int32Array, bf16: Uint16Array, f16: Uint16Array, i8: Int8Array } as const;

/** A mistake in choosing or using a device. */
export class DeviceError extends Error {
  override name = 'DeviceError';
}

/** Settings of a device; they count when it is first opened. */
export interface DeviceOptions {
  /** Threads, of the processor: default HIDDEN_ATTENTION_THREADS, else all cores. */
  threads?: number;
  /** Instruction-set level, of the processor (v4, v3, v2): default HIDDEN_ATTENTION_ISA, else the best one. */
  level?: string;
  /** Bytes that tensors may hold: default 95 % of the machine's memory, or of the card's. */
  memoryLimit?: number;
}

/**
 * An in-order queue with one worker. `run` checks the arguments' memory, queues the op and returns at once; an error while
 * it runs rejects the `read` that depends on it.
 */
export class Device {
  /** Numbers of the ops and the order of their arguments. */
  readonly #ops: Map<string, { index: number; fields: OpField[] }>;
  readonly #frame = new Float64Array(frameLength);
  readonly #native: NativeDevice;
  readonly #trace: Trace | undefined;
  #recording = false;

  private constructor(
    /** What `openDevice` was asked for: 'cpu', 'cuda', 'cuda:1', … */
    readonly name: string,
    /** Instruction-set level in use; '' where it is not the processor. */
    readonly level: string,
    readonly threads: number,
    memoryLimit: number,
  ) {
    const { addon } = loadAddon();
    this.#ops = new Map(addon.ops().map(({ name, fields }, index) => [name, { index, fields }]));
    try {
      this.#native = new addon.Device(name, level, threads, memoryLimit, this.#frame);
      this.#trace = Trace.fromEnvironment(name);
    } catch (error) {
      throw new DeviceError(`no device "${name}": ${(error as Error).message}. Found: ${foundDevices().join(', ')}`);
    }
  }

  /** Use `openDevice`, which keeps one device a name. */
  static open(name: string, options: DeviceOptions = {}): Device {
    if (/^(cuda|simt)(:\d+)?$/.test(name)) return new Device(name, '', 1, options.memoryLimit ?? 0);
    if (name.includes(','))
      throw new DeviceError(
        `"${name}" names several devices; work is not shared among several yet (data-parallel training would need NCCL). Pass one of: ${foundDevices().join(', ')}`,
      );
    if (name !== 'cpu')
      throw new DeviceError(`no device "${name}"; found: ${foundDevices().join(', ')}. Pass one of these, or leave the device out`);
    const levels = loadAddon().addon.levels();
    const level = options.level ?? (process.env.HIDDEN_ATTENTION_ISA || levels[0]!);
    if (!levels.includes(level)) {
      throw new DeviceError(`no instruction-set level "${level}" (HIDDEN_ATTENTION_ISA); this processor runs: ${levels.join(', ')}`);
    }
    const asked =
      options.threads ?? (process.env.HIDDEN_ATTENTION_THREADS ? Number(process.env.HIDDEN_ATTENTION_THREADS) : availableParallelism());
    if (!Number.isInteger(asked) || asked < 1 || asked > 256) {
      throw new DeviceError(`threads (HIDDEN_ATTENTION_THREADS) is ${asked}; a whole number from 1 to 256 is needed`);
    }
    return new Device(name, level, asked, options.memoryLimit ?? 0);
  }

  /** Uninitialised memory for `count` elements. Throws RangeError when it does not fit. */
  allocate(dtype: DType, count: number): Handle {
    return this.#native.allocate(dtypes.indexOf(dtype), count);
  }

  /** A copy of `data` on the device; the array may be changed at once. The bits of bf16 and f16 come as a Uint16Array. */
  upload(data: DeviceArray, dtype: DType = data instanceof Int32Array ? 'i32' : 'f32'): Handle {
    if (!(data instanceof arrays[dtype])) {
      throw new DeviceError(`upload: ${data.constructor.name} cannot hold ${dtype}`);
    }
    return this.#native.upload(data, dtypes.indexOf(dtype));
  }

  /** Puts new numbers into a tensor's memory, behind everything queued; the array may be changed at once. */
  write(handle: Handle, data: DeviceArray): void {
    this.#native.write(handle, data);
  }

  /** The numbers behind a handle, as soon as everything queued before has run; rejects with the error of an op they depend on. */
  async read(handle: Handle): Promise<ArrayBuffer> {
    return this.#native.read(handle);
  }

  /** Frees a handle's memory for later ops. Freeing twice does nothing. */
  release(handle: Handle): void {
    this.#native.release(handle);
  }

  /** Queues op `name` (a row of ops/table.def). */
  run(name: string, args: OpArguments): void {
    const op = this.#ops.get(name);
    if (!op) throw new DeviceError(`no op "${name}"; known: ${[...this.#ops.keys()].join(', ')}`);
    this.#fill(name, op.fields, args, 0);
    const written = this.#trace?.call(this.#native, name, op.fields, args);
    this.#native.run(op.index);
    written?.();
  }

  #fill(op: string, fields: OpField[], args: OpArguments, at: number): number {
    let known = 0;
    if (at + fields.length > frameLength) throw new DeviceError(`an op with more than ${frameLength} arguments`);
    for (const field of fields) {
      const value = args[field.name];
      if (field.name in args) known++;
      if (field.role === 'list') {
        const items = (value ?? []) as OpArguments[];
        this.#frame[at++] = items.length;
        for (const item of items) at = this.#fill(op, field.items!, item, at);
      } else this.#frame[at++] = Number(value ?? 0);
    }
    const given = Object.keys(args);
    if (known < given.length) {
      const unknown = given.filter((key) => fields.every((field) => field.name !== key)).join(', ');
      throw new DeviceError(
        `op ${op} has no argument ${unknown}; it takes ${fields.map((field) => field.name).join(', ')}. Where the code is right, the addon is of another version: build it again (node native/build.mjs)`,
      );
    }
    return at;
  }

  /**
   * Keeps the ops that `body` runs, instead of running them, to be run again and again on the same memory: a decoding step
   * whose inputs are replaced by `write`. What `body` allocates belongs to the recording, also after its release. On a GPU
   * the whole row of ops becomes one launch. `body` must not read.
   */
  record(body: () => void): Recording {
    this.#native.beginRecording();
    this.#recording = true;
    let error: unknown;
    try {
      body();
    } catch (thrown) {
      error = thrown;
    }
    this.#recording = false;
    const number = this.#native.endRecording();
    const recording: Recording = {
      replay: () => this.#native.replay(number),
      dispose: () => this.#native.disposeRecording(number),
    };
    if (error === undefined) return recording;
    recording.dispose();
    throw error;
  }

  /**
   * Runs the ops of `body` now and once, also while a recording is under way: what is the same in every replay of it. What `body` leaves
   * and the recorder releases belongs to the recording.
   */
  once<T>(body: () => T): T {
    if (!this.#recording) return body();
    this.#native.pauseRecording();
    this.#recording = false;
    try {
      return body();
    } finally {
      this.#native.resumeRecording();
      this.#recording = true;
    }
  }

  /** Waits until everything queued so far has run. */
  async finish(): Promise<void> {
    const fence = this.allocate('f32', 0);
    try {
      await this.read(fence);
    } finally {
      this.release(fence);
    }
  }

  /** Bytes held; `resetPeak` starts a new measurement of the peak. */
  memory(options: { resetPeak?: boolean } = {}): MemoryUse {
    return this.#native.memory(options.resetPeak ?? false);
  }

  /** Gives memory kept for reuse back to the system. */
  trim(): void {
    this.#native.trim();
  }

  /** Stops the worker after the op that runs; later calls throw. */
  close(): void {
    this.#native.close();
    if (open.get(this.name) === this) open.delete(this.name);
  }
}

const open = new Map<string, Device>();

/**
 * The device of that name, opened on first use and shared from then on. Default: HIDDEN_ATTENTION_DEVICE, else 'cpu'.
 * Throws DeviceError for a device that this machine or this build does not have.
 */
export function openDevice(name: string = process.env.HIDDEN_ATTENTION_DEVICE || 'cpu', options: DeviceOptions = {}): Device {
  const found = open.get(name);
  if (found) return found;
  const device = Device.open(name, options);
  open.set(name, device);
  return device;
}

/** What this machine offers, for `doctor`. */
export function describeDevices(): { addon: string; levels: string[]; threads: number; kinds: DeviceKind[] } {
  const { addon, path } = loadAddon();
  // `simt` is built for tests only: nobody misses it
  const kinds = addon.devices().filter(({ kind, devices }) => kind !== 'simt' || devices.length > 0);
  return { addon: path, levels: addon.levels(), threads: availableParallelism(), kinds };
}

function foundDevices(): string[] {
  return ['cpu', ...describeDevices().kinds.flatMap(({ devices }) => devices.map(({ name }) => name))];
}
