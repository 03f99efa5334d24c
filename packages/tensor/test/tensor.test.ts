import { describe, expect, test } from 'vitest';
import { Device, openDevice, ShapeError, silu, Tensor } from '../src/index.js';

test('numbers come back as they went in, f32 and i32, also none of them', async () => {
  expect(await Tensor.from(Float32Array.of(1.5, -0, Infinity), [3, 1]).read()).toEqual(Float32Array.of(1.5, -0, Infinity));
  expect(await Tensor.from(Int32Array.of(-7, 2 ** 31 - 1)).read()).toEqual(Int32Array.of(-7, 2 ** 31 - 1));
  expect(await silu(Tensor.full([0, 3], 1)).read()).toHaveLength(0);
  expect(await Tensor.full([], 4).item()).toBe(4);
});

test('what was given may be changed at once', async () => {
  for (const size of [10, 2_000_000]) {
    const data = new Float32Array(size).fill(1);
    const tensor = Tensor.from(data);
    data.fill(2);
    expect((await tensor.read()).every((value) => value === 1)).toBe(true);
    tensor.dispose();
  }
});

test('shapes that do not hold the numbers are refused', async () => {
  expect(() => Tensor.from(new Float32Array(5), [2, 3])).toThrow(new ShapeError('Tensor.from: shape (2, 3) needs 6 numbers; 5 were given'));
  expect(() => Tensor.full([2, 3], 0).view([7])).toThrow(new ShapeError('view: (2, 3) holds 6 numbers; (7) needs 7'));
  await expect(Tensor.full([2], 0).item()).rejects.toThrow('item: (2) holds 2 numbers; one is needed');
});

describe('a device', () => {
  test('that does not fit says how much was asked for, and goes on working', async () => {
    const device = Device.open('cpu', { memoryLimit: 4 << 20, threads: 1 });
    try {
      const held = Tensor.full([1 << 18], 1, device); // 1 MiB
      const before = device.memory();
      expect(before.limit).toBe(4 << 20);
      expect(() => Tensor.empty([1 << 20], device)).toThrow(RangeError);
      expect(() => Tensor.empty([1 << 20], device)).toThrow(/^out of memory: 4 MiB asked for, 1 MiB in use of 4 MiB; dispose of tensors/);
      expect(device.memory().live).toBe(before.live);
      expect((await silu(held).read())[0]).toBeCloseTo(0.731, 3);
    } finally {
      device.close();
    }
  });

  test('that is closed refuses work', () => {
    const device = Device.open('cpu', { threads: 1 });
    device.close();
    expect(() => Tensor.full([1], 1, device)).toThrow('the device was closed');
  });

  test('is one a name; others are named in the error', () => {
    expect(openDevice()).toBe(openDevice('cpu'));
    expect(() => openDevice('abacus')).toThrow('no device "abacus"; found: cpu');
  });
});
