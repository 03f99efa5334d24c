// Vision Mamba against the figures of its reference implementation and of the paper's code.
import { fileURLToPath } from 'node:url';
import { attentionView, audit } from '@hidden-attention/attention';
import { loadModel } from '@hidden-attention/checkpoint';
import { afterAll, describe, expect, test } from 'vitest';
import { explain, Question, type ImageInput } from '../src/index.js';
import { goldenFigures } from './golden-figures.js';

const folder = fileURLToPath(new URL('../../model/test/golden/vim-tiny/', import.meta.url));
const { golden, goldenInput, expectGolden, untested } = await goldenFigures(folder);
const { model } = await loadModel(folder);
const pixels = Float32Array.from(goldenInput('image'));
const shape = [3, 64, 64] as const;
const image: ImageInput = { pixels: pixels.slice(0, pixels.length / 2), shape };
const view = await attentionView(model, model.images(image.pixels, [1, ...shape]));
const question = new Question(model, image);
const layers = [0, 1, 2, 3, 4, 5];
const classToken = 8;
afterAll(async () => {
  view.dispose();
  await question.dispose();
});

test('tokens, mixers, last norm and logits', async () => {
  const sites = ['embeddings', 'finalNorm', 'logits', 'layers.*.mixer'];
  const { captured } = model.forward(model.images(pixels, [2, ...shape]), { capture: sites });
  for (const [site, name] of [
    ['embeddings', 'tokens'],
    ['finalNorm', 'final_norm'],
    ['logits', 'logits'],
  ] as const)
    expectGolden(await captured[site]!.read(), name);
  for (const layer of layers) {
    const both = await captured[`layers.${layer}.mixer`]!.read();
    expectGolden(both.slice(0, both.length / 2), `layers.${layer}.mixer_output`);
  }
});

test('gradients of the residual stream after and before each block', async () => {
  const { stream } = await question.gradient();
  const numbers = await Promise.all(stream.map((tensor) => tensor.read()));
  const flat = (some: Float32Array[]): number[] => some.flatMap((entry) => [...entry]);
  expectGolden(flat(numbers.slice(1)), 'hook_gradient.fused');
  expectGolden(flat(numbers.slice(0, -1)), 'hook_gradient.unfused');
});

describe.each(layers)('layer %i', (index) => {
  const layer = view.layer(index);
  const name = (figure: string): string => `layers.${index}.${figure}`;
  test('both directions', async () => {
    const [forward, backward] = [layer.direction('forward'), layer.direction('backward')];
    const [there, back] = [await forward.matrix().read(), await backward.matrix().read()];
    expectGolden(there, name('alpha_fwd_mean'));
    expectGolden(back, name('alpha_bwd_mean'));
    const sum = await layer.matrix().read();
    for (const [i, value] of sum.entries()) expect(value).toBeCloseTo(there[i]! + back[i]!, 6);
    if (index === 0 || index === 5) {
      const channels = [0, 1, 2, 3];
      expectGolden(await forward.matrix({ channels }).read(), name('alpha_fwd_ch'));
      expectGolden(await backward.matrix({ channels }).read(), name('alpha_bwd_ch'));
    }
  });
  test("the class token's row as the released code has it, and the unified one", async () => {
    expectGolden(await layer.of('literal').row(classToken, { channels: 'all' }).read(), name('cls_vector'));
    expectGolden(await layer.unified().row(classToken).read(), name('unified_cls_vector_mean'));
  });
});

describe.each([0, 3])('the released maps from layer %i on', (startLayer) => {
  const mapsOf = async (methods: string[], gradientAt?: string): Promise<number[][]> => {
    const options = Object.fromEntries(
      methods.map((method) => [
        method,
        { startLayer, row: 'literal', ...(gradientAt && method.startsWith('mamba') ? { gradientAt } : {}) },
      ]),
    );
    const [result] = await explain({ model, input: { images: [image] }, methods, options, check: false });
    expect(result!.grid).toEqual([4, 4]);
    return result!.maps.map(({ scores }) => scores);
  };
  test('raw attention, rollout and Mamba-Attribution', async () => {
    const [raw, rollout, attribution] = await mapsOf(['raw:released', 'rollout:released', 'mamba-attribution:released']);
    expectGolden(raw!, `map.raw_attention.start${startLayer}`);
    expectGolden(rollout!, `map.rollout.start${startLayer}`);
    expectGolden(attribution!, `map.mamba_attribution.start${startLayer}`);
    const row = golden(`rollout_row.start${startLayer}`).filter((_, at) => at !== classToken);
    expect(Math.min(...row)).toBeLessThan(0);
    expect(rollout!.filter((value) => value === 0)).toHaveLength(row.filter((value) => value <= 0).length);
    goldenInput(`rollout_row.start${startLayer}`);
  });
  test('unified, as the follow-up has it', async () => {
    const request = {
      model,
      input: { images: [image] },
      methods: ['unified:released'],
      options: { unified: { startLayer } },
      check: false,
    } as const;
    expectGolden((await explain(request))[0]!.maps[0]!.scores, `map.unified_attribution.start${startLayer}`);
  });
  test('Mamba-Attribution with the gradient before each block', async () => {
    const [attribution] = await mapsOf(['mamba-attribution:released'], 'input');
    expectGolden(attribution!, `map.mamba_attribution.start${startLayer}.unfused`);
  });
});

test('each layer is its attention, exactly', async () => {
  const { layers: audits, worst } = await audit(view);
  expect(worst).toBeLessThan(1e-5);
  expect(audits[0]!.unified).toBeGreaterThan(0.1); // what the published form leaves out
});

test('every figure was looked at', () => {
  expect(untested()).toEqual([]);
});
