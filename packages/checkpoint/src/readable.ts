const hexadecimal = (byte: number): string => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;

/** Bytes in readable form: their text, if they are UTF-8; what does not show, byte by byte as <0x0A>. */
export function readableBytes(bytes: Uint8Array): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => Array.from(new TextEncoder().encode(character), hexadecimal).join(''));
  } catch {
    return Array.from(bytes, (byte) => (byte > 0x1f && byte < 0x7f ? String.fromCharCode(byte) : hexadecimal(byte))).join('');
  }
}
