import { disposeState } from '@hidden-attention/model';
import { expect, test } from 'vitest';
import { attentionView, audit, auditLong } from '../src/index.js';
import { randomIds, smallModel } from './support.js';

test('the scan and the whole block are what their attention says; the published form misses D and biases', async () => {
  const model = smallModel({ layers: 4 });
  using view = await attentionView(model, randomIds(3, 40, 7));
  const { layers, worst } = await audit(view);
  expect(layers.map(({ layer }) => layer)).toEqual([0, 1, 2, 3]);
  expect(worst).toBeLessThan(1e-5);
  for (const { scan, row, block, unified } of layers) {
    expect(Math.max(scan, row, block)).toBeLessThanOrEqual(worst);
    expect(unified).toBeGreaterThan(1e-2);
  }
});

test('a view that starts from a state is audited with what the state adds', async () => {
  const model = smallModel();
  const [before, after] = randomIds(4, 11, 17);
  const { state } = model.forward(model.batch([before!]), { logits: 'none' });
  using view = await attentionView(model, [after!], { state });
  expect((await audit(view)).worst).toBeLessThan(1e-5);
  disposeState(state);
});

test('a view of other dynamics than the model ran with is found out', async () => {
  const model = smallModel();
  using view = await attentionView(model, randomIds(5, 12));
  view.layer(0).parts();
  Object.assign(view, { model: smallModel({}, 2) });
  expect((await audit(view)).worst).toBeGreaterThan(1e-2);
});

test('a batch of one position', async () => {
  const model = smallModel({ layers: 1 });
  using view = await attentionView(model, [[3]]);
  expect((await audit(view)).worst).toBeLessThan(1e-5);
});

test('a long text is audited in pieces', async () => {
  const model = smallModel();
  const [text] = randomIds(6, 100);
  const { layers, worst } = await auditLong(model, text!, { piece: 33 });
  expect(layers).toHaveLength(3);
  expect(worst).toBeLessThan(1e-5);
});
