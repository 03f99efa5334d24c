/** Bytes as text, one character a byte; what lies behind the end is left out. */
export const latin1 = (bytes: Uint8Array, at: number, length: number): string =>
  Buffer.from(bytes.subarray(at, at + length)).toString('latin1');
