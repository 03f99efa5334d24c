import { nearestNames } from '@hidden-attention/model';
import * as z from '@hidden-attention/model/schema';
import { UnknownNameError } from './errors.js';
import { fullName, type Explainer } from './explainer.js';

/** Options by method, as asked for: `{ rollout: { normalize: 'rows' }, 'raw:released': { startLayer: 1 } }`. Values may be text. */
export type OptionsByMethod = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

const none = z.once(() => z.strictObject({}));

function keysOf({ options = none() }: Explainer): string[] {
  return options instanceof z.ZodObject ? Object.keys(options.shape) : [];
}

/**
 * The options of each explainer, checked and completed. Options under a bare name go to each of its variants that has them.
 * @throws UnknownNameError for a method that is not asked for, an option that it does not have (with the nearest names), or a value
 * that does not fit
 */
export function optionsFor(explainers: readonly Explainer[], given: OptionsByMethod = {}): object[] {
  checkMethods(explainers, given);
  return explainers.map((explainer) => optionsOf(explainer, explainers, given));
}

/** @throws UnknownNameError for options of a method that is not among these */
export function checkMethods(explainers: readonly Explainer[], given: OptionsByMethod = {}): void {
  for (const method of Object.keys(given)) {
    if (meantBy(method, explainers).length === 0)
      throw new UnknownNameError(
        `options were given for "${method}", which is not among the methods asked for: ${explainers.map(fullName).join(', ')}`,
      );
  }
}

/** The explainers that options under a name go to. */
function meantBy(method: string, explainers: readonly Explainer[]): Explainer[] {
  return explainers.filter((explainer) => explainer.name === method || fullName(explainer) === method.replace(/:paper$/, ''));
}

/** Those of one explainer, of which the variants among `explainers` share what is given under the bare name. */
export function optionsOf(explainer: Explainer, explainers: readonly Explainer[], given: OptionsByMethod = {}): object {
  for (const [method, values] of Object.entries(given)) {
    const meant = meantBy(method, explainers);
    if (meant.includes(explainer)) checkKeys(method, Object.keys(values), meant);
  }
  const shared = Object.entries(given[explainer.name] ?? {}).filter(
    ([key]) => explainer.variant !== 'released' || keysOf(explainer).includes(key),
  );
  const own = { ...Object.fromEntries(shared), ...given[`${explainer.name}:${explainer.variant ?? 'paper'}`] };
  const parsed = (explainer.options ?? none()).safeParse(own);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(
    ({ path, message }) => `${path.join('.') || 'options'} is ${JSON.stringify(own[String(path[0])])}: ${message}`,
  );
  throw new UnknownNameError(`options of "${fullName(explainer)}": ${issues.join('; ')}`);
}

function checkKeys(method: string, keys: readonly string[], meant: readonly Explainer[]): void {
  const known = [...new Set(meant.flatMap(keysOf))];
  for (const key of keys) {
    if (known.includes(key) || !meant.every(({ options = none() }) => options instanceof z.ZodObject)) continue;
    throw new UnknownNameError(
      known.length === 0
        ? `"${method}" has no option "${key}"; it has none`
        : `"${method}" has no option "${key}"; the nearest are ${nearestNames(key, known).join(', ')}`,
    );
  }
}
