// Protocols on real models: what a case gives them, and checks that hold whatever the weights.
import { getExplainer, type ImageInput } from '@hidden-attention/explain';
import {
  getProtocol,
  listProtocols,
  ModelCase,
  oracle,
  random,
  rankerOf,
  registerProtocol,
  Variants,
  type Example,
  type Ranker,
} from '@hidden-attention/evaluate';
import { createModel, type Model } from '@hidden-attention/model';
import { afterAll, describe, expect, test } from 'vitest';

const sizes = { vocab_size: 32, hidden_size: 12, num_hidden_layers: 2, initializer_range: 0.5 };
const languageModel = createModel({ model_type: 'mamba', ...sizes }, { seed: 1 });
const vision = createModel(
  {
    model_type: 'vim',
    architectures: ['VisionMamba'],
    img_size: 16,
    patch_size: 4,
    in_channels: 3,
    embed_dim: 16,
    depth: 2,
    d_state: 4,
    num_classes: 3,
    if_cls_token: true,
    use_middle_cls_token: true,
  },
  { seed: 2 },
);
afterAll(() => [languageModel, vision].forEach((model) => model.dispose()));

const ids = Int32Array.from({ length: 14 }, (_, at) => (at * at * 5 + at) % 32);
const text: Example = {
  index: 0,
  ids,
  label: 3,
  unknown: 0,
  rationale: [2, 3],
  units: [[0, 1], [2, 3], [4], [5, 6, 7], [8, 9], [10, 11], [12, 13]],
  queries: [
    { position: 6, label: 4, sources: [2] },
    { position: 9, label: 5, sources: [3, 4] },
  ],
};
const image: ImageInput = {
  pixels: Float32Array.from({ length: 3 * 256 }, (_, i) => Math.sin(i * 0.7) + 0.3),
  shape: [3, 16, 16],
  black: [-1, -1, -1],
};
const mask = Uint8Array.from({ length: 256 }, (_, i) => (i % 16 < 8 && i < 128 ? 1 : 0));
const picture: Example = { index: 1, image, label: 1, mask };

const caseOf = (model: Model, example: Example, ranker: Ranker, seed = 1): ModelCase =>
  new ModelCase({ data: 'test', model, variants: new Variants(model), others: [ranker] }, example, ranker, seed);
const method = (name: string): Ranker => rankerOf(getExplainer(name), getExplainer(name).options?.parse({}) ?? {});
const values = async (name: string, item: ModelCase, given: object = {}): Promise<Record<string, number>> => {
  const protocol = getProtocol(name);
  const found = (await protocol.measure(item, protocol.options!.parse(given))).values;
  await item.workspace.variants.dispose();
  return found;
};

describe('a case', () => {
  test('sums scores over units, keeps the unit that a language model answers from, and says what the map took', async () => {
    const item = caseOf(languageModel, text, method('gradient-x-input'));
    const [{ scores }, units] = [await item.map(), await item.unitScores()];
    expect(units[1]).toBeCloseTo(scores[2]! + scores[3]!, 6);
    expect(item.free).toEqual([0, 1, 2, 3, 4, 5]);
    expect([...item.truth!]).toEqual([0, 1, 0, 0, 0, 0, 0]);
    expect(item.cost!.ms).toBeGreaterThan(0);
    expect(item.cost!.mib).toBeGreaterThan(0);
  });
  test('leaves class tokens of an image to the biases', async () => {
    const item = caseOf(vision, picture, method('decomposition'));
    const { scores, biases } = await item.map();
    expect(scores).toHaveLength(16);
    const total = Array.from(scores).reduce((sum, score) => sum + score, biases!);
    expect(total).toBeCloseTo((await item.logits())[await item.target('predicted')]!, 4);
    expect([...item.truth!].filter((share) => share === 1)).toHaveLength(4);
  });
  test('the oracle is right by the pixel; random maps are new with each change, and the same with the same seed', async () => {
    expect([...(await caseOf(vision, picture, oracle).pixelScores())]).toEqual([...mask]);
    const [a, b] = [caseOf(vision, picture, random), caseOf(vision, picture, random)];
    expect(await a.unitScores()).toEqual(await b.unitScores());
    expect(await a.unitScores({ change: 'another' })).not.toEqual(await b.unitScores());
    expect(await caseOf(vision, picture, random, 2).unitScores()).not.toEqual(await b.unitScores());
  });
  test('refuses a fill of the other kind', async () => {
    expect(() => caseOf(vision, picture, random).answersWithout([[]], { fill: 'cut' })).toThrow('which is for texts');
    expect(() => caseOf(languageModel, text, random).answersWithout([[]], { fill: 'black' })).toThrow('which is for images');
  });
});

describe.each(
  listProtocols()
    .map(({ name }) => name)
    .filter((name) => name !== 'sanity-labels'),
)('%s', (name) => {
  const protocol = getProtocol(name);
  test.each([
    ['a text', languageModel, text],
    ['an image', vision, picture],
  ] as const)('gives finite figures of %s, the same twice, for a method and the baselines', async (_, model, example) => {
    const options = protocol.options!.parse({});
    if (protocol.supports(example, model, options) !== true) return;
    for (const ranker of [method('raw'), random, ...(protocol.oracle ? [oracle] : [])]) {
      const found = await values(name, caseOf(model, example, ranker));
      for (const value of Object.values(found)) expect(value).toSatisfy(Number.isFinite);
      expect(await values(name, caseOf(model, example, ranker))).toEqual(found);
    }
  });
});

describe('sanity checks', () => {
  test('a map of attention alone does not hang on the head; one of gradients does', async () => {
    const attention = await values('sanity-cascading', caseOf(vision, picture, method('raw')));
    expect(attention['head']).toBeCloseTo(1, 9);
    expect(attention['spearman']).toBeLessThan(0.9);
    expect((await values('sanity-cascading', caseOf(vision, picture, method('gradient-x-input'))))['head']).toBeLessThan(0.9);
  });
  test('the oracle, which hangs on no weights, fails them', async () => {
    for (const name of ['sanity-cascading', 'sanity-independent']) {
      const found = await values(name, caseOf(vision, picture, oracle));
      for (const value of Object.values(found)) expect(value).toBeCloseTo(1, 9);
    }
  });
});

test('maps of a decomposition are complete, and outlive bf16', async () => {
  const item = caseOf(languageModel, text, method('decomposition'));
  expect((await values('completeness', item))['gap']).toBeLessThan(1e-4);
  const kept = await values('quantisation', caseOf(languageModel, text, method('decomposition')));
  expect(kept['bf16-spearman']).toBeGreaterThan(0.7);
});

test('the registry knows protocols by name, refuses names that are taken, and names the nearest', () => {
  expect(() => registerProtocol(getProtocol('copy'))).toThrow('a protocol "copy" is registered already');
  expect(() => registerProtocol({ ...getProtocol('copy'), name: 'Copy!' })).toThrow('lower case');
  expect(() => getProtocol('segmentaton')).toThrow('unknown protocol "segmentaton"; the nearest are segmentation');
});
