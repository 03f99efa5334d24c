// A case whose answers can be worked out by hand: class 1 has the sum of the weights of what is left, class 0 has 0.
import type { Relevance } from '@hidden-attention/explain';
import { createModel, type Model } from '@hidden-attention/model';
import { getProtocol, random, summarize, type Case, type Example, type MapRequest, type Ranker } from '@hidden-attention/evaluate';

export interface Toy {
  weights: readonly number[];
  /** what the method says; default: the weights */
  scores?: (request: MapRequest) => readonly number[];
  biases?: number;
  /** units of the known answer */
  truth?: readonly number[];
  /** as an image of one pixel a patch */
  grid?: readonly [number, number];
  label?: number;
  example?: Partial<Example>;
  seed?: number;
  ranker?: Ranker;
  others?: readonly Ranker[];
  /** models that were asked for, by name */
  variants?: string[];
}

const nobody: Ranker = { ...random, name: 'toy' };

export function toyCase(toy: Toy): Case {
  const { weights, truth, grid, label = 1 } = toy;
  const count = weights.length;
  const inside = truth && Uint8Array.from(weights, (_, unit) => (truth.includes(unit) ? 1 : 0));
  const map = async (request: MapRequest = {}): Promise<Relevance> => ({
    scores: toy.scores ? toy.scores(request) : weights,
    ...(toy.biases === undefined ? {} : { biases: toy.biases }),
  });
  const scores = async (request?: MapRequest): Promise<Float64Array> => Float64Array.from((await map(request)).scores);
  const answersWithout = async (without: readonly (readonly number[])[]): Promise<Float32Array[]> =>
    without.map((gone) =>
      Float32Array.of(
        0,
        weights.reduce((sum, weight, unit) => (gone.includes(unit) ? sum : sum + weight), 0),
      ),
    );
  return {
    example: {
      index: 0,
      label,
      unknown: 0,
      ...(grid
        ? { image: { pixels: new Float32Array(count), shape: [1, ...grid] }, ...(inside ? { mask: inside } : {}) }
        : { ids: new Int32Array(count), ...(truth ? { rationale: truth } : {}) }),
      ...toy.example,
    },
    model: undefined as unknown as Model,
    ranker: toy.ranker ?? nobody,
    seed: toy.seed ?? 1,
    units: weights.map((_, unit) => [unit]),
    free: [...weights.keys()],
    truth: inside && Float64Array.from(inside),
    grid,
    pixels: grid,
    others: toy.others ?? [],
    logits: async () => (await answersWithout([[]]))[0]!,
    target: async (explained) => (typeof explained === 'number' ? explained : label),
    map,
    unitScores: scores,
    pixelScores: scores,
    answersWithout,
    variant: async (key) => {
      toy.variants?.push(key);
      return createModel({ model_type: 'mamba', vocab_size: 4, hidden_size: 4, num_hidden_layers: 1 });
    },
  };
}

/** The figures of some cases together. */
export async function figures(name: string, cases: readonly Case[], given: object = {}): Promise<Record<string, number>> {
  const protocol = getProtocol(name);
  const options = protocol.options!.parse(given);
  const records: Record<string, number>[] = [];
  for (const item of cases) records.push((await protocol.measure(item, options)).values);
  return summarize(protocol, records);
}
