import { disposeBatch, layerKindsOf, type ForwardOptions, type Model, type PatchValue } from '@hidden-attention/model';
import { add, affine, multiply, scope, Tensor } from '@hidden-attention/tensor';
import { positionsAtOnce } from '../answer.js';
import { ExplainError } from '../errors.js';
import { answersUnder, copiesOf, repeatRow, type Input } from './subject.js';

/** Where activations are put back: sites within a layer, layers, and positions that go together. */
export interface Places {
  /** names within a layer, such as 'output', 'mixer', 'scan', 'delta'; default 'output' */
  sites?: readonly string[];
  /** default all */
  layers?: readonly number[];
  /** neighbouring layers that are replaced together, around each layer; default 1 */
  window?: number;
  /** positions that are replaced together; default each by itself */
  groups?: readonly (readonly number[])[];
}

/** The logits with one activation replaced: of each site, layer (the middle of its window) and group. */
export interface Restored {
  site: string;
  layers: { layer: number; logits: Float32Array[] }[];
}

/** `Places` with its defaults, for an input of `length` positions. */
export type ResolvedPlaces = Required<Places>;

/** Sites that hold no value for each position. */
const whole = new Set(['state', 'convState']);

/** @throws ExplainError for a site, a layer, a window or a group that the model or the input has not */
export function resolvePlaces({ sites = ['output'], layers, window = 1, groups }: Places, model: Model, length: number): ResolvedPlaces {
  const count = model.config.layers;
  const known = new Set(model.sites());
  const chosen = (layers ?? Array.from({ length: count }, (_, layer) => layer)).map((layer) => (layer < 0 ? count + layer : layer));
  for (const layer of chosen)
    if (!Number.isInteger(layer) || layer < 0 || layer >= count)
      throw new ExplainError(`layer ${layer} does not exist; the model has layers 0 to ${count - 1}`);
  for (const site of sites) {
    if (whole.has(site)) throw new ExplainError(`site "${site}" has no value for each position; choose one that has, such as "output"`);
    if (chosen.some((layer) => !known.has(`layers.${layer}.${site}`))) {
      const first = chosen.find((layer) => !known.has(`layers.${layer}.${site}`))!;
      const own = [...known].flatMap((name) => (name.startsWith(`layers.${first}.`) ? [name.slice(`layers.${first}.`.length)] : []));
      throw new ExplainError(`layer ${first} (${layerKindsOf(model)[first]}) has no site "${site}"; it has ${own.join(', ')}`);
    }
  }
  if (!Number.isInteger(window) || window < 1)
    throw new ExplainError(`window is ${window}; a whole number of layers of at least 1 is needed`);
  const all = groups ?? Array.from({ length }, (_, at) => [at]);
  for (const at of all.flat())
    if (!Number.isInteger(at) || at < 0 || at >= length)
      throw new ExplainError(`position ${at} does not exist; the input has positions 0 to ${length - 1}`);
  return { sites, layers: chosen, window, groups: all };
}

/** The layers replaced together with one: a window around it, as far as it lies within the model. */
function windowAround(layer: number, window: number, count: number): number[] {
  const first = Math.max(0, layer - Math.floor((window - 1) / 2));
  return Array.from({ length: Math.min(count, layer + Math.floor(window / 2) + 1) - first }, (_, i) => first + i);
}

/** The sites that `restore` reads of the run that values come from. */
export const sourceSites = ({ sites }: ResolvedPlaces, layers: number): string[] =>
  sites.flatMap((site) => Array.from({ length: layers }, (_, layer) => `layers.${layer}.${site}`));

/** Those that it reads of the run that is changed. */
export const streamSites = (layers: number): string[] => Array.from({ length: layers }, (_, layer) => `layers.${layer}.input`);

/**
 * Runs an input again and again, each time with the values of another run at one place: groups of positions are the rows of a
 * batch, and a pass starts at the first layer that is changed.
 * @param source values of the other run at `sourceSites`, (1 l …)
 * @param streams this input's own residual stream, at `streamSites`, (1 l m)
 */
export async function restore(
  model: Model,
  input: Input,
  places: ResolvedPlaces,
  source: Readonly<Record<string, Tensor>>,
  streams: Readonly<Record<string, Tensor>>,
): Promise<Restored[]> {
  const { sites, layers, window, groups } = places;
  const length = Object.values(streams)[0]!.shape[1]!;
  const some = Math.max(1, Math.floor(positionsAtOnce / length));
  const results: Restored[] = sites.map((site) => ({ site, layers: layers.map((layer) => ({ layer, logits: [] })) }));
  for (let start = 0; start < groups.length; start += some) {
    const own = groups.slice(start, start + some);
    const batch = copiesOf(model, input, own.length);
    const mask = maskOf(own, length, model);
    for (const { site, layers: ofSite } of results) {
      for (const { layer, logits } of ofSite) {
        const together = windowAround(layer, window, model.config.layers);
        const patch = Object.fromEntries(
          together.map((each) => [`layers.${each}.${site}`, replacing(source[`layers.${each}.${site}`]!, mask)] as const),
        );
        const embeddings = scope(() => repeatRow(streams[`layers.${together[0]!}.input`]!, own.length));
        const options: ForwardOptions = { patch, embeddings, fromLayer: together[0]! };
        logits.push(...(await answersUnder(model, batch, options)));
        embeddings.dispose();
      }
    }
    mask.dispose();
    disposeBatch(batch);
  }
  return results;
}

/** Puts a value (1 l …) in place of what is computed, where the mask (b l 1) is 1. */
function replacing(value: Tensor, mask: Tensor): PatchValue {
  return (given) =>
    scope(() => {
      const [rows, length] = given.shape as [number, number];
      const flat = [rows, length, given.size / (rows * length)];
      const other = repeatRow(value, rows).view(flat);
      const kept = multiply(given.view(flat), affine(mask, -1, 1));
      return add(kept, multiply(other, mask)).view(given.shape);
    });
}

/** (b l 1): 1 at the positions of each row's group. */
function maskOf(groups: readonly (readonly number[])[], length: number, { device }: Model): Tensor {
  const mask = new Float32Array(groups.length * length);
  groups.forEach((group, row) => group.forEach((at) => (mask[row * length + at] = 1)));
  return Tensor.from(mask, [groups.length, length, 1], device);
}
