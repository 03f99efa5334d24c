/** Element types of safetensors files that are read and written, and the bytes of one element. */
export const elementBytes = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1 } as const;

/** An element type, as safetensors files name it. */
export type StoredDType = keyof typeof elementBytes;

/** The array in which JavaScript holds numbers of each type; F16 and BF16 are widened to Float32. */
export interface ArrayOfDType {
  F64: Float64Array<ArrayBuffer>;
  F32: Float32Array<ArrayBuffer>;
  F16: Float32Array<ArrayBuffer>;
  BF16: Float32Array<ArrayBuffer>;
  I64: BigInt64Array<ArrayBuffer>;
  I32: Int32Array<ArrayBuffer>;
  I16: Int16Array<ArrayBuffer>;
  I8: Int8Array<ArrayBuffer>;
  U8: Uint8Array<ArrayBuffer>;
  BOOL: Uint8Array<ArrayBuffer>;
}

const constructors = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Float32Array,
  BF16: Float32Array,
  I64: BigInt64Array,
  I32: Int32Array,
  I16: Int16Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const;

/** An array for `count` numbers of a type, zeros. */
export function arrayFor<T extends StoredDType>(dtype: T, count: number): ArrayOfDType[T] {
  return new constructors[dtype](count) as unknown as ArrayOfDType[T];
}

/** Whether `data` is the kind of array that holds this type as it is stored: for F16 and BF16 the bits. */
export function holds(dtype: StoredDType, data: ArrayBufferView): boolean {
  if (dtype === 'F16' || dtype === 'BF16') return data instanceof Uint16Array;
  return elementBytes[dtype] === constructors[dtype].BYTES_PER_ELEMENT && data instanceof constructors[dtype];
}

let halves: Float32Array | undefined;

/** All 65,536 half-precision numbers (IEEE 754 binary16). */
function halfTable(): Float32Array {
  if (halves) return halves;
  halves = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 31) halves[bits] = fraction ? NaN : sign * Infinity;
    else halves[bits] = sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
  }
  return halves;
}

/** Widens 16-bit floats to 32 bits: exact. */
export function widen(dtype: 'F16' | 'BF16', from: Uint16Array, to: Float32Array): void {
  if (dtype === 'F16') {
    const table = halfTable();
    for (let i = 0; i < from.length; i++) to[i] = table[from[i]!]!;
  } else {
    const bits = new Uint32Array(to.buffer, to.byteOffset, to.length);
    for (let i = 0; i < from.length; i++) bits[i] = from[i]! << 16;
  }
}
