// A method that cannot answer is refused by its name, and the other methods of the call answer.
import { Model } from '@hidden-attention/model';
import { affine, Tensor } from '@hidden-attention/tensor';
import { expect, test } from 'vitest';
import { defineExplainer, explain, type Explainer, type ExplainRequest, type Explanation } from '../src/index.js';
import { randomIds, smallModel } from './models.js';

const model = smallModel();
const ids = randomIds(3, 9);
const own = (name: string, scores: (length: number) => number[], more: Partial<Explainer> = {}): Explainer<never> =>
  defineExplainer({
    name,
    title: name,
    summary: name,
    cite: 'this test',
    signed: true,
    supports: () => true,
    explain: ({ length }) => Promise.resolve({ scores: scores(length) }),
    ...more,
  }) as unknown as Explainer<never>;
const ones = (length: number): number[] => new Array<number>(length).fill(1);
const explained = async (methods: ExplainRequest['methods'], request: Partial<ExplainRequest> = {}): Promise<Explanation> =>
  (await explain({ model, input: [ids], check: false, ...(methods ? { methods } : {}), ...request }))[0]!;

const refusals: [string, Explainer<never> | string, Partial<ExplainRequest>, RegExp][] = [
  [
    'an unknown option',
    'rollout',
    { options: { rollout: { normalise: 'rows' } } },
    /"rollout" has no option "normalise"; the nearest are normalize/,
  ],
  ['too few scores', own('short', (length) => ones(length - 1)), {}, /short gives 8 scores for 9 positions/],
  ['no scores', own('none', () => undefined as never), {}, /none gives no scores/],
  ['a NaN', own('gap', (length) => ones(length).fill(NaN, 2, 3)), {}, /gap gives position 2 the score NaN; a map needs finite numbers/],
  [
    'a layer of the wrong length',
    own('layered', ones, { explain: ({ length }) => Promise.resolve({ scores: ones(length), layers: [ones(length), [1]] }) }),
    {},
    /layered gives 1 scores in layer 1 for 9 positions/,
  ],
  [
    'an exception',
    own('broken', () => {
      throw new TypeError('no such thing');
    }),
    {},
    /no such thing/,
  ],
  [
    'a model that it does not support',
    own('picky', ones, { supports: () => 'it is a Mamba' }),
    {},
    /picky cannot explain this model: it is a Mamba/,
  ],
];
test.each(refusals)('%s', async (_, method, request, reason) => {
  const { maps, skipped } = await explained([method, 'raw'], request);
  expect(maps.map((map) => map.method)).toEqual(['raw']);
  expect(skipped).toHaveLength(1);
  expect(skipped![0]!.method).toBe(typeof method === 'string' ? method : (method as unknown as Explainer).name);
  expect(skipped![0]!.reason).toMatch(reason);
  await expect(explained([method], request)).rejects.toThrow(reason); // alone, it is an error
});

test('two explainers of one name: the first answers', async () => {
  const { maps, skipped } = await explained([own('twin', ones), own('twin', (length) => ones(length).fill(2))]);
  expect(maps.map(({ scores }) => scores[0])).toEqual([1]);
  expect(skipped![0]!.reason).toBe('two methods called "twin" were asked for; give one of them another name');
});

/** The model with some of its parameters changed. */
function changed(change: (name: string, value: Tensor) => Tensor | undefined): Model {
  const parameters = new Map(model.parameters);
  for (const [name, value] of model.parameters) parameters.set(name, (change(name, value as Tensor) as typeof value | undefined) ?? value);
  return new Model(model.family, model.config, model.json, parameters, model.device);
}

test('a gradient that is not finite is named with its layer and op; methods without gradients answer', async () => {
  const steep = changed((name, value) => {
    if (name === 'backbone.layers.1.mixer.in_proj.weight' || name === 'backbone.layers.1.mixer.in_proj.bias') return affine(value, 1e-38);
    return name === 'backbone.layers.1.mixer.out_proj.weight' ? Tensor.full(value.shape, 3e38) : undefined;
  });
  const { maps, skipped } = await explained(['gradient-x-input', 'raw', 'decomposition'], { model: steep });
  expect(maps.map(({ method }) => method)).toEqual(['raw']);
  for (const { reason } of skipped!) expect(reason).toMatch(/the first gradient that is not finite is that of linear in layer 1$/);
});

test('a value that is not finite is named, too', async () => {
  const broken = changed((name, value) => (name === 'backbone.layers.2.mixer.D' ? Tensor.full(value.shape, NaN) : undefined));
  await expect(explained(['gradient-x-input'], { model: broken })).rejects.toThrow(
    'the first value that is not finite is that of selectiveScan in layer 2',
  );
});
