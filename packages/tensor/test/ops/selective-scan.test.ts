import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  selectiveScan,
  selectiveScanTransposed,
  ShapeError,
  slice,
  sum,
  gradient,
  multiply,
  Tensor,
  type SelectiveScanInputs,
} from '../../src/index.js';
import { expectGradients } from '../gradients.js';
import * as reference from '../reference/selective-scan.js';
import { scanInputs, scanShapes } from '../scans.js';
import { array, download, expectClose, Random, runs, upload, type HostArray } from '../support.js';

/** The arrays that are there, on the device. */
function uploadAll(arrays: Record<string, HostArray | undefined>): SelectiveScanInputs {
  return Object.fromEntries(
    Object.entries(arrays).flatMap(([name, value]) => (value ? [[name, upload(value)]] : [])),
  ) as unknown as SelectiveScanInputs;
}
/** Positions start…end−1 of the operands that have positions. */
function positions(inputs: SelectiveScanInputs, start: number, end: number): SelectiveScanInputs {
  const cut = (tensor: Tensor): Tensor => slice(tensor, 1, start, end);
  return { ...inputs, u: cut(inputs.u), delta: cut(inputs.delta), B: cut(inputs.B), C: cut(inputs.C), z: inputs.z && cut(inputs.z) };
}

describe('selectiveScan', () => {
  test('values and gradients of all operands, all options', () =>
    fc.assert(
      fc.asyncProperty(scanShapes(7), fc.boolean(), async (shape, softplus) => {
        await expectGradients({
          inputs: scanInputs(shape),
          op: (tensors) => Object.values(selectiveScan(tensors as unknown as SelectiveScanInputs, { softplus })),
          reference: (arrays) => Object.values(reference.selectiveScan(arrays, { softplus })),
        });
      }),
      runs(25),
    ));

  test('values and gradients past the end of a checkpoint', async () => {
    for (const length of [15, 16, 17, 33]) {
      const shape = {
        batch: 1,
        length,
        perGroup: 2,
        state: 3,
        groups: 1,
        D: true,
        deltaBias: true,
        z: true,
        initialState: true,
        lengths: undefined,
        seed: length,
      };
      await expectGradients({
        inputs: scanInputs(shape),
        op: (tensors) => Object.values(selectiveScan(tensors as unknown as SelectiveScanInputs, { softplus: true })),
        reference: (arrays) => Object.values(reference.selectiveScan(arrays, { softplus: true })),
      });
    }
  });

  test('rule holdDynamics: the gradient of the scan as a linear map of u and the initial state', () =>
    fc.assert(
      fc.asyncProperty(scanShapes(20), async (shape) => {
        const given = scanInputs({ ...shape, deltaBias: false, z: false });
        const { u: _u, initialState: _initialState, ...dynamics } = given;
        await expectGradients({
          inputs: given,
          op: (tensors) => Object.values(selectiveScan(tensors as unknown as SelectiveScanInputs)),
          reference: (arrays) => Object.values(reference.selectiveScan(arrays, { softplus: false })),
          rules: { selectiveScan: 'holdDynamics' },
          held: (arrays) => {
            // D ⊙ u is linear in u; D itself gets nothing either
            const fixed = Object.fromEntries(
              Object.entries(dynamics).filter((entry): entry is [string, HostArray] => entry[1] !== undefined),
            );
            return Object.values(reference.selectiveScan({ ...arrays, ...fixed }, { softplus: false }));
          },
        });
      }),
      runs(15),
    ));

  test('one pass = two passes with the state carried = steps of length 1', () =>
    fc.assert(
      fc.asyncProperty(scanShapes(40), fc.nat(100), fc.boolean(), async (shape, p, softplus) => {
        const inputs = uploadAll(scanInputs({ ...shape, lengths: undefined }));
        const whole = selectiveScan(inputs, { softplus });
        for (const cuts of [[0, p % (shape.length + 1), shape.length], Array.from({ length: shape.length + 1 }, (_, i) => i)]) {
          let state = inputs.initialState;
          for (let i = 0; i + 1 < cuts.length; i++) {
            const [start, end] = [cuts[i]!, cuts[i + 1]!];
            const piece = selectiveScan({ ...positions(inputs, start, end), initialState: state }, { softplus });
            expectClose(await download(piece.y), await download(slice(whole.y, 1, start, end)), 1e-6, `positions ${start}…${end}`);
            state = piece.finalState;
          }
          expectClose(await download(state!), await download(whole.finalState), 1e-6, 'the state');
        }
      }),
      runs(12),
    ));

  test('a padded row equals the row alone, and is zero past its end', () =>
    fc.assert(
      fc.asyncProperty(scanShapes(40), fc.nat(40), async (shape, n) => {
        const own = n % (shape.length + 1);
        const inputs = uploadAll(scanInputs({ ...shape, batch: 1, lengths: [own, 0] }));
        const padded = selectiveScan(inputs);
        const alone = selectiveScan({ ...positions(inputs, 0, own), lengths: undefined });
        expectClose(await download(slice(padded.y, 1, 0, own)), await download(alone.y), 1e-6);
        expectClose(await download(padded.finalState), await download(alone.finalState), 1e-6);
        const rest = await slice(padded.y, 1, own, shape.length).read();
        expect(rest.every((value) => value === 0)).toBe(true);
      }),
      runs(15),
    ));

  test('the same bits twice, forward and backward, also where threads share the work', async () => {
    const shape = {
      batch: 2,
      length: 200,
      perGroup: 96,
      state: 16,
      groups: 1,
      D: true,
      deltaBias: true,
      z: true,
      initialState: true,
      lengths: undefined,
      seed: 4,
    };
    const inputs = uploadAll(scanInputs(shape));
    const tensors = Object.values(inputs).filter((tensor): tensor is Tensor => tensor !== undefined);
    const once = async (): Promise<Buffer[]> => {
      const { value, gradients } = gradient(() => sum(multiply(selectiveScan(inputs, { softplus: true }).y, inputs.u)), tensors);
      return Promise.all([value, ...gradients].map(async (tensor) => Buffer.from((await tensor.read()).slice().buffer)));
    };
    expect(await once()).toEqual(await once());
  });

  test('shapes that do not fit name the axis and who set it', () => {
    const inputs = uploadAll(
      scanInputs({
        batch: 2,
        length: 4,
        perGroup: 6,
        state: 16,
        groups: 1,
        D: false,
        deltaBias: false,
        z: false,
        initialState: false,
        lengths: undefined,
        seed: 1,
      }),
    );
    expect(() => selectiveScan({ ...inputs, B: Tensor.full([2, 4, 1, 8], 0) })).toThrow(
      new ShapeError('selectiveScan: B is (2, 4, 1, 8); axis 3 is "n", which A (6, 16) sets to 16'),
    );
    expect(() => selectiveScan({ ...inputs, initialState: Tensor.full([2, 6], 0) })).toThrow(
      'selectiveScan: initialState is (2, 6); it needs 3 axes (b, d, n)',
    );
    expect(() => selectiveScan({ ...inputs, A: undefined as unknown as Tensor })).toThrow(
      'selectiveScan: A is missing; its axes are (d, n)',
    );
  });

  test('a row length past the sequence rejects the read', async () => {
    const inputs = uploadAll(
      scanInputs({
        batch: 1,
        length: 4,
        perGroup: 1,
        state: 1,
        groups: 1,
        D: false,
        deltaBias: false,
        z: false,
        initialState: false,
        lengths: undefined,
        seed: 1,
      }),
    );
    await expect(selectiveScan({ ...inputs, lengths: Tensor.from(Int32Array.of(5)) }).y.read()).rejects.toThrow(
      'lengths[0] is 5; it must lie in 0…4',
    );
  });

  test('the rule needs the scan unfused', () => {
    const inputs = uploadAll(
      scanInputs({
        batch: 1,
        length: 4,
        perGroup: 1,
        state: 1,
        groups: 1,
        D: false,
        deltaBias: false,
        z: true,
        initialState: false,
        lengths: undefined,
        seed: 1,
      }),
    );
    expect(() => gradient(() => selectiveScan(inputs).y, [inputs.u], { rules: { selectiveScan: 'holdDynamics' } })).toThrow(
      'rule holdDynamics needs',
    );
  });
});

describe('selectiveScanTransposed', () => {
  /** The operands that α is made of. */
  const dynamicsOf = (inputs: SelectiveScanInputs): Pick<SelectiveScanInputs, 'delta' | 'A' | 'B' | 'C' | 'lengths'> => {
    const { delta, A, B, C, lengths } = inputs;
    return { delta, A, B, C, lengths };
  };
  const ragged = { deltaBias: false, z: false, initialState: false };

  test('⟨αᵀg + D g, v⟩ = ⟨g, αv + D v⟩ for rows of any length', () =>
    fc.assert(
      fc.asyncProperty(scanShapes(50), async (shape) => {
        const inputs = uploadAll(scanInputs({ ...shape, ...ragged }));
        const random = new Random(shape.seed + 1);
        const [v, g] = [upload(random.array(inputs.u.shape)), upload(random.array(inputs.u.shape))];
        const forward = multiply(g, selectiveScan({ ...inputs, u: v }).y);
        const backward = multiply(selectiveScanTransposed({ ...dynamicsOf(inputs), D: inputs.D, g }), v);
        const size = Math.hypot(...(await forward.read()));
        expect(Math.abs((await sum(forward).item()) - (await sum(backward).item()))).toBeLessThanOrEqual(2e-5 * size);
      }),
      runs(25),
    ));

  test('row i of every channel of α; −1 is the last row, each its own', () =>
    fc.assert(
      fc.asyncProperty(scanShapes(12), fc.nat(100), async (shape, p) => {
        const arrays = scanInputs({ ...shape, ...ragged });
        const alpha = reference.attention(arrays as Record<string, HostArray>);
        const [batch, d, l] = alpha.shape as [number, number, number];
        const rowOf = (row: (b: number) => number): HostArray =>
          array([batch, l, d], (flat) => {
            const [b, j, channel] = [Math.floor(flat / (l * d)), Math.floor(flat / d) % l, flat % d];
            return row(b) < 0 ? 0 : alpha.data[((b * d + channel) * l + row(b)) * l + j]!;
          });
        const { lengths, ...dynamics } = dynamicsOf(uploadAll(arrays));
        const position = p % l;
        expectClose(
          await download(selectiveScanTransposed(dynamics, { position })),
          rowOf(() => position),
          1e-5,
          `row ${position}`,
        );
        expectClose(
          await download(selectiveScanTransposed({ ...dynamics, lengths })),
          rowOf((b) => (arrays.lengths?.data[b] ?? l) - 1),
          1e-5,
          'the last row',
        );
      }),
      runs(20),
    ));
});
