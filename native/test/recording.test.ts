// Recordings, written operands, 16-bit memory and late errors, on every device of this machine.
import { describeDevices, openDevice } from '@hidden-attention/native';
import { describe, expect, test } from 'vitest';

const names = ['cpu', ...describeDevices().kinds.flatMap(({ devices }) => devices.map(({ name }) => name))];

describe.each(names)('on %s', (name) => {
  const device = openDevice(name);
  const read = async (handle: number): Promise<number[]> => [...new Float32Array(await device.read(handle))];

  test('a recording is run as often as it is replayed, on what was written last', async () => {
    const x = device.upload(Float32Array.of(1, 2, 3));
    const y = device.upload(Float32Array.of(0, 0, 0));
    const recording = device.record(() => {
      const twice = device.allocate('f32', 3);
      device.run('unary', { count: 3, kind: 7, scale: 2, shift: 0, x, y: twice });
      device.run('binary', { rows: 1, columns: 3, bRowStride: 3, bColumnStride: 1, kind: 0, a: y, b: twice, y });
      device.release(twice);
    });
    expect(await read(y)).toEqual([0, 0, 0]);
    for (let i = 0; i < 3; i++) recording.replay();
    expect(await read(y)).toEqual([6, 12, 18]);
    device.write(x, Float32Array.of(1, 1, 1));
    recording.replay();
    expect(await read(y)).toEqual([8, 14, 20]);
    recording.dispose();
    expect(() => recording.replay()).toThrow('disposed');
    let early: Promise<ArrayBuffer>;
    device.record(() => void (early = device.read(x)).catch(() => {})).dispose();
    await expect(early!).rejects.toThrow('being recorded');
    [x, y].forEach((handle) => device.release(handle));
  });

  test('what runs once is left out of a recording, and its memory lasts as long as that', async () => {
    const [x, y] = [device.upload(Float32Array.of(1, 2, 3)), device.upload(Float32Array.of(0, 0, 0))];
    const before = device.memory().live;
    const recording = device.record(() => {
      const twice = device.once(() => {
        const made = device.allocate('f32', 3);
        device.run('unary', { count: 3, kind: 7, scale: 2, shift: 0, x, y: made });
        return made;
      });
      device.run('binary', { rows: 1, columns: 3, bRowStride: 3, bColumnStride: 1, kind: 0, a: y, b: twice, y });
      device.release(twice);
    });
    device.write(x, Float32Array.of(100, 100, 100));
    for (let i = 0; i < 3; i++) recording.replay();
    expect(await read(y)).toEqual([6, 12, 18]);
    expect(() => device.record(() => device.once(() => device.run('fill', { count: -1 })))).toThrow('fill');
    expect(await read(y)).toEqual([6, 12, 18]); // nothing is being recorded after an error either
    recording.dispose();
    expect(device.memory().live).toBe(before);
    [x, y].forEach((handle) => device.release(handle));
  });

  test('numbers of 16 bits', async () => {
    const wide = device.upload(Float32Array.of(1, -2.5, 3.14159));
    const narrow = device.allocate('bf16', 3);
    const back = device.allocate('f32', 3);
    device.run('cast', { count: 3, x: wide, y: narrow });
    device.run('unary', { count: 3, kind: 7, scale: 1, shift: 0, x: narrow, y: narrow });
    device.run('cast', { count: 3, x: narrow, y: back });
    expect(await read(back)).toEqual([1, -2.5, 3.140625]);
    expect([...new Uint16Array(await device.read(narrow))]).toEqual([0x3f80, 0xc020, 0x4049]);
    expect(() => device.upload(Uint16Array.of(1))).toThrow('cannot hold');
    [wide, narrow, back].forEach((handle) => device.release(handle));
  });

  test('an id out of range rejects what depends on it, and nothing else', async () => {
    const [ids, table] = [device.upload(Int32Array.of(1, 9)), device.upload(Float32Array.of(1, 2, 3, 4))];
    const [y, twice, other] = [device.allocate('f32', 4), device.allocate('f32', 4), device.allocate('f32', 4)];
    device.run('embedding', { count: 2, vocabulary: 2, width: 2, ids, table, y });
    device.run('unary', { count: 4, kind: 7, scale: 2, shift: 0, x: y, y: twice });
    device.run('fill', { count: 4, value: 5, y: other });
    await expect(device.read(twice)).rejects.toThrow('id 9 at position 1 is not in 0…1');
    expect(await read(other)).toEqual([5, 5, 5, 5]);
  });

  test('an argument that an op does not have is refused', () => {
    const y = device.allocate('f32', 1);
    expect(() => device.run('fill', { count: 1, valeu: 2, y })).toThrow(/op fill has no argument valeu; it takes count, value, y/);
    device.release(y);
  });

  test('more than there is is refused by name', () => {
    expect(() => device.allocate('f32', 2 ** 44)).toThrow(/out of memory: .* asked for/);
  });
});

test('a device that does not exist', () => {
  expect(() => openDevice('tpu')).toThrow(/no device "tpu"; found: cpu/);
  if (!names.includes('cuda')) expect(() => openDevice('cuda')).toThrow(/no device "cuda": .*(driver|library|CUDA)/);
});
