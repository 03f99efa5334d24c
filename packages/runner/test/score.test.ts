import { byteTokenizer } from '@hidden-attention/checkpoint';
import { createModel, ModelError } from '@hidden-attention/model';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { beamSearch, generate, generateAll, perplexity, RunnerError, scoreContinuations } from '../src/index.js';
import { StopStrings } from '../src/stop-strings.js';
import { tinyModel } from './fixtures/models.js';

const model = tinyModel();
const size = model.config.vocabSize;

/** log p of each id but the first, each from the whole text before it. */
async function slow(ids: number[]): Promise<number[]> {
  const logits = await model.forward(model.batch([ids])).logits!.read();
  return ids.slice(1).map((id, i) => {
    const row = Float64Array.from(logits.subarray(i * size, (i + 1) * size));
    const largest = Math.max(...row);
    return row[id]! - largest - Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
  });
}

test('continuations of one prompt are scored as the whole texts are', async () => {
  const prompt = [1, 5, 2];
  const continuations = [[7], [3, 3, 8, 1], [9, 2]];
  const scores = await scoreContinuations(model, prompt, continuations);
  for (const [i, continuation] of continuations.entries()) {
    const expected = (await slow([...prompt, ...continuation])).slice(prompt.length - 1);
    expect(scores[i]!.tokens.length).toBe(continuation.length);
    scores[i]!.tokens.forEach((value, at) => expect(value).toBeCloseTo(expected[at]!, 4));
    expect(scores[i]!.logProbability).toBeCloseTo(
      expected.reduce((a, b) => a + b, 0),
      4,
    );
  }
  await expect(scoreContinuations(model, prompt, [])).rejects.toThrow(RunnerError);
  await expect(scoreContinuations(model, prompt, [[]])).rejects.toThrow(ModelError);
});

test('perplexity in pieces is that of the whole text', async () => {
  const ids = Array.from({ length: 5000 }, (_, i) => (i * i + 3 * i) % size);
  const seen: number[] = [];
  const { tokens, loss, perplexity: value } = await perplexity(model, ids, { onProgress: (done) => seen.push(done) });
  const expected = await slow(ids);
  expect(tokens).toBe(4999);
  expect(seen).toEqual([2048, 4096, 4999]);
  expect(loss).toBeCloseTo(-expected.reduce((a, b) => a + b, 0) / tokens, 4);
  expect(value).toBeCloseTo(Math.exp(loss), 6);
  await expect(perplexity(model, [1])).rejects.toThrow('the text has 1 ids; at least two are needed');
});

describe('beamSearch', () => {
  const prompt = [4, 1, 2];
  test('one beam is greedy', async () => {
    const [greedy] = await generateAll(model, [prompt], { maxTokens: 8, ignoreEos: true });
    const [beam] = await beamSearch(model, prompt, { beams: 1, maxTokens: 8, endOfSequence: [] });
    expect(beam!.ids).toEqual(greedy);
  });

  test('as many beams as there are texts: the likeliest of all', async () => {
    const small = createModel(
      { model_type: 'mamba', vocab_size: 5, hidden_size: 8, num_hidden_layers: 1, initializer_range: 1 },
      { seed: 6 },
    );
    const texts = Array.from({ length: 125 }, (_, n) => [n % 5, Math.floor(n / 5) % 5, Math.floor(n / 25)]);
    const scores = await scoreContinuations(small, [1, 2], texts);
    const best = scores
      .map(({ logProbability }, i) => ({ ids: texts[i]!, logProbability }))
      .sort((a, b) => b.logProbability - a.logProbability);
    const found = await beamSearch(small, [1, 2], { beams: 125, maxTokens: 3, endOfSequence: [] });
    found.slice(0, 20).forEach((beam, i) => {
      expect(beam.ids).toEqual(best[i]!.ids);
      expect(beam.logProbability).toBeCloseTo(best[i]!.logProbability, 4);
    });
    small.dispose();
  });

  test('sequences that end compete with longer ones by their mean', async () => {
    const found = await beamSearch(model, prompt, { beams: 4, maxTokens: 6, endOfSequence: [0, 1, 2, 3, 4] });
    expect(found.length).toBe(4);
    for (const { ids, logProbability, score } of found) {
      const [own] = await scoreContinuations(model, prompt, [ids]);
      expect(logProbability).toBeCloseTo(own!.logProbability, 4);
      expect(score).toBeCloseTo(logProbability / ids.length, 6);
      expect(ids.slice(0, -1).some((id) => id <= 4)).toBe(false);
    }
    expect(found.map(({ score }) => score)).toEqual(found.map(({ score }) => score).sort((a, b) => b - a));
    await expect(beamSearch(model, prompt, { beams: 0, maxTokens: 3 })).rejects.toThrow('beams is 0; a whole number of at least 1');
  });
});

describe('stop strings', () => {
  test('nothing of one is given out, whatever pieces the text comes in', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a', 'b', 'ab', 'ba', 'c', ''), { maxLength: 30 }),
        fc.array(fc.constantFrom('aba', 'bb', 'cab', 'aaaa'), { minLength: 1, maxLength: 3 }),
        (pieces, strings) => {
          const watch = new StopStrings(strings);
          let given = '';
          let stopped = false;
          for (const piece of pieces) {
            const next = watch.push(piece);
            given += next.text;
            if ((stopped = next.stopped)) break;
          }
          if (!stopped) given += watch.end();
          const whole = pieces.join('');
          const first = Math.min(...strings.map((stop) => whole.indexOf(stop)).filter((at) => at >= 0), Infinity);
          if (stopped) expect(given).toBe(whole.slice(0, first));
          else expect(given).toBe(whole);
          expect(stopped).toBe(first < Infinity);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('end a row; alternatives and log-probabilities come with each token', async () => {
    const bytes = createModel({ model_type: 'mamba', vocab_size: 256, hidden_size: 16, num_hidden_layers: 1 }, { seed: 2 });
    const tokenizer = byteTokenizer();
    const options = { maxTokens: 40, temperature: 3, seed: 5, ignoreEos: true, tokenizer };
    const all: string[] = [];
    for await (const { text } of generate(bytes, [[65, 66]], options)) all.push(text!);
    const whole = all.join('');
    const stop = whole.slice(10, 12);
    const ended: string[] = [];
    let last;
    for await (const token of generate(bytes, [[65, 66]], { ...options, stopStrings: [stop], logProbabilities: 2 })) {
      ended.push(token.text!);
      expect(token.alternatives!.length).toBe(2);
      expect(token.alternatives![0]!.logProbability).toBeGreaterThanOrEqual(token.logProbability!);
      last = token;
    }
    expect(last!.finished).toBe('stop');
    expect(ended.join('')).toBe(whole.slice(0, whole.indexOf(stop)));
    expect(() => generate(bytes, [[1]], { maxTokens: 2, stopStrings: ['x'] })).toThrow(/without a tokenizer/);
    bytes.dispose();
  });
});
