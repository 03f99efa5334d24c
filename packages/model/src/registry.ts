import { ModelError } from './errors.js';
import type { ModelConfig, ModelFamily } from './family.js';
import { falconMamba, mamba } from './mamba/family.js';
import { jamba } from './jamba/family.js';
import { mamba2 } from './mamba2/family.js';
import { vim } from './vision/vim.js';
import { vim2 } from './vision/vim2.js';
import { vit } from './vision/vit.js';
import { gpt2 } from './transformer/gpt2.js';
import { gptNeox } from './transformer/gpt-neox.js';

type Families = Map<string, ModelFamily>;

/** The built-in families, and those that are registered; made by a call that a bundler can leave out where no family is looked up. */
const families: Families = builtIn();

function builtIn(): Families {
  const all: Families = new Map();
  for (const family of [mamba, falconMamba, mamba2, gpt2, gptNeox, jamba, vim, vim2, vit]) add(all, family as unknown as ModelFamily);
  return all;
}

function add(all: Families, family: ModelFamily, overwrite = false): void {
  if (all.has(family.name) && !overwrite) {
    throw new ModelError(`a family "${family.name}" is registered already; pass { overwrite: true } to replace it`);
  }
  all.set(family.name, family);
}

/**
 * Makes a model family known by its name (`model_type` of config.json).
 * @throws ModelError when the name is taken, unless `overwrite`
 */
export function registerFamily<Config extends ModelConfig>(family: ModelFamily<Config>, options: { overwrite?: boolean } = {}): void {
  add(families, family as unknown as ModelFamily, options.overwrite);
}

/** The family of that name; throws ModelError listing the known ones. */
export function getFamily(name: string): ModelFamily {
  const family = families.get(name);
  if (!family) {
    throw new ModelError(
      `unknown model family "${name}" (model_type of config.json); known: ${listFamilies().join(', ')}. Add one with registerFamily`,
    );
  }
  return family;
}

/** Names of all families. */
export function listFamilies(): string[] {
  return [...families.keys()].sort();
}
