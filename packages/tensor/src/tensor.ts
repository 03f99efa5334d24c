import { openDevice, type Device, type DType, type Handle } from '@hidden-attention/native';
import { currentScope } from './scope.js';
import { ShapeError, formatShape } from './shape-error.js';

/** Memory on a device, shared by the tensors that are views of it. */
interface Storage {
  readonly device: Device;
  readonly handle: Handle;
  /** of i8: the scales of its groups */
  readonly scales?: Handle;
  tensors: number;
}

// The safety net under dispose and scope: a tensor that was simply forgotten gives its memory back when it is collected.
const forgotten = new FinalizationRegistry<Storage>((storage) => releaseStorage(storage));

function releaseStorage(storage: Storage): void {
  if (--storage.tensors > 0) return;
  storage.device.release(storage.handle);
  if (storage.scales !== undefined) storage.device.release(storage.scales);
}

/** The types of real numbers: kernels compute in f32, whatever their operands are stored in. */
export type Float = Exclude<DType, 'i32' | 'i8'>;

/** The types that weights are held in: real numbers, or whole ones of 8 bits in groups with a scale each (`quantize`). */
export type WeightType = Float | 'i8';

/** Numbers of a row that share a scale where a tensor is held in int8. */
export const groupSize = 32;

/** Numbers of a `dtype`, as JavaScript holds them: those of 16 bits widened, those of 8 bits times their scales. */
export type TypedArrayOf<T extends DType = DType> = T extends 'i32' ? Int32Array<ArrayBuffer> : Float32Array<ArrayBuffer>;

/**
 * An immutable array of numbers on a device: row-major, contiguous. Ops queue work and return at once; `read` waits.
 * Free it with `dispose` (or `using`), or make it inside `scope`; the garbage collector is only the safety net.
 */
export class Tensor<T extends DType = DType> {
  #storage: Storage;
  #owned = true;
  #retained = 0;

  /** Takes over `storage`; use `Tensor.from`, `Tensor.empty` or an op. */
  private constructor(
    storage: Storage,
    readonly shape: readonly number[],
    readonly dtype: T,
    /** of a weight in int8: whether `linear` rounds to 8 bits what it multiplies with it; see `quantize` */
    readonly roundsActivations: boolean = false,
  ) {
    this.#storage = storage;
    storage.tensors++;
    forgotten.register(this, storage, this);
    currentScope()?.add(this);
  }

  /**
   * A tensor with a copy of `data`.
   * @param shape sizes of the axes; their product is the length of `data` (ShapeError otherwise)
   */
  static from(data: Float32Array, shape?: readonly number[], device?: Device): Tensor<'f32'>;
  static from(data: Int32Array, shape?: readonly number[], device?: Device): Tensor<'i32'>;
  static from(data: Float32Array | Int32Array, shape: readonly number[] = [data.length], device: Device = openDevice()): Tensor {
    if (sizeOf(shape) !== data.length) {
      throw new ShapeError(`Tensor.from: shape ${formatShape(shape)} needs ${sizeOf(shape)} numbers; ${data.length} were given`);
    }
    return new Tensor({ device, handle: device.upload(data), tensors: 0 }, [...shape], data instanceof Int32Array ? 'i32' : 'f32');
  }

  /**
   * A tensor with a copy of numbers of 16 bits, as files store them.
   * @param bits one bfloat16 or IEEE half-precision number each
   * @param shape sizes of the axes; their product is the length of `bits` (ShapeError otherwise)
   */
  static fromBits<T extends 'bf16' | 'f16'>(
    bits: Uint16Array,
    dtype: T,
    shape: readonly number[],
    device: Device = openDevice(),
  ): Tensor<T> {
    if (sizeOf(shape) !== bits.length) {
      throw new ShapeError(`Tensor.fromBits: shape ${formatShape(shape)} needs ${sizeOf(shape)} numbers; ${bits.length} were given`);
    }
    return new Tensor<T>({ device, handle: device.upload(bits, dtype), tensors: 0 }, [...shape], dtype);
  }

  /**
   * A tensor in int8 out of its parts, as GGUF's Q8_0 has them: each number is a whole one times the scale of its group.
   * @param numbers as many as `shape` says, row-major; its last axis is a multiple of 32 (ShapeError otherwise)
   * @param scales one for each group of 32 numbers
   */
  static fromGroups(numbers: Int8Array, scales: Float32Array, shape: readonly number[], device: Device = openDevice()): Tensor<'i8'> {
    requireGroups('Tensor.fromGroups', shape);
    const size = sizeOf(shape);
    if (size !== numbers.length || scales.length * groupSize !== size) {
      throw new ShapeError(
        `Tensor.fromGroups: shape ${formatShape(shape)} needs ${size} numbers and ${size / groupSize} scales; ` +
          `${numbers.length} and ${scales.length} were given`,
      );
    }
    const [handle, ofScales] = [device.upload(numbers, 'i8'), device.upload(scales)];
    return new Tensor({ device, handle, scales: ofScales, tensors: 0 }, [...shape], 'i8');
  }

  /** A tensor whose numbers are not set yet: for ops that write all of it. */
  static empty<T extends DType = 'f32'>(shape: readonly number[], device: Device = openDevice(), dtype: T = 'f32' as T): Tensor<T> {
    if (dtype === 'i8') requireGroups('Tensor.empty', shape);
    const size = sizeOf(shape);
    const handle = device.allocate(dtype, size);
    const storage = dtype === 'i8' ? { scales: device.allocate('f32', size / groupSize) } : {};
    return new Tensor<T>({ device, handle, ...storage, tensors: 0 }, [...shape], dtype);
  }

  /** A tensor whose numbers are not set yet, of the type (f32 for int8) and on the device of `other`, and of its shape unless told. */
  static like(other: Tensor, shape: readonly number[] = other.shape): Tensor<Float> {
    return Tensor.empty(shape, other.device, commonType(other));
  }

  /** A tensor in which every number is `value`. */
  static full(shape: readonly number[], value: number, device: Device = openDevice()): Tensor<'f32'> {
    const result = Tensor.empty(shape, device);
    device.run('fill', { count: result.size, value, y: result.handle });
    return result;
  }

  /**
   * Another tensor on the same memory, with its own shape and its own life. No tape records it: `reshape` is the op.
   * @param roundsActivations of one in int8: whether that one does
   */
  view(shape: readonly number[] = this.shape, roundsActivations: boolean = this.roundsActivations): Tensor<T> {
    if (sizeOf(shape) !== this.size) {
      throw new ShapeError(`view: ${formatShape(this.shape)} holds ${this.size} numbers; ${formatShape(shape)} needs ${sizeOf(shape)}`);
    }
    if (this.dtype === 'i8') requireGroups('view', shape);
    void this.handle;
    return new Tensor<T>(this.#storage, [...shape], this.dtype, this.dtype === 'i8' && roundsActivations);
  }

  /** Another tensor with the same numbers in another type, rounded to the nearest. No tape records it: `cast` is the op. */
  as<U extends Float>(dtype: U): Tensor<U> {
    const result = Tensor.empty(this.shape, this.device, dtype);
    if (this.dtype === 'i8') {
      const width = this.shape.at(-1)!;
      const rows = this.size / width;
      const { handle: q, scales } = this;
      this.device.run('embeddingInt8', { count: rows, vocabulary: rows, width, q, scales, y: result.handle });
    } else this.device.run('cast', { count: this.size, x: this.handle, y: result.handle });
    return result;
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** Bytes of the device's memory that its numbers take. */
  get bytes(): number {
    const { size } = this;
    return this.dtype === 'i8' ? size + 4 * (size / groupSize) : size * (this.dtype === 'bf16' || this.dtype === 'f16' ? 2 : 4);
  }

  get device(): Device {
    return this.#storage.device;
  }

  /** For ops: the memory's number on the device. Throws after the tensor was disposed of. */
  get handle(): Handle {
    if (this.disposed) throw new Error(`a tensor ${formatShape(this.shape)} was used after it was disposed of`);
    return this.#storage.handle;
  }

  /** For ops on int8: the memory of the scales, one in f32 for each group of 32 numbers. */
  get scales(): Handle {
    void this.handle;
    const { scales } = this.#storage;
    if (scales === undefined) throw new Error(`a tensor of ${this.dtype} has no scales; quantize gives one that has`);
    return scales;
  }

  /** The numbers, once everything queued before has run. Rejects with the error of an op that they depend on. */
  async read(): Promise<TypedArrayOf<T>> {
    if (this.dtype !== 'f32' && this.dtype !== 'i32') {
      const wide = this.as('f32');
      const numbers = wide.read();
      wide.dispose();
      return numbers as Promise<TypedArrayOf<T>>;
    }
    const bytes = await this.device.read(this.handle);
    const all = this.dtype === 'i32' ? new Int32Array(bytes) : new Float32Array(bytes);
    return all.subarray(0, this.size) as TypedArrayOf<T>;
  }

  /** The number of a tensor that holds one. */
  async item(): Promise<number> {
    if (this.size !== 1) throw new ShapeError(`item: ${formatShape(this.shape)} holds ${this.size} numbers; one is needed`);
    return (await this.read())[0]!;
  }

  /** Keeps the tensor usable, whatever its owner does, until a matching `letGo`: the tape does so with what its gradients need. */
  retain(): void {
    void this.handle;
    this.#retained++;
  }

  /** Ends one `retain`. */
  letGo(): void {
    if (this.#retained > 0 && --this.#retained === 0 && !this.#owned) this.#free();
  }

  /** Gives the memory back for later ops; ops already queued still use it. Doing so twice does nothing. */
  dispose(): void {
    if (!this.#owned) return;
    this.#owned = false;
    if (this.#retained === 0) this.#free();
  }

  #free(): void {
    forgotten.unregister(this);
    releaseStorage(this.#storage);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  get disposed(): boolean {
    return !this.#owned && this.#retained === 0;
  }
}

/** The type of what is made of several tensors: theirs where they agree, else f32, and f32 for int8. */
export function commonType(...tensors: readonly Tensor[]): Float {
  const [first] = tensors;
  return first && first.dtype !== 'i8' && tensors.every(({ dtype }) => dtype === first.dtype) ? (first.dtype as Float) : 'f32';
}

/** Whether the rows of a tensor of this shape are whole groups: what can be held in int8. */
export function inGroups(shape: readonly number[]): boolean {
  const width = shape.at(-1) ?? 0;
  return width > 0 && width % groupSize === 0;
}

function requireGroups(who: string, shape: readonly number[]): void {
  if (!inGroups(shape))
    throw new ShapeError(`${who}: ${formatShape(shape)} cannot be held in int8; its last axis must be a multiple of ${groupSize}`);
}

/** Product of a shape's sizes. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
