import { availableParallelism } from 'node:os';
import { dtypes, type DType, type Handle, type MemoryUse, type NativeDevice } from './addon.js';
import { loadAddon } from './load.js';

/** An argument of an op: a number, a flag, or a tensor's handle; undefined where an operand is absent. */
export type OpArguments = Record<string, number | boolean | undefined>;

/** A mistake in choosing or using a device. */
export class DeviceError extends Error {
  override name = 'DeviceError';
}

/** Settings of a device; they count when it is first opened. */
export interface DeviceOptions {
  /** Threads of the processor: default HIDDEN_ATTENTION_THREADS, else all cores. */
  threads?: number;
  /** Instruction-set level (v4, v3, v2): default HIDDEN_ATTENTION_ISA, else the best one. */
  level?: string;
  /** Bytes that tensors may hold: default 95 % of the machine's memory. */
  memoryLimit?: number;
}

/**
 * An in-order queue with one worker. `run` checks the arguments' memory, queues the op and returns at once; an error while
 * it runs rejects the `read` that depends on it.
 */
export class Device {
  /** Numbers of the ops and the order of their arguments. */
  readonly #ops: Map<string, { index: number; fields: string[] }>;
  readonly #frame = new Float64Array(64);
  readonly #native: NativeDevice;

  private constructor(
    /** What `openDevice` was asked for: 'cpu'. */
    readonly name: string,
    /** Instruction-set level in use. */
    readonly level: string,
    readonly threads: number,
    memoryLimit: number,
  ) {
    const { addon } = loadAddon();
    this.#ops = new Map(addon.ops().map(({ name, fields }, index) => [name, { index, fields: fields.map((field) => field.name) }]));
    this.#native = new addon.Device(level, threads, memoryLimit, this.#frame);
  }

  /** Use `openDevice`, which keeps one device a name. */
  static open(name: string, options: DeviceOptions = {}): Device {
    if (name !== 'cpu') throw new DeviceError(`no device "${name}"; found: cpu. Pass "cpu", or leave the device out`);
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

  /** A copy of `data` on the device; the array may be changed at once. */
  upload(data: Float32Array | Int32Array): Handle {
    return this.#native.upload(data);
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
    const { fields } = op;
    for (let i = 0; i < fields.length; i++) this.#frame[i] = Number(args[fields[i]!] ?? 0);
    this.#native.run(op.index);
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
export function describeDevices(): { addon: string; levels: string[]; threads: number } {
  const { addon, path } = loadAddon();
  return { addon: path, levels: addon.levels(), threads: availableParallelism() };
}
