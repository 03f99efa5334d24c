import { UsageError } from './errors.js';

/**
 * Imports packages, found from the current folder, or files that register explainers, families or other things.
 * @throws UsageError for one that is not there or fails; Error for one that registers nothing here
 */
export async function loadPlugins(names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const { importPackage, UnknownNameError } = await import('@hidden-attention/explain');
  for (const name of names)
    await importPackage(name, process.cwd()).catch((error: Error) => {
      const Kind = error instanceof UnknownNameError ? UsageError : Error;
      throw new Kind(`--plugin ${name}: ${error.message}`, { cause: error });
    });
}
