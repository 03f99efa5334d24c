/** Writes a file beside `path` and renames it when it is complete. The library that does so loads when it is first used. */
export async function writeFileAtomic(path: string, content: string): Promise<void> {
  const { default: write } = await import('write-file-atomic');
  await write(path, content);
}
