/** SHA-256 of a text. Node's cryptography loads when this is first called. */
export const sha256 = (text: string, encoding: 'hex'): string =>
  process.getBuiltinModule('node:crypto').createHash('sha256').update(text).digest(encoding);
