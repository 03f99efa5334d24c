import { createModel, type Model } from '@hidden-attention/model';
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Batcher, generate, RunnerError, type GeneratedToken, type GenerateOptions } from '../src/index.js';
import { Decoder } from '../src/decoder.js';
import { tinyModel } from './fixtures/models.js';

const model = tinyModel();
const softmax = { vocab_size: 23, initializer_range: 0.4 };
const models: [string, Model][] = [
  ['mamba', model],
  ['gpt2', createModel({ ...softmax, model_type: 'gpt2', n_embd: 16, n_layer: 2, n_head: 4, n_positions: 60 }, { seed: 2 })],
  [
    'jamba',
    createModel(
      {
        ...softmax,
        model_type: 'jamba',
        hidden_size: 16,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        intermediate_size: 24,
        attn_layer_period: 2,
        attn_layer_offset: 1,
      },
      { seed: 4 },
    ),
  ],
];
const free = { ignoreEos: true };
const long = { ...free, maxTokens: 40 };
afterEach(() => void vi.restoreAllMocks());

async function all(stream: AsyncIterable<GeneratedToken>): Promise<GeneratedToken[]> {
  const tokens: GeneratedToken[] = [];
  for await (const token of stream) tokens.push(token);
  return tokens;
}
const alone = (prompt: number[], options: GenerateOptions, of = model): Promise<GeneratedToken[]> => all(generate(of, [prompt], options));
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe.each(models)('requests to a %s', (_, own) => {
  const request = fc.record({
    prompt: fc.array(fc.nat(22), { minLength: 1, maxLength: 40 }),
    wait: fc.nat(30),
    options: fc.record({
      maxTokens: fc.integer({ min: 1, max: 20 }),
      temperature: fc.constantFrom(0, 1.2),
      seed: fc.nat(99),
      repetitionPenalty: fc.constantFrom(1, 1.3),
      stopIds: fc.array(fc.nat(22), { maxLength: 3 }),
      ignoreEos: fc.boolean(),
    }),
  });

  test('that come at any time get what each gets alone', async () => {
    const run = async (requests: { prompt: number[]; wait: number; options: GenerateOptions }[], options: object): Promise<void> => {
      await using batcher = new Batcher(own, options);
      const got = requests.map(async ({ prompt, wait, options }) => {
        for (let turns = 0; turns < wait; turns++) await turn();
        return all(batcher.submit(prompt, options));
      });
      for (const [at, tokens] of (await Promise.all(got)).entries())
        expect(tokens).toEqual(await alone(requests[at]!.prompt, requests[at]!.options, own));
      expect(batcher.size).toBe(0);
    };
    const sizes = fc.record({ maxRows: fc.integer({ min: 1, max: 5 }), promptPiece: fc.integer({ min: 1, max: 60 }) });
    await fc.assert(fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 8 }), sizes, run), { numRuns: 15 });
  });

  test('that keep the batch busy may be more, all in all, than one text could hold', async () => {
    await using batcher = new Batcher(own, { maxRows: 2 });
    const expected = await alone([1, 2], long, own);
    // the second of two rows is always in the middle of its text when the first leaves
    const following = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) expect(await all(batcher.submit([1, 2], long))).toEqual(expected);
    };
    const first = following(4);
    for (let turns = 0; turns < 20; turns++) await turn();
    await Promise.all([first, following(4)]);
  });
});

describe('a long prompt', () => {
  const prompt = Array.from({ length: 1000 }, (_, i) => (i * i) % 23);

  test('is read in pieces, with a step of the running rows between any two', async () => {
    const passes: number[] = [];
    const forward = model.forward.bind(model);
    vi.spyOn(model, 'forward').mockImplementation((batch, options) => {
      passes.push(Math.max(...batch.lengths) * batch.lengths.length);
      return forward(batch, options);
    });
    const step = vi.spyOn(Decoder.prototype, 'step').mockName('step');
    await using batcher = new Batcher(model, { promptPiece: 100 });
    const running = batcher.submit([1], { ...free, maxTokens: 10_000 });
    await running.next();
    const before = step.mock.calls.length;
    await batcher.submit(prompt, { ...free, maxTokens: 1 }).next();
    expect(Math.max(...passes)).toBe(100);
    expect(step.mock.calls.length - before).toBeGreaterThanOrEqual(9);
    await running.return(undefined);
  });

  test('does not hold up a short one that comes after it', async () => {
    await using batcher = new Batcher(model, { promptPiece: 50 });
    const order: string[] = [];
    const submit = (name: string, ids: number[], maxTokens: number): Promise<unknown> =>
      all(batcher.submit(ids, { ...free, maxTokens })).then(() => order.push(name));
    let short: Promise<unknown> | undefined;
    const forward = model.forward.bind(model);
    vi.spyOn(model, 'forward').mockImplementation((batch, options) => {
      short ??= submit('short', [1, 2, 3], 5); // as the first piece is read
      return forward(batch, options);
    });
    await submit('long', prompt, 1);
    await short;
    expect(order).toEqual(['short', 'long']);
  });
});

describe('an end', () => {
  test('by leaving the loop, or by the signal, leaves the other rows as they are', async () => {
    await using batcher = new Batcher(model);
    const stop = new AbortController();
    const endless = { ...free, maxTokens: 1_000_000 };
    const others = [all(batcher.submit([1, 2], long)), all(batcher.submit([3], long))];
    const aborted = all(batcher.submit([4], { ...endless, signal: stop.signal }));
    let count = 0;
    for await (const { row } of batcher.submit([5, 6], endless)) {
      expect(row).toBe(0);
      if (++count === 3) break;
    }
    stop.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    expect(await Promise.all(others)).toEqual([await alone([1, 2], long), await alone([3], long)]);
    expect(batcher.size).toBe(0);
  });

  test('after a signal no token comes that was not read before, though it was made', async () => {
    await using batcher = new Batcher(model);
    const stop = new AbortController();
    const stream = batcher.submit([1], { ...free, maxTokens: 5, signal: stop.signal });
    await stream.next();
    while (batcher.size > 0) await turn();
    stop.abort(new Error('no more'));
    await expect(stream.next()).rejects.toThrow('no more');
    expect(await stream.next()).toEqual({ value: undefined, done: true });
    await expect(all(batcher.submit([1], { maxTokens: 1, signal: stop.signal }))).rejects.toThrow('no more');
    expect(batcher.size).toBe(0);
  });

  test('before the first token is asked for ends the request as well', async () => {
    await using batcher = new Batcher(model, { maxRows: 1 });
    const streams = [1, 2].map((id) => batcher.submit([id], { ...free, maxTokens: 1_000_000 }));
    expect(batcher.size).toBe(2);
    for (const stream of streams) await stream.return(undefined);
    expect(batcher.size).toBe(0);
    expect(await all(streams[0]!)).toEqual([]);
  });

  test('calls of next that wait together are answered in their order; those behind the last token are told that it was', async () => {
    await using batcher = new Batcher(model);
    const stream = batcher.submit([1], { ...free, maxTokens: 2 });
    const results = await Promise.all([stream.next(), stream.next(), stream.next()]);
    const expected = await alone([1], { ...free, maxTokens: 2 });
    expect(results).toEqual([...expected.map((value) => ({ value, done: false })), { value: undefined, done: true }]);
  });

  test('by dispose is told to all that run or wait; then nothing is taken', async () => {
    const batcher = new Batcher(model, { maxRows: 1 });
    const streams = [1, 2].map((id) => all(batcher.submit([id], { ...free, maxTokens: 1_000_000 })));
    const refused = streams.map((stream) => expect(stream).rejects.toThrow(/disposed of before the text was complete/));
    await turn();
    await batcher.dispose();
    await Promise.all(refused);
    expect(() => batcher.submit([1], { maxTokens: 1 })).toThrow(RunnerError);
    await batcher.dispose();
  });
});

describe('what fails', () => {
  const others = [
    [1, 2],
    [3, 4, 5],
  ];
  async function besides(batcher: Batcher, failing: () => AsyncIterable<GeneratedToken>, message: string): Promise<void> {
    const running = others.map((prompt) => all(batcher.submit(prompt, long)));
    const failed = expect(all(failing())).rejects.toThrow(message);
    expect(await Promise.all(running)).toEqual(await Promise.all(others.map((prompt) => alone(prompt, long))));
    await failed;
  }

  test('in choosing a token ends its request alone', async () => {
    await using batcher = new Batcher(model);
    let count = 0;
    const push = (): string => {
      if (++count === 3) throw new Error('no such character');
      return '';
    };
    await besides(batcher, () => batcher.submit([6], { ...long, tokenizer: { decoder: () => ({ push, end: () => '' }) } }), 'no such');
  });

  test('in reading a prompt ends its request alone, also where prompts are read together', async () => {
    const forward = model.forward.bind(model);
    vi.spyOn(model, 'forward').mockImplementation((batch, options) => {
      if (batch.lengths.includes(13)) throw new RangeError('13 positions do not fit');
      return forward(batch, options);
    });
    await using batcher = new Batcher(model);
    await besides(batcher, () => batcher.submit(new Int32Array(13), long), '13 positions do not fit');
  });

  test('in joining leaves the rows that run as they are', async () => {
    await using batcher = new Batcher(model);
    const running = batcher.submit([1, 2], long);
    const { value: first } = await running.next();
    const forward = model.forward.bind(model);
    vi.spyOn(model, 'forward').mockImplementation((batch, options) => {
      if (batch.lengths.length === 2) throw new RangeError('no memory for two rows');
      return forward(batch, options);
    });
    await expect(all(batcher.submit([3], long))).rejects.toThrow('no memory for two rows');
    expect([first, ...(await all(running))]).toEqual(await alone([1, 2], long));
  });

  test('in a step ends the requests that took it, and no later one', async () => {
    await using batcher = new Batcher(model);
    vi.spyOn(Decoder.prototype, 'step').mockRejectedValueOnce(new Error('the device failed'));
    await expect(Promise.all(others.map((prompt) => all(batcher.submit(prompt, long))))).rejects.toThrow('the device failed');
    expect(await all(batcher.submit([1, 2], long))).toEqual(await alone([1, 2], long));
  });
});

test('bad requests and options are refused at once', async () => {
  await using batcher = new Batcher(model);
  expect(() => batcher.submit([99], { maxTokens: 1 })).toThrow(/id 99/);
  expect(() => batcher.submit([], { maxTokens: 1 })).toThrow(/empty/);
  expect(() => batcher.submit([1], { maxTokens: 0 })).toThrow(/maxTokens is 0/);
  const observed: GenerateOptions = { maxTokens: 1, observer: { sites: [], see: () => undefined } };
  expect(() => batcher.submit([1], observed)).toThrow(/observer follows passes over one row/);
  expect(batcher.size).toBe(0);
  expect(() => new Batcher(model, { maxRows: 0 })).toThrow(/maxRows is 0; a whole number of at least 1/);
  expect(() => new Batcher(model, { promptPiece: 4096 })).toThrow(/promptPiece is 4096; a whole number from 1 to 2048/);
});
