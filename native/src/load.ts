import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Addon } from './addon.js';

const folder = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);

let loaded: { addon: Addon; path: string } | undefined;

/**
 * The addon: the file that HIDDEN_ATTENTION_ADDON names, else a build in this package, else the package with the binary for
 * this platform. Throws one error that lists what was tried and what to run.
 */
export function loadAddon(): { addon: Addon; path: string } {
  if (loaded) return loaded;
  const named = process.env.HIDDEN_ATTENTION_ADDON;
  const platform = `@hidden-attention/native-${process.platform}-${process.arch}`;
  const candidates = named ? [named] : [join(folder, 'build/RelWithDebInfo/hidden_attention.node'), platform];
  const tried: string[] = [];
  for (const path of candidates) {
    if (path !== platform && !existsSync(path)) {
      tried.push(`${path}: no such file`);
      continue;
    }
    try {
      loaded = { addon: require(path) as Addon, path };
      offerCudaLibrary();
      return loaded;
    } catch (error) {
      tried.push(`${path}: ${(error as Error).message.split('\n')[0]}`);
    }
  }
  throw new Error(
    `hidden-attention: the native addon was not found for ${process.platform}-${process.arch}, Node ${process.versions.node}.\n` +
      tried.map((line) => `  tried ${line}`).join('\n') +
      `\nBuild it with a C++ compiler and CMake: npm install --no-save cmake-js@8 node-addon-api@8 node-api-headers && node ${join(folder, 'build.mjs')}`,
  );
}

/** Tells the addon where an installed CUDA library lies; one built beside the addon, or named by the user, comes first. */
function offerCudaLibrary(): void {
  if (process.env.HIDDEN_ATTENTION_CUDA_LIBRARY || existsSync(join(folder, 'build/RelWithDebInfo/hidden_attention_cuda.so'))) return;
  try {
    const manifest = require.resolve(`@hidden-attention/native-${process.platform}-${process.arch}-cuda/package.json`);
    process.env.HIDDEN_ATTENTION_CUDA_LIBRARY = join(dirname(manifest), 'hidden_attention_cuda.so');
  } catch {
    // not installed: `doctor` says so
  }
}
