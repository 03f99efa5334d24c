import { afterAll, describe, expect, test } from 'vitest';
import {
  add,
  affine,
  causalConv1d,
  concat,
  crossEntropy,
  gradient,
  multiply,
  rmsNorm,
  selectiveScan,
  sigmoid,
  silu,
  slice,
  softplus,
  sum,
  Tensor,
  type Tensor as AnyTensor,
} from '../src/index.js';
import { expectGolden, golden, goldenTensor, untested, variantsOf } from './golden.js';
import { upload } from './support.js';

/** (b d l) of the figures → (b l d) of the ops; (b g n l) → (b l g n) */
const positionsSecond = [0, 2, 1];
const groupedOrder = [0, 3, 1, 2];

/** Gradients of Σ outputs ⊙ cotangents, the way the figures were made. */
function gradientsOf(body: () => [AnyTensor, AnyTensor | undefined][], inputs: AnyTensor[]): Tensor[] {
  return gradient(
    () =>
      body()
        .flatMap(([output, cotangent]) => (cotangent ? [sum(multiply(output, cotangent))] : []))
        .reduce(add),
    inputs,
  ).gradients;
}

describe('selective scan', () => {
  test.each(variantsOf('selective_scan'))('%s', async (name, variant) => {
    const figure = (tensor: string): string => `selective_scan.${name}.${tensor}`;
    const order = (tensor: string): number[] | undefined => {
      if (['u', 'delta', 'z', 'out', 'dout'].includes(tensor)) return positionsSecond;
      return tensor === 'B' || tensor === 'C' ? (golden(figure(tensor)).shape.length === 4 ? groupedOrder : positionsSecond) : undefined;
    };
    const load = (tensor: string): AnyTensor | undefined => goldenTensor(figure(tensor), order(tensor));
    const [u, delta, A, dout] = ['u', 'delta', 'A', 'dout'].map((tensor) => load(tensor)!) as [AnyTensor, AnyTensor, AnyTensor, AnyTensor];
    const [B, C] = ['B', 'C'].map((tensor) => {
      const loaded = load(tensor)!;
      const [b, l] = u.shape as [number, number];
      return loaded.shape.length === 4 ? loaded : loaded.view([b, l, 1, A.shape[1]!]);
    }) as [AnyTensor, AnyTensor];
    const optional = { D: load('D'), z: load('z'), deltaBias: load('delta_bias'), initialState: load('initial_state') };
    const inputs = { u, delta, A, B, C, ...optional };
    const options = { softplus: variant.softplus === true };

    const { y, finalState } = selectiveScan(inputs, options);
    await expectGolden(y, figure('out'), positionsSecond);
    await expectGolden(finalState, figure('last_state'));

    const names = { u, delta, A, B, C, D: optional.D, z: optional.z, delta_bias: optional.deltaBias, initial_state: optional.initialState };
    const present = Object.entries(names).filter((entry): entry is [string, AnyTensor] => entry[1] !== undefined);
    const gradients = gradientsOf(
      () => {
        const scan = selectiveScan(inputs, options);
        return [
          [scan.y, dout],
          [scan.finalState, load('dlast_state')],
        ];
      },
      present.map(([, tensor]) => tensor),
    );
    for (const [i, [tensor]] of present.entries()) await expectGolden(gradients[i]!, figure(`grad_${tensor}`), order(tensor));
  });
});

describe('one step of the state, as a scan of length 1 with its heads as channels', () => {
  test.each(variantsOf('selective_state_update'))('%s', async (name, variant) => {
    const figure = (tensor: string): string => `selective_state_update.${name}.${tensor}`;
    const { shape } = golden(figure('state'));
    const [b, n] = [shape[0]!, shape.at(-1)!];
    const d = shape.slice(1, -1).reduce((product, size) => product * size, 1);
    const g = Number(variant.G ?? 1);
    const load = (tensor: string, to: number[]): AnyTensor => goldenTensor(figure(tensor), undefined, to)!;
    const optional = (tensor: string, to: number[]): AnyTensor | undefined => goldenTensor(figure(tensor), undefined, to);
    const { y, finalState } = selectiveScan(
      {
        u: load('x', [b, 1, d]),
        delta: load('dt', [b, 1, d]),
        A: load('A', [d, n]),
        B: load('B', [b, 1, g, n]),
        C: load('C', [b, 1, g, n]),
        D: optional('D', [d]),
        z: optional('z', [b, 1, d]),
        deltaBias: optional('dt_bias', [d]),
        initialState: load('state', [b, d, n]),
      },
      { softplus: variant.softplus === true },
    );
    await expectGolden(y, figure('out'));
    await expectGolden(finalState, figure('new_state'));
  });
});

describe('causal convolution', () => {
  test.each(variantsOf('causal_conv1d'))('%s', async (name, variant) => {
    const figure = (tensor: string): string => `causal_conv1d.${name}.${tensor}`;
    const x = goldenTensor(figure('x'), positionsSecond)!;
    const weight = goldenTensor(figure('weight'))!;
    const bias = goldenTensor(figure('bias'));
    const initial = goldenTensor(figure('initial_states'));
    const dout = goldenTensor(figure('dout'), positionsSecond)!;
    const convolve = (): { out: AnyTensor; final: AnyTensor } => {
      const { y, final } = causalConv1d({ x, weight, bias, initial });
      return { out: variant.silu === 1 ? silu(y) : y, final };
    };
    const { out, final } = convolve();
    await expectGolden(out, figure('out'), positionsSecond);
    await expectGolden(final, figure('final_states'));

    const present = Object.entries({ x, weight, bias, initial_states: initial }).filter(
      (entry): entry is [string, AnyTensor] => entry[1] !== undefined,
    );
    const gradients = gradientsOf(
      () => [[convolve().out, dout]],
      present.map(([, tensor]) => tensor),
    );
    for (const [i, [tensor]] of present.entries())
      await expectGolden(gradients[i]!, figure(`grad_${tensor}`), tensor === 'x' ? positionsSecond : undefined);
  });

  test.each(variantsOf('causal_conv1d'))('%s, one step', async (name, variant) => {
    const figure = (tensor: string): string => `causal_conv1d_update.${name}.${tensor}`;
    const weight = goldenTensor(`causal_conv1d.${name}.weight`)!;
    const bias = goldenTensor(`causal_conv1d.${name}.bias`);
    const state = goldenTensor(figure('conv_state'))!; // (b d k): the op takes the last k−1 of them
    const [b, d, k] = state.shape as [number, number, number];
    const initial = slice(state, 2, 1, k);
    const { y, final } = causalConv1d({ x: goldenTensor(figure('x'), undefined, [b, 1, d])!, weight, bias, initial });
    await expectGolden(variant.silu === 1 ? silu(y) : y, figure('out'));
    await expectGolden(concat([slice(initial, 2, 0, 1), final], 2), figure('new_conv_state'));
  });
});

describe('RMS norm', () => {
  test.each(variantsOf('rmsnorm'))('%s', async (name, variant) => {
    const figure = (tensor: string): string => `rmsnorm.${name}.${tensor}`;
    const load = (tensor: string): AnyTensor | undefined => goldenTensor(figure(tensor));
    const inputs = { x: load('x')!, weight: load('weight')!, residual: load('residual'), z: load('z') };
    const gates = { before_norm: 'before', after_norm: 'after' } as const;
    const options = {
      epsilon: Number(variant.eps),
      groups: variant.group ? Number(variant.d) / Number(variant.group) : 1,
      gate: variant.gate ? gates[variant.gate as keyof typeof gates] : 'none',
    } as const;
    const { y, residualOut } = rmsNorm(inputs, options);
    await expectGolden(y, figure('out'));
    if (residualOut) await expectGolden(residualOut, figure('residual_out'));

    const present = Object.entries(inputs).filter((entry): entry is [string, AnyTensor] => entry[1] !== undefined);
    const gradients = gradientsOf(
      () => {
        const norm = rmsNorm(inputs, options);
        return [[norm.y, load('dout')], ...(norm.residualOut ? [[norm.residualOut, load('dresidual_out')] as [AnyTensor, AnyTensor]] : [])];
      },
      present.map(([, tensor]) => tensor),
    );
    for (const [i, [tensor]] of present.entries()) await expectGolden(gradients[i]!, figure(`grad_${tensor}`));
  });
});

test('cross-entropy', async () => {
  const logits = goldenTensor('cross_entropy.logits')!;
  const labels = golden('cross_entropy.labels');
  const [rows, vocabulary] = logits.shape as [number, number];
  const counted = Array.from(labels.data).filter((label) => label >= 0).length;
  const mean = (): Tensor<'f32'> => affine(sum(crossEntropy(logits, upload(labels))), 1 / counted);
  await expectGolden(crossEntropy(logits, upload(labels)), 'cross_entropy.per_row');
  await expectGolden(mean(), 'cross_entropy.loss');
  await expectGolden(gradient(mean, [logits]).gradients[0]!, 'cross_entropy.grad_logits');

  // with label 0 the gradient of a row is softmax − (1, 0, 0, …)
  const [difference] = gradient(() => crossEntropy(logits, Tensor.from(new Int32Array(rows))), [logits]).gradients;
  const first = Tensor.from(Float32Array.from({ length: vocabulary }, (_, v) => (v === 0 ? 1 : 0)));
  await expectGolden(add(difference!, first), 'cross_entropy.softmax');
});

test.each([
  ['silu', silu],
  ['softplus', softplus],
  ['sigmoid', sigmoid],
] as const)('%s', async (name, f) => {
  const x = goldenTensor('elementwise.x')!;
  const { value, gradients } = gradient(() => f(x), [x]);
  await expectGolden(value, `elementwise.${name}`);
  await expectGolden(gradients[0]!, `elementwise.${name}_grad`);
});

afterAll(() => {
  expect(untested(), 'expected figures that no test looked at').toEqual([]);
});
