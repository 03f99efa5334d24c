import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attentionView, audit, knockoutPatches } from '@hidden-attention/attention';
import { loadModel, saveModel } from '@hidden-attention/checkpoint';
import {
  createModel,
  disposeState,
  layerKindsOf,
  Model,
  type Batch,
  type BlockParts,
  type ModelState,
  type TwoWay,
  type VisionConfig,
} from '@hidden-attention/model';
import { add, affine, gradient, multiply, scope, sum, Tensor, type Float } from '@hidden-attention/tensor';
import { describe, expect, test } from 'vitest';
import { explain } from './explain.js';
import { fullName } from './explainer.js';
import type { ImageInput } from './image.js';
import { answersOf } from './target.js';
import { listExplainers } from './registry.js';

const close = 2e-5; // float32, a few layers

/**
 * Tests (for vitest) that every model family has to pass, on a small model of it: rows of a batch do not see one another, nor texts
 * packed into one row, the step is the scan, gradients pass through the carried state, a pass that is spelled out gives what the fused one gives, the layers are their attention and its edges can
 * be cut, gradients are those of finite differences, every site can be captured and patched, a pass can start at any layer, the
 * decomposition adds up, and a model that is saved and loaded gives the same bits.
 * @param json a config.json of the family, small, with at least 2 layers: a language model of at least 20 words, or a classifier of
 * images
 */
export function testFamily(json: Readonly<Record<string, unknown>>): void {
  describe(`${String(json['model_type'])} conforms`, () => {
    const model = createModel(json, { seed: 5 });
    const ids = Array.from({ length: 13 }, (_, at) => (at * at * 3 + at) % Math.min(20, model.config.vocabSize || 1));
    const vision = model.family.images !== undefined;
    const image = vision ? randomImage(model) : undefined;
    const read = (of: Model): Batch => (image ? of.images(image.pixels, [1, ...image.shape]) : of.batch([ids]));
    type Named = (name: string, body: () => Promise<void>) => void;
    const textTest: Named = (name, body) => void (vision || test(name, body)); // images have one size, and are seen at once
    const imageTest: Named = (name, body) => void (vision && test(name, body));
    const answerOf = async (of: Model): Promise<Float32Array> => scope(() => of.forward(read(of), { logits: 'last' }).logits!).read();
    const logitsOf = async (of: Model, rows: number[][], state?: ModelState): Promise<{ logits: Float32Array; state: ModelState }> => {
      const result = scope(() => of.forward(of.batch(rows), { logits: 'last', ...(state ? { state } : {}) }));
      return { logits: await result.logits!.read(), state: result.state };
    };

    textTest('a row of a ragged batch is the row alone', async () => {
      const rows = [ids, ids.slice(3, 8), ids.slice(0, 1)];
      const { logits } = await logitsOf(model, rows);
      const size = model.config.vocabSize;
      for (const [r, row] of rows.entries())
        expectNear(logits.subarray(r * size, (r + 1) * size), (await logitsOf(model, [row])).logits, close);
    });

    textTest('texts packed into rows are the texts alone: logits, gradients, attention', async () => {
      const texts = [ids.slice(0, 5), ids.slice(5, 6), ids.slice(6), ids.slice(2, 4)];
      const packed = (): Batch => model.batch([texts.slice(0, 3).flat(), texts[3]!], { texts: [[5, 1, ids.length - 6], [2]] });
      const places = [0, 5, 6, ids.length]; // of the texts, in rows one behind the other
      const size = model.config.vocabSize;
      const logits = await scope(() => model.forward(packed()).logits!).read();
      const weights = Float32Array.from({ length: logits.length }, (_, i) => (i < (ids.length + 2) * size ? Math.sin(i) : 0));
      const parameters = [...model.parameters.values()];
      const gradientsOf = (batch: () => Batch, part: Float32Array<ArrayBuffer>): Tensor<Float>[] =>
        gradient(() => {
          const all = model.forward(batch()).logits!;
          return sum(multiply(all, Tensor.from(part, all.shape)));
        }, parameters).gradients;
      const together = gradientsOf(packed, weights);
      const alone: Float32Array[] = parameters.map(({ size: count }) => new Float32Array(count));
      for (const [t, text] of texts.entries()) {
        const [start, end] = [places[t]! * size, (places[t]! + text.length) * size];
        expectNear(logits.slice(start, end), await scope(() => model.forward(model.batch([text])).logits!).read(), close);
        for (const [i, found] of gradientsOf(() => model.batch([text]), weights.slice(start, end)).entries()) {
          const numbers = await found.read();
          alone[i]!.forEach((value, at) => (alone[i]![at] = value + numbers[at]!));
        }
      }
      for (const [i, found] of together.entries()) expectNear(await found.read(), alone[i]!, 10 * close);
      using view = await attentionView(model, packed());
      expect((await audit(view)).worst).toBeLessThan(1e-5);
      for (let layer = 0; layer < view.layers; layer++) {
        const rows = await view.layer(layer).row('last', { channels: 'all' }).read();
        expect(rows.subarray(0, rows.length / 2).every((value, at) => value === 0 || at % ids.length > 5)).toBe(true);
      }
    });

    textTest('gradients pass through a carried state', async () => {
      const weights = Tensor.from(Float32Array.from({ length: answersOf(model) }, (_, i) => Math.sin(i + 1)));
      const parameters = [...model.parameters.values()];
      const score = (read: () => Tensor): Tensor<Float>[] => gradient(() => sum(multiply(read(), weights)), parameters).gradients;
      const whole = score(() => model.forward(model.batch([ids]), { logits: 'last' }).logits!);
      const chunks = score(() => {
        let state: ModelState | undefined;
        for (const end of [4, 8]) ({ state } = model.stepChunk([ids.slice(end - 4, end)], state, { logits: 'none' }));
        return model.stepChunk([ids.slice(8)], state, { logits: 'last' }).logits!;
      });
      for (const [i, found] of chunks.entries()) expectNear(await found.read(), await whole[i]!.read(), 10 * close);
    });

    textTest('the step is the scan: id by id, or in two parts, gives what reading all at once gives', async () => {
      const whole = await logitsOf(model, [ids]);
      let stepped = await logitsOf(model, [ids.slice(0, 1)]);
      for (const id of ids.slice(1)) stepped = await logitsOf(model, [[id]], stepped.state);
      const first = await logitsOf(model, [ids.slice(0, 6)]);
      const parts = await logitsOf(model, [ids.slice(6)], first.state);
      for (const other of [stepped, parts]) expectNear(other.logits, whole.logits, close);
      for (const { state } of [whole, first, parts, stepped]) disposeState(state);
    });

    imageTest('an image of a batch is the image alone', async () => {
      const [a, b] = [image!, randomImage(model, 2)];
      const both = Float32Array.from([...a.pixels, ...b.pixels]);
      const together = await scope(() => model.forward(model.images(both, [2, ...a.shape])).logits!).read();
      expectNear(together.subarray(0, together.length / 2), await answerOf(model), close);
    });

    test('the layers are their attention', async () => {
      using view = await attentionView(model, read(model));
      expect((await audit(view)).worst).toBeLessThan(1e-5);
    });

    textTest('also from a carried state', async () => {
      const { state } = await logitsOf(model, [ids]);
      using further = await attentionView(model, [ids.slice(0, 7)], { state });
      expect((await audit(further)).worst).toBeLessThan(1e-5);
      disposeState(state);
    });

    test('gradients of all parameters are those of finite differences', async () => {
      const weights = Tensor.from(Float32Array.from({ length: answersOf(model) }, (_, i) => Math.sin(i + 1)));
      const scoreOf = (of: Model): Tensor => sum(multiply(of.forward(read(of), { logits: 'last' }).logits!, weights));
      const names = [...model.parameters.keys()];
      const { gradients } = gradient(
        () => scoreOf(model),
        names.map((name) => model.parameter(name)),
      );
      const scale = (await answerOf(model)).reduce((total, logit) => total + Math.abs(logit), 0);
      for (const [i, name] of names.entries()) {
        const parameter = model.parameter(name);
        const numbers = await gradients[i]!.read();
        const size = Math.hypot(...numbers);
        if (size === 0) continue;
        const direction = Tensor.from(
          numbers.map((value) => value / size),
          parameter.shape,
        );
        const step = 5e-3 * Math.max(0.1, Math.hypot(...(await parameter.read())) / Math.sqrt(parameter.size));
        const at = async (distance: number): Promise<number> => {
          const parameters = new Map(model.parameters).set(name, add(parameter, affine(direction, distance)));
          return scope(() => scoreOf(new Model(model.family, model.config, model.json, parameters, model.device))).item();
        };
        const slope = ((await at(step)) - (await at(-step))) / (2 * step);
        // a share of the gradient for the step's length, and what rounding leaves of a difference of two scores
        expect(Math.abs(slope - size), `${name}: slope ${slope}, gradient ${size}`).toBeLessThan(0.02 * size + (1e-6 * scale) / step);
      }
    });

    test('spelled out, a pass gives the logits and the gradients of the fused one', async () => {
      const names = [...model.parameters.keys()];
      const parameters = names.map((name) => model.parameter(name));
      const of = (spelledOut: boolean): ReturnType<typeof gradient> =>
        gradient(() => {
          const { logits } = model.forward(read(model), { logits: 'last', spelledOut });
          return sum(multiply(logits!, logits!));
        }, parameters);
      const [fused, apart] = [of(false), of(true)];
      expect(Math.abs((await fused.value.item()) / (await apart.value.item()) - 1)).toBeLessThan(close);
      for (const [i, name] of names.entries())
        expectNear(await fused.gradients[i]!.read(), await apart.gradients[i]!.read(), 5 * close, name);
    });

    test('every site can be captured, and patched by its own value without a trace', async () => {
      const { captured, logits } = model.forward(read(model), { capture: model.sites() });
      const names = model.sites().filter((name) => name !== 'logits');
      expect(Object.keys(captured).sort()).toEqual(model.sites().sort());
      const expected = await logits!.read();
      for (const name of names) {
        const patched = model.forward(read(model), { patch: { [name]: captured[name]! } });
        expectNear(await patched.logits!.read(), expected, close);
      }
      const zero = (value: Tensor): Tensor => affine(value, 0);
      const changed = await model.forward(read(model), { patch: { 'layers.0.mixer': zero } }).logits!.read();
      const size = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      expect(changed.some((value, i) => Math.abs(value - expected[i]!) > 1e-4 * size)).toBe(true);
    });

    test('a pass that starts at a later layer gives what the whole pass gives', async () => {
      const { layers } = model.config;
      const { captured, logits } = model.forward(read(model), { capture: ['layers.1.input', `layers.${layers - 1}.output`] });
      for (const [fromLayer, name] of [
        [1, 'layers.1.input'],
        [layers, `layers.${layers - 1}.output`],
      ] as const) {
        const later = model.forward(read(model), { embeddings: captured[name]!, fromLayer });
        expect(await later.logits!.read()).toEqual(await logits!.read());
      }
    });

    test('with all edges of a layer cut, its attention gives nothing but the skip', async () => {
      const batch = read(model);
      const patch = await knockoutPatches(model, batch, { edges: [{ from: Array.from({ length: batch.lengths[0]! }, (_, at) => at) }] });
      const kind = layerKindsOf(model)[0]!;
      using view = await attentionView(model, batch);
      const parts = view.layer(0).parts();
      for (const [site, own] of kind === 'softmax'
        ? [['attended', undefined] as const]
        : kind === 'scan'
          ? [['scan', parts as BlockParts] as const]
          : [['forward.scan', (parts as TwoWay<BlockParts>).forward] as const]) {
        const name = `layers.0.${site}`;
        const [clean, cut] = [{}, patch].map((each) => model.forward(batch, { patch: each, capture: [name] }).captured[name]!);
        const size = Math.max(...Array.from(await clean!.read(), Math.abs));
        const skip = own ? await multiply(own.u, own.D).read() : new Float32Array(cut!.size);
        for (const [i, value] of (await cut!.read()).entries()) expect(Math.abs(value - skip[i]!)).toBeLessThanOrEqual(close * size);
      }
    });

    test('what every method that promises it gives tokens and biases adds up to the logit', async () => {
      const methods = listExplainers()
        .filter((explainer) => explainer.complete && explainer.supports(model) === true)
        .map(fullName);
      expect(methods).toContain('decomposition');
      const [result] = await explain({ model, input: image ? { images: [image] } : [ids], methods, check: false });
      expect(result!.maps).toHaveLength(methods.length);
      for (const { method, certificate } of result!.maps) expect(certificate.completeness!.gap, method).toBeLessThan(1e-3);
    });

    test('saved and loaded, it gives the same bits', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'family-'));
      try {
        await saveModel(folder, model);
        const loaded = await loadModel(folder);
        expect(await answerOf(loaded.model)).toEqual(await answerOf(model));
        expect(loaded.unused).toEqual([]);
        loaded.model.dispose();
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  });
}

/** An image of the size that a model was made for. */
function randomImage(model: Model, seed = 1): ImageInput {
  const { channels, imageSize } = model.config as VisionConfig;
  const pixels = Float32Array.from({ length: channels * imageSize[0] * imageSize[1] }, (_, at) => Math.sin(at * at + seed));
  return { pixels, shape: [channels, ...imageSize] };
}

function expectNear(actual: Float32Array, expected: Float32Array, within: number, what?: string): void {
  expect(actual.length).toBe(expected.length);
  const size = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  for (const [i, value] of expected.entries()) expect(Math.abs(actual[i]! - value), what).toBeLessThanOrEqual(within * size);
}
