import { attentionView, LiveAttention } from '@hidden-attention/attention';
import { createModel } from '@hidden-attention/model';
import { generate } from '@hidden-attention/runner';
import { openDevice } from '@hidden-attention/tensor';
import { expect, test } from 'vitest';

test('while a text streams, each token comes with what it drew on', async () => {
  const model = createModel(
    { model_type: 'mamba', vocab_size: 40, hidden_size: 12, num_hidden_layers: 2, initializer_range: 0.5 },
    { seed: 4 },
  );
  const prompt = [3, 1, 4, 1, 5, 9, 2, 6];
  const text = [...prompt];
  const before = openDevice().memory().live;
  {
    using live = new LiveAttention(model, { k: 3, cutoff: 0 });
    for await (const { id } of generate(model, [prompt], { maxTokens: 12, ignoreEos: true, observer: live })) {
      expect(live.length).toBe(text.length);
      const rows = await live.rows();
      {
        using view = await attentionView(model, [text]);
        for (const { layer, position, top } of rows) {
          expect(position).toBe(text.length - 1);
          using tensor = view.layer(layer).row('last');
          const row = await tensor.read();
          const largest = Math.max(...row.map(Math.abs));
          expect(Math.abs(Math.abs(top[0]!.value) - largest)).toBeLessThan(1e-5 * largest);
          for (const { position: at, value } of top) expect(Math.abs(row[at]! - value)).toBeLessThan(1e-5 * largest);
        }
      }
      text.push(id);
    }
  }
  expect(openDevice().memory().live).toBe(before);
  expect(() => generate(model, [prompt, prompt], { maxTokens: 1, observer: new LiveAttention(model) })).toThrow(
    /an observer follows one row/,
  );
});
