// What has to add up, on every family in f32: shares to the explained number, integrated gradients to a difference, groups to layers.
import { describe, expect, test } from 'vitest';
import { explain, type AttributionMap, type ExplainRequest } from '../src/index.js';
import { families } from './family-models.js';

describe.each(families)('%s', (name, model, input) => {
  const mapsOf = async (methods: string[], request: Partial<ExplainRequest> = {}): Promise<AttributionMap[]> =>
    (await explain({ model, input, target: 1, methods, check: false, ...request }))[0]!.maps;

  test('the shares of tokens and biases add up to the logit, and to a difference of logits', async () => {
    for (const request of [{}, { contrast: 2 }])
      for (const { certificate, biases } of await mapsOf(['decomposition', 'mambalrp'], request)) {
        expect(certificate.completeness!.gap).toBeLessThan(1e-5);
        expect(Math.abs(biases!)).toBeGreaterThan(0);
      }
  });

  test('so they do under the γ rule, which gives other shares', async () => {
    const [plain] = await mapsOf(['mambalrp']);
    for (const gamma of [0.25, 4]) {
      const [map] = await mapsOf(['mambalrp'], { options: { mambalrp: { gamma } } });
      expect(map!.certificate.completeness!.gap).toBeLessThan(1e-4);
      expect(map!.scores).not.toEqual(plain!.scores);
    }
  });

  // jamba's random norms are steep on the way: it takes more steps than the others
  test.each(
    name === 'jamba'
      ? [['mean', 'midpoint', 512]]
      : [
          ['mean', 'gauss', 64],
          ['mean', 'midpoint', 256],
          [model.family.images ? 'black' : 7, 'gauss', 64],
        ],
  )('integrated gradients add up to the difference from a baseline: %s, %s, %i steps', async (baseline, rule, steps) => {
    const [map] = await mapsOf(['integrated-gradients'], { options: { 'integrated-gradients': { baseline, rule, steps } } });
    expect(map!.certificate.convergence!.gap).toBeLessThan(1e-3);
  });

  test('groups of channels add up to what the layer’s channels receive', async () => {
    const options = (groups: unknown): ExplainRequest['options'] => ({ decomposition: { groups } });
    const [one, three] = [
      await mapsOf(['decomposition'], { options: options(1) }),
      await mapsOf(['decomposition'], { options: options(3) }),
    ];
    expect(three[0]!.groups!.layers).toHaveLength(model.config.layers);
    for (const [layer, groups] of three[0]!.groups!.layers.entries()) {
      expect(groups).toHaveLength(3);
      one[0]!.groups!.layers[layer]![0]!.forEach((score, at) =>
        expect(groups.reduce((sum, group) => sum + group[at]!, 0)).toBeCloseTo(score, 4),
      );
    }
  });
});

test('without a rule MambaLRP no longer adds up, and does not claim to', async () => {
  const [, model, input] = families[0]!;
  for (const without of ['norm', 'silu', 'scan', 'gate', 'norm,scan']) {
    const [result] = await explain({ model, input, target: 1, methods: ['mambalrp'], options: { mambalrp: { without } }, check: false });
    const { certificate, scores, biases, options } = result!.maps[0]!;
    expect(options).toMatchObject({ without: without.split(',') });
    expect(certificate.completeness).toBeUndefined();
    const sum = scores.reduce((total, score) => total + score, biases!);
    expect(Math.abs(sum - result!.target.logit) / scores.reduce((total, score) => total + Math.abs(score), 0)).toBeGreaterThan(1e-3);
  }
  const nothing = Object.values({ without: 'norm,silu,scan,gate' })[0];
  const request = { model, input, target: 1, methods: ['mambalrp', 'gradient-x-input'], check: false } as const;
  const [all] = await explain({ ...request, options: { mambalrp: { without: nothing } } });
  expect(all!.maps[0]!.scores).toEqual(all!.maps[1]!.scores); // without any rule it is gradient × input
});

test('the γ rule takes numbers from 0 on', async () => {
  const [, model, input] = families[0]!;
  const run = (gamma: unknown): ReturnType<typeof explain> =>
    explain({ model, input, methods: ['mambalrp'], options: { mambalrp: { gamma } }, check: false });
  await expect(run(-1)).rejects.toThrow('gamma');
  expect((await run('0'))[0]!.maps[0]!.scores).toEqual((await run(0))[0]!.maps[0]!.scores);
});

test('heads of Mamba-2 and of transformers; where there are none, or groups do not fit, it is said', async () => {
  const refused: Record<string, string> = {
    mamba: 'channels without heads; give a number of groups that divides 24',
    jamba: 'layer 0 has channels without heads',
  };
  for (const [name, model, input] of families) {
    const request = { model, input, methods: ['mambalrp'], check: false } as const;
    const run = (groups: unknown): ReturnType<typeof explain> => explain({ ...request, options: { mambalrp: { groups } } });
    await expect(run(7)).rejects.toThrow('groups is 7; it must divide');
    if (refused[name]) await expect(run('heads')).rejects.toThrow(refused[name]);
    if (['mamba2', 'gpt2', 'vit'].includes(name)) {
      const [result] = await run('heads');
      expect(result!.maps[0]!.groups!.layers[0]).toHaveLength(name === 'mamba2' ? 4 : 3);
    }
  }
});

test('baselines that a text or an image cannot have are refused', async () => {
  const run = (at: number, baseline: unknown): ReturnType<typeof explain> => {
    const [, model, input] = families[at]!;
    return explain({ model, input, methods: ['integrated-gradients'], options: { 'integrated-gradients': { baseline } }, check: false });
  };
  await expect(run(0, 'white')).rejects.toThrow(
    'baseline is "white": it must be zero, mean, black (of an image), a token id, or embeddings',
  );
  await expect(run(0, 300)).rejects.toThrow("the baseline 300 does not exist; this model's tokens are 0 to 299");
  await expect(run(0, 'black')).rejects.toThrow('the baseline "black" is an image');
  await expect(run(0, new Float32Array(13))).rejects.toThrow(
    'the baseline has 13 numbers; it needs 12, the same for every position, or 17 × 12',
  );
  await expect(run(3, 5)).rejects.toThrow('of an image take zero, mean or black');
  const [wide] = await run(0, new Float32Array(12));
  const [zero] = await run(0, 'zero');
  expect(wide!.maps[0]!.scores).toEqual(zero!.maps[0]!.scores);
});

test('SmoothGrad without noise is gradient × input, and the same seed gives the same map', async () => {
  const [, model, input] = families[0]!;
  const run = async (options: object, method = 'smoothgrad'): Promise<AttributionMap> =>
    (await explain({ model, input, methods: [method], options: { [method]: options as Record<string, unknown> }, check: false }))[0]!
      .maps[0]!;
  const plain = await run({}, 'gradient-x-input');
  (await run({ sigma: 0, samples: 3 })).scores.forEach((score, at) => expect(score).toBeCloseTo(plain.scores[at]!, 4));
  expect((await run({ seed: 3 })).scores).toEqual((await run({ seed: 3 })).scores);
  expect((await run({ seed: 3 })).scores).not.toEqual((await run({ seed: 4 })).scores);
  expect((await run({ of: 'squared' })).signed).toBe(false);
});
