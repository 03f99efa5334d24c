import { explain, knockout, listExplainers, stateLens } from '@hidden-attention/explain';
import { testExplainer, testFamily } from '@hidden-attention/explain/conformance';
import { createModel } from '@hidden-attention/model';
import { expect, test } from 'vitest';
import 'hawk-family';

const json = { model_type: 'hawk', vocab_size: 23, hidden_size: 12, num_hidden_layers: 2, lru_width: 10 };
testFamily(json);

const model = createModel(json, { seed: 3 });
for (const explainer of listExplainers())
  if (explainer.supports(model) === true && explainer.name !== 'kernelshap') testExplainer(explainer, { models: [model] });

test('every explainer gives a map, and the shares of those that add up do', async () => {
  const [result] = await explain({ model, input: [[3, 1, 4, 1, 5, 9, 2, 6]], methods: 'all', check: false });
  expect(JSON.stringify(result!.skipped ?? [])).toBe('[]');
  expect(result!.maps.length).toBeGreaterThan(10);
  for (const { certificate } of result!.maps) expect(certificate.completeness?.gap ?? 0).toBeLessThan(1e-4);
});

test('its edges can be cut, and its states looked at', async () => {
  const ids = [3, 1, 4, 1, 5, 9, 2, 6];
  const { logit } = await knockout({ model, input: ids, edges: [{ from: [2], to: [-1] }] });
  expect(logit.after).not.toBe(logit.before);
  const [first] = await stateLens({ model, ids });
  expect(first!.remaining.at(-1)).toBeCloseTo(1, 4);
});
