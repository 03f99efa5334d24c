import { expect, test } from 'vitest';
import { adamw, ShapeError, Tensor } from '../../src/index.js';
import { adamw as reference } from '../reference/adamw.js';
import { download, expectClose, Random, upload } from '../support.js';

const settings = { learningRate: 0.02, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0.1, gradientScale: 0.5 };

test('ten steps of changing gradients', async () => {
  const random = new Random(1);
  const start = random.array([3, 11]);
  const expected = { p: start.data.slice(), m: new Float64Array(33), v: new Float64Array(33) };
  const [parameter, m, v] = [upload(start), Tensor.full([3, 11], 0), Tensor.full([3, 11], 0)];
  for (let step = 1; step <= 10; step++) {
    const gradient = random.array([3, 11]);
    adamw({ parameter, gradient: upload(gradient), m, v }, { ...settings, step });
    gradient.data.forEach((g, i) => {
      const moved = reference(expected.p[i]!, g, expected.m[i]!, expected.v[i]!, { ...settings, step });
      [expected.p[i], expected.m[i], expected.v[i]] = [moved.p, moved.m, moved.v];
    });
  }
  expectClose(await download(parameter), { shape: [3, 11], data: expected.p }, 1e-6, 'parameter');
  expectClose(await download(m), { shape: [3, 11], data: expected.m }, 1e-6, 'm');
  expectClose(await download(v), { shape: [3, 11], data: expected.v }, 1e-6, 'v');
});

test('a list of parameters moves as each of them alone', async () => {
  const random = new Random(2);
  const arrays = [[2, 3], [0], [5001], [1]].map((shape) => ({ parameter: random.array(shape), gradient: random.array(shape) }));
  const zeros = (tensor: Tensor) => Tensor.full(tensor.shape, 0);
  const make = () =>
    arrays.map(({ parameter, gradient }, i) => {
      const p = upload(parameter);
      return { parameter: p, gradient: upload(gradient), m: zeros(p), v: zeros(p), decay: i % 2 ? 0.3 : undefined };
    });
  const [together, alone] = [make(), make()];
  adamw(together, { ...settings, step: 1 });
  alone.forEach(({ decay, ...one }) => adamw(one, { ...settings, decay: decay ?? settings.decay, step: 1 }));
  for (const [i, one] of together.entries()) {
    expect(await one.parameter.read()).toEqual(await alone[i]!.parameter.read());
    expect(await one.v.read()).toEqual(await alone[i]!.v.read());
  }
  adamw([], { ...settings, step: 1 });
});

test('bad settings are refused', () => {
  const x = Tensor.full([2], 0);
  expect(() => adamw({ parameter: x, gradient: x, m: x, v: x }, { ...settings, step: 0 })).toThrow(
    'adamw: step is 0; steps are counted from 1',
  );
  expect(() => adamw({ parameter: x, gradient: Tensor.full([3], 0), m: x, v: x }, { ...settings, step: 1 })).toThrow(
    new ShapeError('adamw: gradient is (3); its leading axes must be (2), as parameter (2) has them'),
  );
});
