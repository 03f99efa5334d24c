// The same models, inputs and explainers on every device of this machine: with `simt`, the CUDA kernels played by the
// processor, that is the check of the whole GPU path where there is no GPU.
import { explain, listExplainers } from '@hidden-attention/explain';
import { createModel, inPrecision, type Model } from '@hidden-attention/model';
import { describeDevices, openDevice } from '@hidden-attention/native';
import { generateAll } from '@hidden-attention/runner';
import { loadZoo } from '@hidden-attention/zoo';
import { describe, expect, test } from 'vitest';

const others = describeDevices().kinds.flatMap(({ devices }) => devices.map(({ name }) => name));
if (others.length === 0) {
  console.log('skipped: no device besides the processor; `simt` is built beside the addon from source');
  test.skip('on another device');
}

/** Largest difference of two rows of numbers, as a share of the largest number. */
function difference(got: Float32Array, want: Float32Array): number {
  expect(got.length).toBe(want.length);
  const largest = want.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
  return got.reduce((most, value, i) => Math.max(most, Number.isNaN(value) ? Infinity : Math.abs(value - want[i]!)), 0) / largest;
}

async function compareMaps(here: Model, there: Model, ids: number[][], methods: 'all' | string[] = 'all'): Promise<void> {
  const maps = async (model: Model) => (await explain({ model, input: ids, methods, check: false })).flatMap(({ maps }) => maps);
  const [want, got] = [await maps(here), await maps(there)];
  expect(got.map(({ method }) => method)).toEqual(want.map(({ method }) => method));
  for (const [i, map] of want.entries()) {
    const apart = difference(Float32Array.from(got[i]!.scores), Float32Array.from(map.scores));
    expect(apart, `${map.method}: scores differ by ${apart} of the largest`).toBeLessThan(1e-3);
  }
}

describe.each(others)('on %s', (name) => {
  const sizes = { model_type: 'mamba', vocab_size: 40, hidden_size: 12, num_hidden_layers: 2, initializer_range: 0.5 };
  const classifier = { ...sizes, architectures: ['MambaForSequenceClassification'], id2label: { 0: 'no', 1: 'yes' }, pooling: 'mean' };
  test.each([
    ['a language model', sizes],
    ['a classifier', classifier],
  ])('every explainer gives the maps of the processor: %s', async (_, json) => {
    const model = (device: string): Model => createModel(json, { seed: 3, device: openDevice(device) });
    await compareMaps(model('cpu'), model(name), [
      [1, 5, 9, 30, 22, 5, 3, 39, 0, 7, 7, 1, 12, 13, 14, 2, 21, 8],
      [4, 4, 19],
    ]);
    expect(listExplainers().length).toBeGreaterThan(0);
  });

  test('weights and activations of 8 bits', async () => {
    const logitsOf = async (device: string): Promise<Float32Array> => {
      const model = inPrecision(createModel({ ...sizes, hidden_size: 32 }, { seed: 3, device: openDevice(device) }), 'w8a8');
      return model.forward(model.batch([[1, 5, 9, 30, 22, 5, 3, 39, 0, 7, 7, 1]])).logits!.read();
    };
    expect(difference(await logitsOf(name), await logitsOf('cpu'))).toBeLessThan(1e-3); // unless a number is rounded up here, down there: 1e-5
  });

  test.each([
    ['mail', 'Subject: win money'],
    ['prose', 'Call me Ish'],
  ])('zoo:%s', async (zoo, text) => {
    const load = async (device: string) => loadZoo(zoo, { device: openDevice(device) });
    const [here, there] = [await load('cpu'), await load(name)];
    const ids = Array.from(here.tokenizer!.encode(text).ids);
    // every op that explainers use; those that run a model hundreds of times are compared on the small models above
    await compareMaps(
      here.model,
      there.model,
      [ids],
      ['raw', 'rollout', 'mamba-attribution', 'gradient-x-input', 'decomposition', 'mambalrp'],
    );
    if (zoo !== 'prose') return;
    const tokens = (model: Model): Promise<number[][]> => generateAll(model, [ids], { maxTokens: 4, temperature: 0 });
    expect(await tokens(there.model)).toEqual(await tokens(here.model));
  });
});
