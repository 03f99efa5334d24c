import type { LoadedModel } from '@hidden-attention/checkpoint';
import type { Model } from '@hidden-attention/model';
import type { Device } from '@hidden-attention/tensor';
import { getData } from '../data/registry.js';
import { EvaluateError } from '../errors.js';
import type { Example } from '../example.js';
import { resolveModel } from '../models.js';
import { resolvePath } from '../sweep/plan.js';
import type { DataRole, Roles } from './roles.js';

/** What a row may ask for: models and held-out inputs by role, and what was asked of the whole run. */
export class Context {
  /** what the row could not have, and why: the page says it */
  readonly lacking: string[] = [];

  constructor(
    readonly roles: Roles,
    /** where rows keep what they have measured so far; parts that two rows share are measured once */
    readonly folder: string,
    /** inputs of an average */
    readonly samples: number,
    /** fewer steps, shorter texts: to see that everything runs */
    readonly quick: boolean,
    readonly device: Device | undefined,
    readonly signal: AbortSignal | undefined,
    readonly report: (text: string) => void,
  ) {}

  /** The model of a role as sweeps name it; where there is none, that is noted. */
  modelPath(role: string): string | undefined {
    const found = this.roles.findModel(role);
    if (typeof found === 'string') return found;
    this.lack(`no ${role}: ${found.reason}`);
    return undefined;
  }

  /** The model of a role, which the caller frees; undefined, and noted, where there is none. */
  async model(role: string): Promise<LoadedModel | undefined> {
    const path = this.modelPath(role);
    return path === undefined ? undefined : resolveModel(path, this.device ? { device: this.device } : {});
  }

  /** The data set of a role; undefined, and noted, where it is not there. */
  data(role: string): DataRole | undefined {
    const found = this.roles.findData(role);
    if ('kind' in found) return found;
    this.lack(`no ${role}: ${found.reason}`);
    return undefined;
  }

  /** Where a role's file of running text lies; undefined, and noted, where it is not there. */
  textFile(role: string): string | undefined {
    const found = this.data(role);
    return found && resolvePath(found.options.path, this.roles.folder);
  }

  /** Goes through those models that are there, each with the held-out inputs of a data set as it reads them. */
  async eachModel(
    roles: readonly string[],
    dataRole: string,
    options: Record<string, unknown>,
    use: (role: string, model: Model, examples: readonly Example[]) => Promise<void>,
  ): Promise<void> {
    const data = this.data(dataRole);
    if (!data) return;
    for (const role of roles) {
      const loaded = await this.model(role);
      if (!loaded) continue;
      const kind = getData(data.kind);
      const parsed = kind.options.safeParse({ count: this.samples, ...data.options, ...options });
      if (!parsed.success) throw new EvaluateError(`the data set "${dataRole}": ${parsed.error.message}`);
      const { examples } = await kind.open(parsed.data, loaded, {
        name: dataRole,
        resolve: (path) => resolvePath(path, this.roles.folder),
      });
      await use(role, loaded.model, examples);
      loaded.model.dispose();
    }
  }

  lack(what: string): void {
    if (!this.lacking.includes(what)) this.lacking.push(what);
  }

  /** Ends the row where it was asked to end, else says where it is. */
  step(text: string): void {
    this.signal?.throwIfAborted();
    this.report(text);
  }
}
