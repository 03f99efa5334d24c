import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { multiply, slice, ssdScan, ssdScanTransposed, sum, Tensor, type SsdScanInputs } from '../../src/index.js';
import { expectGradients } from '../gradients.js';
import * as reference from '../reference/ssd-scan.js';
import { download, expectClose, integers, Random, runs, upload, type HostArray } from '../support.js';

interface Shape {
  batch: number;
  length: number;
  perGroup: number;
  width: number;
  state: number;
  groups: number;
  D: boolean;
  initialState: boolean;
  lengths: number[] | undefined;
  seed: number;
}
const shapes = (maxLength: number, width = 5): fc.Arbitrary<Shape> =>
  fc.record({
    batch: fc.integer({ min: 1, max: 2 }),
    length: fc.integer({ min: 1, max: maxLength }),
    perGroup: fc.integer({ min: 1, max: 3 }),
    width: fc.integer({ min: 1, max: width }),
    state: fc.constantFrom(1, 2, 3, 8, 17),
    groups: fc.integer({ min: 1, max: 2 }),
    D: fc.boolean(),
    initialState: fc.boolean(),
    lengths: fc.option(fc.array(fc.nat(maxLength), { minLength: 2, maxLength: 2 }), { nil: undefined }),
    seed: fc.integer(),
  });

function inputsOf({ batch, length, perGroup, width, state, groups, lengths, ...shape }: Shape): Record<string, HostArray | undefined> {
  const random = new Random(shape.seed);
  const h = perGroup * groups;
  return {
    x: random.array([batch, length, h, width]),
    delta: random.array([batch, length, h], 0.02, 0.8),
    A: random.array([h], -2, -0.1),
    B: random.array([batch, length, groups, state]),
    C: random.array([batch, length, groups, state]),
    D: shape.D ? random.array([h]) : undefined,
    initialState: shape.initialState ? random.array([batch, h, width, state]) : undefined,
    lengths: lengths && integers(lengths.slice(0, batch).map((n) => Math.min(n, length))),
  };
}

const uploadAll = (arrays: Record<string, HostArray | undefined>): SsdScanInputs =>
  Object.fromEntries(Object.entries(arrays).flatMap(([name, value]) => (value ? [[name, upload(value)]] : []))) as unknown as SsdScanInputs;
const run = (tensors: Record<string, Tensor>): Tensor[] => Object.values(ssdScan(tensors as unknown as SsdScanInputs));

/** Positions start…end−1 of the operands that have positions. */
function positions(inputs: SsdScanInputs, start: number, end: number): SsdScanInputs {
  const cut = (tensor: Tensor): Tensor => slice(tensor, 1, start, end);
  return { ...inputs, x: cut(inputs.x), delta: cut(inputs.delta), B: cut(inputs.B), C: cut(inputs.C) };
}

describe('ssdScan', () => {
  test('values and gradients of all operands, all options', () =>
    fc.assert(
      fc.asyncProperty(shapes(7, 3), async (shape) => {
        await expectGradients({
          inputs: inputsOf(shape),
          op: run,
          reference: (arrays) => Object.values(reference.ssdScan(arrays)),
        });
      }),
      runs(20),
    ));

  test('values and gradients past the end of a chunk', async () => {
    const shape: Shape = {
      batch: 1,
      length: 67,
      perGroup: 1,
      width: 2,
      state: 2,
      groups: 1,
      D: true,
      initialState: true,
      lengths: undefined,
      seed: 3,
    };
    await expectGradients({ inputs: inputsOf(shape), op: run, reference: (arrays) => Object.values(reference.ssdScan(arrays)) });
  });

  test.each(['ssdScan', 'selectiveScan'])('rule holdDynamics of %s: the gradient as a linear map of x and the initial state', (name) =>
    fc.assert(
      fc.asyncProperty(shapes(20), async (shape) => {
        const given = inputsOf(shape);
        const { x: _x, initialState: _initialState, ...dynamics } = given;
        const fixed = Object.fromEntries(Object.entries(dynamics).filter((entry): entry is [string, HostArray] => entry[1] !== undefined));
        await expectGradients({
          inputs: given,
          op: run,
          reference: (arrays) => Object.values(reference.ssdScan(arrays)),
          rules: { [name]: 'holdDynamics' },
          held: (arrays) => Object.values(reference.ssdScan({ ...arrays, ...fixed })),
        });
      }),
      runs(6),
    ),
  );

  test('one pass = two passes with the state carried = steps of length 1', () =>
    fc.assert(
      fc.asyncProperty(shapes(80), fc.nat(100), async (shape, at) => {
        const inputs = uploadAll(inputsOf({ ...shape, lengths: undefined }));
        const whole = ssdScan(inputs);
        for (const cuts of [[0, at % (shape.length + 1), shape.length], Array.from({ length: shape.length + 1 }, (_, i) => i)]) {
          let state = inputs.initialState;
          for (let i = 0; i + 1 < cuts.length; i++) {
            const [start, end] = [cuts[i]!, cuts[i + 1]!];
            const piece = ssdScan({ ...positions(inputs, start, end), initialState: state });
            expectClose(await download(piece.y), await download(slice(whole.y, 1, start, end)), 2e-6, `positions ${start}…${end}`);
            state = piece.finalState;
          }
          expectClose(await download(state!), await download(whole.finalState), 2e-6, 'the state');
        }
      }),
      runs(8),
    ));

  test('a padded row equals the row alone, and is zero past its end', () =>
    fc.assert(
      fc.asyncProperty(shapes(80), fc.nat(80), async (shape, n) => {
        const own = n % (shape.length + 1);
        const inputs = uploadAll(inputsOf({ ...shape, batch: 1, lengths: [own, 0] }));
        const padded = ssdScan(inputs);
        const alone = ssdScan({ ...positions(inputs, 0, own), lengths: undefined });
        expectClose(await download(slice(padded.y, 1, 0, own)), await download(alone.y), 1e-6);
        expectClose(await download(padded.finalState), await download(alone.finalState), 1e-6);
        const rest = await slice(padded.y, 1, own, shape.length).read();
        expect(rest.every((value) => value === 0)).toBe(true);
      }),
      runs(10),
    ));

  test('texts one behind the other in a row get what each gets alone', async () => {
    const shape: Shape = {
      batch: 1,
      length: 150,
      perGroup: 2,
      width: 3,
      state: 4,
      groups: 2,
      D: true,
      initialState: false,
      lengths: undefined,
      seed: 5,
    };
    const inputs = uploadAll(inputsOf(shape));
    const begins = [0, 10, 63, 64, 140];
    const starts = Int32Array.from({ length: 150 }, (_, i) => begins.findLast((begin) => begin <= i)!);
    const { y, finalState } = ssdScan({ ...inputs, starts: Tensor.from(starts, [1, 150]) });
    for (const [i, start] of begins.entries()) {
      const end = begins[i + 1] ?? 150;
      const alone = ssdScan(positions(inputs, start, end));
      expectClose(await download(slice(y, 1, start, end)), await download(alone.y), 1e-6, `the text from ${start}`);
      if (end === 150) expectClose(await download(finalState), await download(alone.finalState), 1e-6, 'the state');
    }
  });

  test('shapes and lengths that do not fit are refused', async () => {
    const inputs = uploadAll(
      inputsOf({
        batch: 1,
        length: 4,
        perGroup: 2,
        width: 3,
        state: 4,
        groups: 1,
        D: false,
        initialState: false,
        lengths: undefined,
        seed: 1,
      }),
    );
    expect(() => ssdScan({ ...inputs, A: Tensor.full([3], -1) })).toThrow('ssdScan: A is (3)');
    await expect(ssdScan({ ...inputs, lengths: Tensor.from(Int32Array.of(5)) }).y.read()).rejects.toThrow(
      'ssdScan: lengths[0] is 5; it must lie in 0…4',
    );
  });
});

describe('ssdScanTransposed', () => {
  test('⟨g, α·x + D·x⟩ = ⟨αᵀ·g + D·g, x⟩, with what the states add', () =>
    fc.assert(
      fc.asyncProperty(shapes(140), async (shape) => {
        const inputs = uploadAll(inputsOf({ ...shape, initialState: true }));
        const random = new Random(shape.seed + 1);
        const g = upload(random.array(inputs.x.shape));
        const asked = upload(random.array(inputs.initialState!.shape));
        const { y, finalState } = ssdScan(inputs);
        const { x, initialState, ...dynamics } = inputs;
        const { out, dInitialState } = ssdScanTransposed({ ...dynamics, g, dFinalState: asked });
        const [ofY, ofState, ofX, ofInitial] = await Promise.all(
          [multiply(g, y), multiply(asked, finalState), multiply(out, x), multiply(dInitialState!, initialState!)].map((t) =>
            sum(t).item(),
          ),
        );
        const size = Math.abs(ofY!) + Math.abs(ofState!) + 1;
        expect(Math.abs(ofY! + ofState! - ofX! - ofInitial!)).toBeLessThan(1e-5 * size * Math.sqrt(x.size));
      }),
      runs(12),
    ));
});
