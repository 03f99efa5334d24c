import { statSync } from 'node:fs';
import { fullName, getExplainer, importPackage, listExplainers, optionsFor, type Explainer } from '@hidden-attention/explain';
import { listData } from '../data/registry.js';
import { EvaluateError } from '../errors.js';
import { listMetrics } from '../metrics/registry.js';
import type { Protocol } from '../protocol.js';
import { getProtocol, listProtocols } from '../registry.js';
import { listTasks } from '../tasks/registry.js';
import type { Entry, Sweep } from './schema.js';

/** A protocol with its options. */
export interface ChosenProtocol {
  as: string;
  protocol: Protocol;
  options: object;
}

/** A method with its options. */
export interface ChosenExplainer {
  as: string;
  explainer: Explainer;
  options: object;
  /** whether it draws by the sweep's seeds */
  seeded: boolean;
}

/** What a sweep's packages may register besides explainers and families. */
const others = (): string[] => [listProtocols(), listData(), listTasks(), listMetrics()].flat().map(({ name }) => name);

/**
 * Imports a sweep's packages, and gives the explainers that they register.
 * @param resolvePath the file that a path of the sweep means
 */
export async function importPackages(sweep: Sweep, folder: string, resolvePath: (path: string) => string): Promise<Explainer[]> {
  const found: Explainer[] = [];
  for (const name of sweep.packages) {
    const file = resolvePath(name);
    const isFile = statSync(file, { throwIfNoEntry: false })?.isFile();
    const own = await importPackage(isFile ? file : name, folder, others).catch((error: Error) => {
      throw new EvaluateError(`the package "${name}" of the sweep: ${error.message}`, { cause: error });
    });
    found.push(...own);
  }
  return found;
}

export function chosenProtocols({ protocols }: Sweep): ChosenProtocol[] {
  return protocols.map(({ as, name, options: given }, at) => {
    const protocol = getProtocol(name);
    if (!protocol.options) {
      if (Object.keys(given).length > 0) throw new EvaluateError(`protocols.${at}: "${name}" has no options`);
      return { as, protocol, options: {} };
    }
    const parsed = protocol.options.safeParse(given);
    if (!parsed.success) throw new EvaluateError(`protocols.${at}, options of "${name}": ${describe(parsed.error.issues, given)}`);
    return { as, protocol, options: parsed.data };
  });
}

/**
 * The methods of a sweep: those that it lists, and those that its packages brought, which need not be listed.
 * @throws EvaluateError for one that is not known, options that do not fit, or a name that two have
 */
export function chosenExplainers(sweep: Sweep, brought: readonly Explainer[]): ChosenExplainer[] {
  const listed = sweep.explainers.flatMap(chosenBy);
  const missing = brought.filter((own) => !listed.some(({ explainer }) => explainer === own));
  const all = [...listed, ...missing.map((own) => chosen(own, fullName(own), {}))];
  const twice = all.find(({ as }, at) => all.findIndex((other) => other.as === as) !== at);
  if (twice)
    throw new EvaluateError(`explainers has "${twice.as}" twice ("all" and the sweep's packages count); give one another name with "as"`);
  sweep.data.forEach(({ explainers = [], without = {} }, at) => {
    for (const [field, names] of [['explainers', explainers] as const, ['without', Object.keys(without)] as const]) {
      const unknown = names.find((name) => !all.some(({ as }) => as === name));
      if (unknown !== undefined)
        throw new EvaluateError(`data.${at}.${field} has "${unknown}", which is none of ${all.map(({ as }) => as).join(', ')}`);
    }
  });
  return all;
}

function chosenBy(entry: Entry, at: number): ChosenExplainer[] {
  try {
    if (entry.name === 'all') return listExplainers().map((explainer) => chosen(explainer, fullName(explainer), entry.options));
    return [chosen(getExplainer(entry.name), entry.as, entry.options)];
  } catch (error) {
    throw new EvaluateError(`explainers.${at}: ${(error as Error).message}`);
  }
}

function chosen(explainer: Explainer, as: string, given: Record<string, unknown>): ChosenExplainer {
  const options = optionsFor([explainer], Object.keys(given).length > 0 ? { [fullName(explainer)]: given } : {})[0]!;
  return { as, explainer, options, seeded: 'seed' in options && !('seed' in given) };
}

/** What does not fit, by its path and the value seen. */
export function describe(issues: readonly { path: readonly PropertyKey[]; message: string }[], given: Record<string, unknown>): string {
  return issues
    .map(({ path, message }) => `${path.join('.') || 'options'} is ${JSON.stringify(given[String(path[0])]) ?? 'missing'}: ${message}`)
    .join('; ');
}
