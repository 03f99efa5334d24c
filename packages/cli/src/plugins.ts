import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { fullName, listExplainers } from '@hidden-attention/explain';
import { listFamilies } from '@hidden-attention/model';
import { UsageError } from './errors.js';

/**
 * Imports packages (found from the current folder, as Node finds them) or files that register explainers, families or other things by
 * the public calls when they are imported.
 * @throws UsageError for a package that is not there or fails; Error for one that registers nothing here: then it most likely has a
 * copy of the libraries of its own
 */
export async function loadPlugins(names: readonly string[]): Promise<void> {
  for (const name of names) {
    const before = registered();
    let path: string;
    try {
      path = createRequire(join(process.cwd(), 'plugins.js')).resolve(name);
    } catch (error) {
      throw new UsageError(
        `--plugin ${name}: ${(error as Error).message.split('\n')[0]}; install it in ${process.cwd()}, or name a file such as ./mine.js`,
      );
    }
    try {
      await import(pathToFileURL(path).href);
    } catch (error) {
      throw new UsageError(`--plugin ${name}: importing ${path} failed: ${(error as Error).message}`);
    }
    if (registered() === before)
      throw new Error(
        `--plugin ${name}: ${path} was imported and registered nothing; it should call registerExplainer or registerFamily, and use the same installation of @hidden-attention/explain and @hidden-attention/model as this command`,
      );
  }
}

const registered = (): string => [...listExplainers().map(fullName), ...listFamilies()].join();
