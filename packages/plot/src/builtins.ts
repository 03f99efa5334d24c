// Parts of Node that only pictures need: they load when they are first used.

/** Compression, and the checksum that goes with it. */
export const zlib = (): typeof import('node:zlib') => process.getBuiltinModule('node:zlib');

/** SHA-256 of a text. */
export const sha256 = (text: string, encoding: 'hex' | 'base64'): string =>
  process.getBuiltinModule('node:crypto').createHash('sha256').update(text).digest(encoding);
