import { rolloutLongRow } from '@hidden-attention/attention';
import { createModel } from '@hidden-attention/model';
import { expect, test } from 'vitest';
import { answers } from '../src/answer.js';
import { explain } from '../src/index.js';

const sizes = { model_type: 'mamba', vocab_size: 32, hidden_size: 8, state_size: 4, num_hidden_layers: 2 };
const text = Array.from({ length: 40_000 }, (_, at) => (at * at + 3 * at) % 32);

test('a long text is answered in pieces as in one', async () => {
  const heads = [
    {},
    ...['mean', 'last'].map((pooling) => ({ architectures: ['MambaForSequenceClassification'], id2label: { 0: 'a', 1: 'b' }, pooling })),
  ];
  for (const [seed, head] of heads.entries()) {
    const model = createModel({ ...sizes, ...head }, { seed });
    const [pieces, short] = await answers(model, [Int32Array.from(text), Int32Array.from([1, 2, 3])]);
    const whole = await model.forward(model.batch([text]), { logits: 'last' }).logits!.read();
    expect(short).toHaveLength(whole.length);
    whole.forEach((logit, id) => expect(pieces![id]!).toBeCloseTo(logit, 4));
    model.dispose();
  }
});

test('the rollout of a long text needs memory for a piece of it, audit and check included', async () => {
  const model = createModel(sizes, { seed: 1 });
  model.device.trim();
  model.device.memory({ resetPeak: true });
  const [result] = await explain({ model, input: [text], methods: ['rollout'], check: { draws: 1 } });
  const { scores, certificate } = result!.maps[0]!;
  const { data } = await rolloutLongRow(model, text);
  expect(scores).toEqual([...data]);
  expect(certificate.audit.worst).toBeLessThan(1e-5);
  expect(certificate.check!.of).toBe(text.length - 1);
  // held whole, the tape alone would be 2 layers × 40,000 positions × more than 150 numbers
  expect(model.device.memory().peak).toBeLessThan(40e6);
});
