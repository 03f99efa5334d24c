import { answersWithout, batchOfImages, gridOf, removable, type ImageInput, type Relevance } from '@hidden-attention/explain';
import { disposeBatch, type Model, type VisionConfig } from '@hidden-attention/model';
import type { Case, Explained, MapRequest, RemovalOptions } from './case.js';
import { EvaluateError } from './errors.js';
import type { Example } from './example.js';
import type { Ranker } from './ranker.js';
import { largestAt } from './ranking.js';
import { upsampled } from './upsample.js';
import type { Variants } from './variants.js';

/** What the map of an example took. */
export interface Cost {
  /** from the question to the scores */
  ms: number;
  /** most that the device held meanwhile, beyond what it held before, in MiB */
  mib: number;
}

/** A model and what is shared by all examples that are measured on it. */
export interface Workspace {
  /** draws of baselines and protocols go by it */
  data: string;
  model: Model;
  variants: Variants;
  others: readonly Ranker[];
}

/** A case of a real model. */
export class ModelCase implements Case {
  readonly units: readonly (readonly number[])[];
  readonly free: readonly number[];
  readonly truth: Float64Array | undefined;
  readonly grid: readonly [number, number] | undefined;
  readonly pixels: readonly [number, number] | undefined;
  /** what the map that is judged took; undefined until it was asked for */
  cost: Cost | undefined;
  readonly #positionTruth: Float64Array | undefined;
  #logits: Promise<Float32Array> | undefined;
  readonly #maps = new Map<string, Promise<Relevance>>();

  constructor(
    readonly workspace: Workspace,
    readonly example: Example,
    readonly ranker: Ranker,
    readonly seed: number,
  ) {
    const { model } = workspace;
    const { image, ids } = example;
    if (image) {
      this.grid = gridOf(model, image);
      this.pixels = [image.shape[1], image.shape[2]];
      const patches = this.grid[0] * this.grid[1];
      this.units = Array.from({ length: patches }, (_, patch) => [patch]);
      this.free = [...this.units.keys()];
      this.#positionTruth = example.mask && shareOfPatches(example.mask, image, model.config as VisionConfig, this.grid);
      this.truth = this.#positionTruth;
    } else {
      this.units = example.units ?? Array.from(ids!, (_, position) => [position]);
      this.free = removable(model, ids!, this.units);
      const rationale = example.rationale && new Set(example.rationale);
      this.#positionTruth = rationale && Float64Array.from(ids!, (_, position) => (rationale.has(position) ? 1 : 0));
      this.truth =
        rationale && Float64Array.from(this.units, (own) => own.filter((position) => rationale.has(position)).length / own.length);
    }
  }

  get model(): Model {
    return this.workspace.model;
  }

  get others(): readonly Ranker[] {
    return this.workspace.others;
  }

  logits(): Promise<Float32Array> {
    return (this.#logits ??= answersWithout(this.#input(), [[]]).then(([logits]) => logits!));
  }

  async target(explained: Explained): Promise<number> {
    if (typeof explained === 'number') return explained;
    if (explained === 'predicted') return largestAt(await this.logits());
    const { label, index } = this.example;
    if (label === undefined) throw new EvaluateError(`example ${index} of ${this.workspace.data} has no label; explain "predicted"`);
    return label;
  }

  async map(request: MapRequest = {}): Promise<Relevance> {
    const { explained = 'predicted', change = '', position, ranker = this.ranker } = request;
    const target = await this.target(explained);
    const key = JSON.stringify([target, change, position ?? null, ranker.name]);
    const known = this.#maps.get(key);
    if (known) return known;
    const judged = !request.model && !request.input && position === undefined && ranker === this.ranker && change === '';
    const made = this.#rank(ranker, request, target, judged && this.cost === undefined);
    this.#maps.set(key, made);
    return made;
  }

  async unitScores(request?: MapRequest): Promise<Float64Array> {
    const { scores } = await this.map(request);
    return Float64Array.from(this.units, (own) => own.reduce((sum, position) => sum + scores[position]!, 0));
  }

  async pixelScores(request?: MapRequest): Promise<Float64Array> {
    const { grid, pixels, example } = this;
    if (!grid || !pixels) throw new EvaluateError(`example ${example.index} of ${this.workspace.data} is a text and has no pixels`);
    const { scores } = await this.map(request);
    // the truth is known by the pixel
    if (this.#positionTruth && isView(scores, this.#positionTruth)) return Float64Array.from(example.mask!);
    return upsampled(scores, grid, pixels);
  }

  answersWithout(without: readonly (readonly number[])[], { fill, by = 'unit' }: RemovalOptions): Promise<Float32Array[]> {
    const { image, unknown, index } = this.example;
    const places = by === 'unit' ? without.map((units) => units.flatMap((unit) => this.units[unit]!)) : without;
    if (image) {
      if (fill === 'cut' || fill === 'unknown')
        throw new EvaluateError(`fill is "${fill}", which is for texts; of an image: black, mean, blur`);
      return answersWithout({ ...this.#input(), fill, by: by === 'unit' ? 'patch' : 'pixel' }, places);
    }
    if (fill !== 'cut' && fill !== 'unknown') throw new EvaluateError(`fill is "${fill}", which is for images; of a text: cut, unknown`);
    if (fill === 'unknown' && unknown === undefined)
      throw new EvaluateError(`example ${index} of ${this.workspace.data} has no id for "unknown"; use fill "cut"`);
    return answersWithout({ ...this.#input(), replaceWith: fill === 'unknown' ? unknown : undefined }, places);
  }

  variant(key: string, make: (model: Model) => Model | Promise<Model>): Promise<Model> {
    return this.workspace.variants.get(key, () => make(this.model));
  }

  #input(): { model: Model; ids?: Int32Array; image?: ImageInput } {
    const { ids, image } = this.example;
    return { model: this.model, ...(image ? { image } : { ids: ids! }) };
  }

  async #rank(ranker: Ranker, request: MapRequest, target: number, measured: boolean): Promise<Relevance> {
    const { example, workspace } = this;
    const { model = this.model, change = '', position } = request;
    const whole = request.input ?? example.image ?? example.ids!;
    const input = position === undefined || 'pixels' in whole ? whole : whole.subarray(0, position + 1);
    // class tokens, by position, are no patch's: they are left out below
    const special = 'pixels' in input ? classPositions(model, input) : [];
    const positions = 'pixels' in input ? this.units.length : input.length;
    const { device } = model;
    const before = measured ? device.memory({ resetPeak: true }).live : 0;
    const started = performance.now();
    const found = await ranker.rank({
      model,
      input,
      target,
      positions,
      truth: request.truth ? ones(positions, request.truth) : this.#positionTruth?.subarray(0, positions),
      draw: [workspace.data, example.index, this.seed, change, target, position ?? -1],
    });
    if (measured) this.cost = { ms: performance.now() - started, mib: Math.max(0, device.memory().peak - before) / 2 ** 20 };
    if (!ranker.explainer) return found;
    const at = Array.from(found.scores).findIndex((score) => !Number.isFinite(score));
    if (at >= 0) throw new EvaluateError(`${ranker.name} gives position ${at} of example ${example.index} the score ${found.scores[at]}`);
    if (special.length === 0) return found;
    const left = special.reduce((sum, place) => sum + found.scores[place]!, 0);
    const classes = new Set(special);
    const scores = Float64Array.from(found.scores).filter((_, place) => !classes.has(place));
    return { ...found, scores, ...(found.biases === undefined && left === 0 ? {} : { biases: (found.biases ?? 0) + left }) };
  }
}

/** 1 at some of `count` places. */
function ones(count: number, at: readonly number[]): Float64Array {
  const result = new Float64Array(count);
  for (const place of at) result[place] = 1;
  return result;
}

/** Whether two arrays are the same memory: the oracle gives back what it was given. */
const isView = (scores: ArrayLike<number>, of: Float64Array): boolean =>
  scores instanceof Float64Array && scores.buffer === of.buffer && scores.length === of.length;

/** Share of each patch's pixels that are in the mask. */
function shareOfPatches(
  mask: Uint8Array,
  { shape: [, , width] }: ImageInput,
  { patchSize, stride }: VisionConfig,
  [rows, columns]: readonly [number, number],
): Float64Array {
  return Float64Array.from({ length: rows * columns }, (_, patch) => {
    const [top, left] = [Math.floor(patch / columns) * stride, (patch % columns) * stride];
    let inside = 0;
    for (let y = top; y < top + patchSize; y++) for (let x = left; x < left + patchSize; x++) inside += mask[y * width + x]!;
    return inside / patchSize ** 2;
  });
}

function classPositions(model: Model, image: ImageInput): readonly number[] {
  const batch = batchOfImages(model, [image]);
  disposeBatch(batch);
  return batch.classPositions;
}
