import { openDevice, type Device, type DType, type Handle } from '@hidden-attention/native';
import { currentScope } from './scope.js';
import { ShapeError, formatShape } from './shape-error.js';

/** Memory on a device, shared by the tensors that are views of it. */
interface Storage {
  readonly device: Device;
  readonly handle: Handle;
  tensors: number;
}

// The safety net under dispose and scope: a tensor that was simply forgotten gives its memory back when it is collected.
const forgotten = new FinalizationRegistry<Storage>((storage) => releaseStorage(storage));

function releaseStorage(storage: Storage): void {
  if (--storage.tensors === 0) storage.device.release(storage.handle);
}

/** The types of real numbers: kernels compute in f32, whatever their operands are stored in. */
export type Float = Exclude<DType, 'i32'>;

/** Numbers of a `dtype`, as JavaScript holds them: those of 16 bits widened. */
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

  /** A tensor whose numbers are not set yet: for ops that write all of it. */
  static empty<T extends DType = 'f32'>(shape: readonly number[], device: Device = openDevice(), dtype: T = 'f32' as T): Tensor<T> {
    return new Tensor<T>({ device, handle: device.allocate(dtype, sizeOf(shape)), tensors: 0 }, [...shape], dtype);
  }

  /** A tensor whose numbers are not set yet, of the type and on the device of `other`, and of its shape unless told. */
  static like(other: Tensor, shape: readonly number[] = other.shape): Tensor<Float> {
    return Tensor.empty(shape, other.device, other.dtype as Float);
  }

  /** A tensor in which every number is `value`. */
  static full(shape: readonly number[], value: number, device: Device = openDevice()): Tensor<'f32'> {
    const result = Tensor.empty(shape, device);
    device.run('fill', { count: result.size, value, y: result.handle });
    return result;
  }

  /** Another tensor on the same memory, with its own shape and its own life. No tape records it: `reshape` is the op. */
  view(shape: readonly number[] = this.shape): Tensor<T> {
    if (sizeOf(shape) !== this.size) {
      throw new ShapeError(`view: ${formatShape(this.shape)} holds ${this.size} numbers; ${formatShape(shape)} needs ${sizeOf(shape)}`);
    }
    void this.handle;
    return new Tensor<T>(this.#storage, [...shape], this.dtype);
  }

  /** Another tensor with the same numbers in another type, rounded to the nearest. No tape records it: `cast` is the op. */
  as<U extends Float>(dtype: U): Tensor<U> {
    const result = Tensor.empty(this.shape, this.device, dtype);
    this.device.run('cast', { count: this.size, x: this.handle, y: result.handle });
    return result;
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  get device(): Device {
    return this.#storage.device;
  }

  /** For ops: the memory's number on the device. Throws after the tensor was disposed of. */
  get handle(): Handle {
    if (this.disposed) throw new Error(`a tensor ${formatShape(this.shape)} was used after it was disposed of`);
    return this.#storage.handle;
  }

  /** The numbers, once everything queued before has run. Rejects with the error of an op that they depend on. */
  async read(): Promise<TypedArrayOf<T>> {
    if (this.dtype === 'bf16' || this.dtype === 'f16') {
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

/** The type of what is made of several tensors: theirs where they agree, else f32. */
export function commonType(...tensors: readonly Tensor[]): Float {
  const [first] = tensors;
  return first && tensors.every(({ dtype }) => dtype === first.dtype) ? (first.dtype as Float) : 'f32';
}

/** Product of a shape's sizes. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
