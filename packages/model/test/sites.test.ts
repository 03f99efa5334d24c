import { affine, ShapeError, Tensor } from '@hidden-attention/tensor';
import { describe, expect, test } from 'vitest';
import { expandSites, ModelError, nearestNames } from '../src/index.js';
import { expectClose, tinyModel } from './fixtures/models.js';

const model = tinyModel();
const rows = [
  [1, 2, 3, 4, 5, 6, 7],
  [8, 9, 10, 11, 12, 13, 14],
];
const batch = model.batch(rows);

describe('names', () => {
  test('a star stands for anything but a dot', () => {
    const known = model.sites();
    expect(expandSites(['layers.*.delta', 'logits'], known)).toEqual(['layers.0.delta', 'layers.1.delta', 'logits']);
    expect(expandSites(['*'], known)).toEqual(['embeddings', 'finalNorm', 'logits']);
    expect(expandSites(['layers.1.*'], known)).toHaveLength(15);
    expect(expandSites(['*.*.*'], known)).toHaveLength(30);
  });

  test.each([
    ['layers.0.detla', /no site is called "layers\.0\.detla"; the nearest are layers\.0\.delta/],
    ['layers.2.x', /the nearest are layers\.0\.x, layers\.1\.x/],
    ['layers', /no site is called "layers"/],
    ['layer[0-1]', /no site is called/],
    ['', /no site is called ""/],
  ])('%j is refused with the nearest names', (name, message) => {
    expect(() => model.forward(batch, { capture: [name] })).toThrow(message);
    expect(() => model.forward(batch, { patch: { [name]: (value) => value } })).toThrow(ModelError);
  });

  test('nearestNames orders by edit distance, then by name', () => {
    expect(nearestNames('abd', ['xyz', 'abe', 'abc', 'abdd'])).toEqual(['abc', 'abdd', 'abe']);
  });
});

describe('capture', () => {
  test('every site has the shape of the contract', () => {
    const shapes = Object.fromEntries(
      Object.entries(model.forward(batch, { capture: ['*', '*.*.*'] }).captured).map(([name, { shape }]) => [name, shape]),
    );
    const layer = (k: number): object =>
      Object.fromEntries(
        Object.entries({
          input: [2, 7, 10], norm: [2, 7, 10], x: [2, 7, 14], z: [2, 7, 14], conv: [2, 7, 14], u: [2, 7, 14], delta: [2, 7, 14], B: [2, 7, 5], C: [2, 7, 5],
          scan: [2, 7, 14], gated: [2, 7, 14], mixer: [2, 7, 10], output: [2, 7, 10], state: [2, 14, 5], convState: [2, 14, 4],
        }).map(([name, shape]) => [`layers.${k}.${name}`, shape]),
      ); // prettier-ignore
    expect(shapes).toEqual({ embeddings: [2, 7, 10], ...layer(0), ...layer(1), finalNorm: [2, 7, 10], logits: [2, 7, 19] });
  });

  test('asking for nothing gives the logits that asking for everything gives', async () => {
    const { logits, captured } = model.forward(batch);
    expect(captured).toEqual({});
    expectClose(await logits!.read(), await model.forward(batch, { capture: ['*', '*.*.*'] }).logits!.read());
  });

  test('sites outside of the scan leave the fused path its bits', async () => {
    const { logits } = model.forward(batch, { capture: ['layers.*.x', 'layers.*.gated'] });
    expect(await logits!.read()).toEqual(await model.forward(batch).logits!.read());
  });
});

describe('patch', () => {
  test('a site replaced by its own value changes nothing', async () => {
    const expected = await model.forward(batch).logits!.read();
    for (const site of [
      'embeddings',
      'layers.0.x',
      'layers.0.delta',
      'layers.1.B',
      'layers.1.scan',
      'layers.1.output',
      'finalNorm',
      'logits',
    ]) {
      const value = model.forward(batch, { capture: [site] }).captured[site]!;
      expectClose(await model.forward(batch, { patch: { [site]: value } }).logits!.read(), expected);
    }
  });

  test('the stream of another input after a block gives the logits of that input', async () => {
    const other = model.batch(rows.toReversed());
    const { captured } = model.forward(other, { capture: ['layers.1.output'] });
    const { logits } = model.forward(batch, { patch: { 'layers.1.output': captured['layers.1.output']! } });
    expect(await logits!.read()).toEqual(await model.forward(other).logits!.read());
  });

  test('a function is given the value computed; what is captured there is the patch', async () => {
    const { captured, logits } = model.forward(batch, { capture: ['logits'], patch: { logits: (value) => affine(value, 2) } });
    expect(await captured['logits']!.read()).toEqual((await model.forward(batch).logits!.read()).map((number) => 2 * number));
    expect(await logits!.read()).toEqual(await captured['logits']!.read());
  });

  test('a layer whose mixer is silenced passes its input on', async () => {
    const { captured } = model.forward(batch, {
      capture: ['layers.0.input', 'layers.0.output'],
      patch: { 'layers.0.mixer': (value) => affine(value, 0) },
    });
    expect(await captured['layers.0.output']!.read()).toEqual(await captured['layers.0.input']!.read());
  });

  test('a value of another shape is refused with both', () => {
    const patch = { 'layers.0.B': Tensor.full([2, 7, 4], 0) };
    expect(() => model.forward(batch, { patch })).toThrow(/patch of layers\.0\.B: the value is \(2, 7, 4\); the site is \(2, 7, 5\)/);
    expect(() => model.forward(batch, { patch })).toThrow(ShapeError);
  });
});
