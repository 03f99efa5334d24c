const one = new Float32Array(1);
const bits = new Uint32Array(one.buffer);

/** The IEEE half-precision number nearest to x, ties to even, as its bits. */
export function toHalf(x: number): number {
  one[0] = x;
  const all = bits[0]!;
  const sign = (all >>> 16) & 0x8000;
  const exponent = (all >>> 23) & 255;
  let fraction = all & 0x7fffff;
  if (exponent === 255) return sign | 0x7c00 | (fraction ? 0x200 : 0);
  if (exponent < 102) return sign; // below half of the smallest
  fraction |= 0x800000;
  // bits that go: 13, and one more for each power of two below the smallest normal number
  const gone = exponent < 113 ? 13 + (113 - exponent) : 13;
  const kept = fraction >>> gone;
  const rest = fraction & ((1 << gone) - 1);
  const halfway = 1 << (gone - 1);
  const rounded = kept + (rest > halfway || (rest === halfway && (kept & 1) === 1) ? 1 : 0);
  // a carry out of the fraction runs into the exponent, as it should
  const result = exponent < 113 ? rounded : ((exponent - 113) << 10) + rounded;
  return result >= 0x7c00 ? sign | 0x7c00 : sign | result;
}

/** The bfloat16 nearest to x, ties to even, as its bits. */
function toBFloat(x: number): number {
  one[0] = x;
  const all = bits[0]!;
  if ((all & 0x7fffffff) > 0x7f800000) return (all >>> 16) | 0x40;
  return ((all + 0x7fff + ((all >>> 16) & 1)) >>> 16) & 0xffff;
}

/** Numbers rounded to 16 bits, as their bits. */
export function narrow(dtype: 'F16' | 'BF16', from: Float32Array): Uint16Array<ArrayBuffer> {
  const to = new Uint16Array(from.length);
  const round = dtype === 'F16' ? toHalf : toBFloat;
  for (let i = 0; i < from.length; i++) to[i] = round(from[i]!);
  return to;
}
