import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { listFamilies } from '@hidden-attention/model';
import { ExplainError, UnknownNameError } from './errors.js';
import { fullName, type Explainer } from './explainer.js';
import { listExplainers } from './registry.js';

/** Explainers that each imported file registered: a file is run once in a process, however often it is asked for. */
const imported = new Map<string, readonly Explainer[]>();

/**
 * Imports a package, or a file, that registers explainers, families or other things by the public calls when it is imported.
 * @param name a file, from `folder` on, or a package that is installed there or above
 * @param others names of other things that it may register, as they are known now
 * @returns the explainers that it registered when it was imported first
 * @throws UnknownNameError where it is not there; ExplainError where it fails, or registers nothing here: it most likely has a copy of the
 * libraries of its own
 */
export async function importPackage(
  name: string,
  folder: string,
  others: () => readonly string[] = () => [],
): Promise<readonly Explainer[]> {
  const path = await pathOf(name, folder);
  const known = imported.get(path);
  if (known) return known;
  const registered = (): string[] => [...listExplainers().map(fullName), ...listFamilies(), ...others()];
  const [before, all] = [new Set(listExplainers()), registered().join()];
  try {
    await import(pathToFileURL(path).href);
  } catch (error) {
    throw new ExplainError(`importing ${path} failed: ${(error as Error).message}`, { cause: error });
  }
  if (registered().join() === all)
    throw new ExplainError(
      `${path} was imported and registered nothing; it should call registerExplainer, registerFamily or another such function, and use the same installation of the @hidden-attention packages as this program`,
    );
  const own = listExplainers().filter((explainer) => !before.has(explainer));
  imported.set(path, own);
  return own;
}

async function pathOf(name: string, folder: string): Promise<string> {
  const file = resolve(folder, name);
  if (statSync(file, { throwIfNoEntry: false })?.isFile()) return file;
  const { resolve: resolveSpecifier } = await import('import-meta-resolve');
  try {
    return fileURLToPath(resolveSpecifier(name, pathToFileURL(join(resolve(folder), 'importing.js')).href));
  } catch (error) {
    const reason = (error as Error).message.replace(/ imported from .*/s, '');
    throw new UnknownNameError(`${reason}; install it in ${resolve(folder)}, or name a file such as ./mine.js`, { cause: error });
  }
}
