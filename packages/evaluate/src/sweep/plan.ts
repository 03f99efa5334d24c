import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import type { LoadedModel } from '@hidden-attention/checkpoint';
import { openDevice, type Device } from '@hidden-attention/tensor';
import { getData } from '../data/registry.js';
import { EvaluateError } from '../errors.js';
import type { DataSet } from '../example.js';
import { baselines, rankerOf, type Ranker } from '../ranker.js';
import { chosenExplainers, chosenProtocols, describe, importPackages, type ChosenExplainer, type ChosenProtocol } from './chosen.js';
import { keyOf, type Place } from './rows.js';
import type { DataEntry, ModelEntry, Sweep } from './schema.js';

/** A data set on a model: what is open while its pieces are worked on. */
export interface Task {
  data: DataSet;
  model: ModelEntry;
  loaded: LoadedModel;
  rankers: readonly Ranker[];
}

/** One piece of work: a method on a piece of a data set, and the protocols that are to be measured there. */
export interface Piece extends Omit<Place, 'protocol'> {
  protocols: string[];
}

export interface LeftOut {
  data: string;
  model: string;
  what: string;
  reason: string;
}

/** Everything that a sweep names, found and checked; and what it comes to in pieces of work. */
export class Plan {
  readonly pieces: Piece[] = [];
  /** what does not go together, and why */
  readonly leftOut: LeftOut[] = [];
  readonly #tasks = new Map<string, Task>();

  private constructor(
    readonly sweep: Sweep,
    readonly folder: string,
    readonly device: Device,
    readonly protocols: readonly ChosenProtocol[],
    readonly explainers: readonly ChosenExplainer[],
  ) {}

  /**
   * Finds all that a sweep names; nothing is measured yet.
   * @param folder relative paths in the sweep start here
   * @throws EvaluateError for an unknown method, protocol or kind of data, a model or file that is missing, options that do not fit
   */
  static async open(sweep: Sweep, folder: string, device: Device = openDevice()): Promise<Plan> {
    const brought = await importPackages(sweep, folder, (path) => resolvePath(path, folder));
    const { findModel, resolveModel } = await import('../models.js');
    const missing = sweep.models.filter(({ path }) => findModel(resolvePath(path, folder)) === undefined && findModel(path) === undefined);
    if (missing.length > 0) await resolveModel(missing[0]!.path); // says what there is
    const plan = new Plan(sweep, folder, device, chosenProtocols(sweep), chosenExplainers(sweep, brought));
    for (const data of sweep.data)
      for (const model of sweep.models) {
        if (data.models && !data.models.includes(model.name)) continue;
        const task = await plan.#openTask(data, model);
        plan.#addPieces(data, task);
      }
    if (plan.pieces.length === 0)
      throw new EvaluateError(
        `the sweep has nothing to do: ${plan.leftOut.map(({ what, reason }) => `${what}: ${reason}`).join('; ') || 'no data set goes with a model'}`,
      );
    await plan.close();
    return plan;
  }

  /** Keys of all rows. */
  get keys(): string[] {
    return this.pieces.flatMap((piece) => piece.protocols.map((protocol) => keyOf({ ...piece, protocol })));
  }

  /** Only a part of the pieces: to run a sample of a sweep. */
  only(chosen: (piece: Piece, at: number) => boolean): void {
    const kept = this.pieces.filter(chosen);
    this.pieces.splice(0, this.pieces.length, ...kept);
  }

  /** A data set on a model, open. The one before is closed, unless it has the same model. */
  async task(dataName: string, modelName: string): Promise<Task> {
    const key = `${dataName}|${modelName}`;
    const known = this.#tasks.get(key);
    if (known) return known;
    await this.close();
    const data = this.sweep.data.find(({ name }) => name === dataName)!;
    const model = this.sweep.models.find(({ name }) => name === modelName)!;
    return this.#openTask(data, model);
  }

  async close(): Promise<void> {
    for (const { loaded } of this.#tasks.values()) loaded.model.dispose();
    this.#tasks.clear();
  }

  /** Finds data that is prepared in the cache, or says what prepares it. */
  #resolveData(path: string, name: string): string {
    const found = resolvePath(path, this.folder);
    if (path.startsWith('cache:') && !existsSync(found))
      throw new EvaluateError(
        `the data set "${name}": there is no ${found}; the recipes in packages/zoo of the repository prepare what "cache:" names (prepare.mjs)`,
      );
    return found;
  }

  async #openTask(data: DataEntry, model: ModelEntry): Promise<Task> {
    const kind = getData(data.kind);
    const options = kind.options.safeParse(data.options);
    if (!options.success) throw new EvaluateError(`the data set "${data.name}": ${describe(options.error.issues, data.options)}`);
    const path = resolvePath(model.path, this.folder);
    const { findModel, resolveModel } = await import('../models.js');
    const loaded = await resolveModel(findModel(path) === 'path' ? path : model.path, { device: this.device });
    try {
      const opened = await kind.open(options.data, loaded, { name: data.name, resolve: (own) => this.#resolveData(own, data.name) });
      const supported = this.explainers
        .filter(({ explainer }) => explainer.supports(loaded.model) === true)
        .map(({ explainer, options: own, as }) => rankerOf(explainer, own, as));
      const task = { data: opened, model, loaded, rankers: [...supported, ...baselines] };
      this.#tasks.set(`${data.name}|${model.name}`, task);
      return task;
    } catch (error) {
      loaded.model.dispose();
      throw error;
    }
  }

  #addPieces(entry: DataEntry, { data, model, loaded, rankers }: Task): void {
    const first = data.examples[0]!;
    const truth = first.mask !== undefined || first.rationale !== undefined || first.queries !== undefined;
    const usable = this.protocols.filter(({ as, protocol, options }) => {
      if (entry.protocols && !entry.protocols.includes(as)) return false;
      const answer = protocol.supports(first, loaded.model, options);
      if (answer !== true) this.leftOut.push({ data: data.name, model: model.name, what: as, reason: answer });
      return answer === true;
    });
    const isListed = (name: string): boolean => !entry.explainers || entry.explainers.includes(name);
    const isWanted = (name: string): boolean => isListed(name) && entry.without?.[name] === undefined;
    for (const { as, explainer } of this.explainers.filter((own) => isListed(own.as))) {
      const supported = explainer.supports(loaded.model);
      const reason = supported === true ? entry.without?.[as] : supported;
      if (reason !== undefined) this.leftOut.push({ data: data.name, model: model.name, what: as, reason });
    }
    const seededNames = new Set(this.explainers.filter(({ seeded }) => seeded).map(({ as }) => as));
    const wanted = rankers.filter(({ name, explainer }) => !explainer || isWanted(name));
    const { seeds, shard: size } = this.sweep;
    for (let shard = 0; shard * size < data.examples.length; shard++)
      for (const ranker of wanted)
        for (const [at, seed] of seeds.entries()) {
          const draws = ranker.name === 'random' || seededNames.has(ranker.name);
          const protocols = usable
            .filter(({ protocol }) => (draws || protocol.draws || at === 0) && (ranker.name !== 'oracle' || (truth && protocol.oracle)))
            .map(({ as }) => as);
          if (protocols.length > 0)
            this.pieces.push({ data: data.name, model: model.name, explainer: ranker.name, seed, shard, protocols });
        }
  }
}

/** The path that a sweep's path means: `cache:` starts in the folder of prepared data, `~` at home, others where the sweep lies. */
export function resolvePath(path: string, folder: string): string {
  const cache = process.env['HIDDEN_ATTENTION_CACHE'] ?? join(homedir(), '.cache/hidden-attention');
  if (path.startsWith('cache:')) return join(cache, path.slice('cache:'.length));
  if (path.startsWith('~/')) return join(homedir(), path.slice(2));
  return isAbsolute(path) ? path : join(folder, path);
}
