// The one rule between packages: each imports only packages below it (docs/architecture.md). Reads the dependencies that the
// package.json files declare and the imports that the sources make.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './setup.mjs';

/** package → what it may import */
const allowed = {
  native: [],
  tensor: ['native'],
  plot: [],
  model: ['tensor'],
  checkpoint: ['model', 'tensor'],
  runner: ['checkpoint', 'model', 'tensor'],
  train: ['checkpoint', 'model', 'tensor', 'plot'],
  attention: ['model', 'tensor'],
  explain: ['attention', 'checkpoint', 'runner', 'model', 'tensor'],
  zoo: ['checkpoint', 'model'],
  evaluate: ['explain', 'train', 'checkpoint', 'zoo', 'plot', 'runner', 'attention', 'model', 'tensor'],
  cli: ['native', 'tensor', 'model', 'checkpoint', 'runner', 'train', 'attention', 'explain', 'plot', 'zoo', 'evaluate'],
};
const mistakes = [];
for (const [name, below] of Object.entries(allowed)) {
  const folder = join(root, name === 'native' ? 'native' : `packages/${name}`);
  const declared = Object.keys(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).dependencies ?? {});
  for (const file of readdirSync(join(folder, 'src'), { recursive: true, withFileTypes: true })) {
    if (!file.isFile() || !/\.tsx?$/.test(file.name)) continue;
    const path = join(file.parentPath ?? file.path, file.name);
    for (const [, specifier] of readFileSync(path, 'utf8').matchAll(/(?:\bfrom\s+|\bimport\s*\(?\s*)'([^'.][^']*)'/g)) {
      if (specifier.startsWith('node:')) continue;
      const imported = /^@hidden-attention\/([^/]+)/.exec(specifier)?.[1] ?? (specifier === 'hidden-attention' ? 'cli' : undefined);
      const packageName = specifier.startsWith('@') ? specifier.split('/').slice(0, 2).join('/') : specifier.split('/')[0];
      if (imported && imported !== name && !below.includes(imported))
        mistakes.push(`${path}: ${name} may not import ${specifier}; it may import: ${below.join(', ') || 'nothing of ours'}`);
      else if (imported !== name && !declared.includes(packageName) && packageName !== 'vitest')
        mistakes.push(`${path}: ${specifier} is not a dependency of ${name}`);
    }
  }
}
for (const mistake of mistakes) console.error(mistake);
process.exit(mistakes.length > 0 ? 1 : 0);
