import { ShapeError } from '@hidden-attention/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createModel, disposeState, forkState, joinRows, selectRows } from '../src/index.js';
import { expectClose, rowOf, tiny, tinyClassifier, tinyModel } from './fixtures/models.js';

const model = tinyModel();
const id = fc.integer({ min: 0, max: 18 });
const rowsOf = (maxRows: number, maxLength: number): fc.Arbitrary<number[][]> =>
  fc.array(fc.array(id, { minLength: 1, maxLength }), { minLength: 1, maxLength: maxRows });

describe('a row of a ragged batch is the row alone', () => {
  const everything = ['*', '*.*.*'];

  test('in every site, state and convolution state; zero past its end', async () => {
    await fc.assert(
      fc.asyncProperty(rowsOf(4, 11), async (rows) => {
        const together = model.forward(model.batch(rows), { capture: everything });
        for (const [r, row] of rows.entries()) {
          const alone = model.forward(model.batch([row]), { capture: everything });
          for (const [site, tensor] of Object.entries(together.captured)) {
            const own = alone.captured[site]!;
            if (site.endsWith('tate')) {
              expectClose(await rowOf(tensor, r), await rowOf(own, 0));
            } else {
              expectClose(await rowOf(tensor, r, 0, row.length), await rowOf(own, 0));
              expect((await rowOf(tensor, r, row.length)).every((number) => number === 0)).toBe(true);
            }
          }
          for (const [k, { scan, conv }] of together.state.layers.entries()) {
            expectClose(await rowOf(scan, r), await rowOf(alone.state.layers[k]!.scan, 0));
            expectClose(await rowOf(conv, r), await rowOf(alone.state.layers[k]!.conv, 0));
          }
        }
      }),
      { numRuns: 15 },
    );
  });

  test('in the logits of its last position', async () => {
    const rows = [[1, 2, 3, 4, 5], [6], [7, 8, 9]];
    const { logits } = model.forward(model.batch(rows), { logits: 'last' });
    expect(logits!.shape).toEqual([3, 19]);
    const all = await logits!.read();
    for (const [r, row] of rows.entries())
      expectClose(all.subarray(19 * r, 19 * (r + 1)), await model.forward(model.batch([row]), { logits: 'last' }).logits!.read());
  });
});

describe('three ways to the same logits', () => {
  test('spelled out = fused', async () => {
    await fc.assert(
      fc.asyncProperty(rowsOf(3, 20), async (rows) => {
        const batch = model.batch(rows);
        expectClose(
          await model.forward(batch, { spelledOut: true, logits: 'last' }).logits!.read(),
          await model.forward(batch, { logits: 'last' }).logits!.read(),
        );
      }),
      { numRuns: 15 },
    );
  });

  test('a text cut anywhere and continued from the state = one pass; so is one step at a time', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(id, { minLength: 2, maxLength: 20 }), fc.nat(), async (row, where) => {
        const cut = 1 + (where % (row.length - 1));
        const whole = model.forward(model.batch([row]));
        const first = model.forward(model.batch([row.slice(0, cut)]));
        const rest = model.forward(model.batch([row.slice(cut)]), { state: first.state });
        const expected = await whole.logits!.read();
        expectClose([...(await first.logits!.read()), ...(await rest.logits!.read())], expected);
        for (const [k, { scan, conv }] of rest.state.layers.entries()) {
          expectClose((await scan.read()) as Float32Array, (await whole.state.layers[k]!.scan.read()) as Float32Array);
          expectClose((await conv.read()) as Float32Array, (await whole.state.layers[k]!.conv.read()) as Float32Array);
        }
        let state = model.initialState();
        const steps: number[] = [];
        for (const next of row) {
          const step = model.forward(model.batch([[next]]), { state });
          steps.push(...(await step.logits!.read()));
          disposeState(state);
          state = step.state;
        }
        expectClose(steps, expected);
      }),
      { numRuns: 10 },
    );
  });

  test('positions asked for = those of all', async () => {
    const batch = model.batch([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const all = model.forward(batch).logits!;
    const some = await model.forward(batch, { logits: [1, -1] }).logits!.read();
    expectClose(some, [...(await rowOf(all, 0, 1, 2)), ...(await rowOf(all, 1, 2, 3))]);
    expect(model.forward(batch, { logits: 'none' }).logits).toBeUndefined();
  });

  test('an untied head, biases and no convolution bias are used', async () => {
    const shared = { use_bias: true, use_conv_bias: false, tie_word_embeddings: false };
    const other = tinyModel(shared);
    const batch = other.batch([[1, 2, 3]]);
    expectClose(await other.forward(batch, { spelledOut: true }).logits!.read(), await other.forward(batch).logits!.read());
    other.parameter('lm_head.weight').dispose();
    expect(() => other.forward(batch)).toThrow(/disposed/);
  });
});

describe('a classifier', () => {
  test.each(['mean', 'last'] as const)('pools by %s over a row itself', async (pooling) => {
    const classifier = createModel({ ...tinyClassifier, pooling }, { seed: 4 });
    const rows = [
      [1, 2, 3, 4, 5],
      [6, 7],
    ];
    const { logits, captured } = classifier.forward(classifier.batch(rows), { capture: ['finalNorm'] });
    const numbers = await logits!.read();
    expect(logits!.shape).toEqual([2, 3]);
    const score = await classifier.parameter('score.weight').read();
    for (const [r, row] of rows.entries()) {
      const normed = await rowOf(captured['finalNorm']!, r, 0, row.length);
      const pooled = Array.from({ length: 10 }, (_, m) => {
        const column = row.map((_, i) => normed[10 * i + m]!);
        return pooling === 'last' ? column.at(-1)! : column.reduce((sum, number) => sum + number, 0) / row.length;
      });
      expectClose(
        numbers.subarray(3 * r, 3 * r + 3),
        [0, 1, 2].map((c) => pooled.reduce((sum, number, m) => sum + number * score[10 * c + m]!, 0)),
      );
    }
  });
});

test('the same input gives the same bits, twice', async () => {
  const batch = model.batch([
    [1, 2, 3, 4, 5, 6, 7, 8, 9],
    [3, 2, 1],
  ]);
  expect(await model.forward(batch).logits!.read()).toEqual(await model.forward(batch).logits!.read());
});

test('states of other sizes are refused', () => {
  const other = createModel({ ...tiny, num_hidden_layers: 1 });
  expect(() => model.forward(model.batch([[1]]), { state: other.initialState() })).toThrow(/the state has 1 layers; the model has 2/);
  expect(() => model.forward(model.batch([[1], [2]]), { state: model.initialState(3) })).toThrow(ShapeError);
});

describe('states', () => {
  const { state } = model.forward(
    model.batch([
      [1, 2],
      [3, 4],
      [5, 6],
    ]),
  );

  test('selectRows picks in order, joinRows puts together', async () => {
    const picked = selectRows(state, [2, 0]);
    const single = selectRows(state, [1]);
    const joined = joinRows([picked, single]);
    expect(await rowOf(joined.layers[1]!.scan, 0)).toEqual(await rowOf(state.layers[1]!.scan, 2));
    expect(await rowOf(joined.layers[0]!.conv, 1)).toEqual(await rowOf(state.layers[0]!.conv, 0));
    expect(await rowOf(joined.layers[0]!.scan, 2)).toEqual(await rowOf(state.layers[0]!.scan, 1));
    expect(() => joinRows([])).toThrow(/no states to join/);
  });

  test('a fork outlives what it was forked from', async () => {
    const own = selectRows(state, [0]);
    const expected = (await own.layers[0]!.scan.read()) as Float32Array;
    const fork = forkState(own);
    disposeState(own);
    expect(await fork.layers[0]!.scan.read()).toEqual(expected);
  });
});
