import type { Device } from '@hidden-attention/tensor';

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** 3.2 GB */
export function formatBytes(bytes: number): string {
  const power = Math.max(0, Math.min(units.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3)));
  const value = bytes / 1000 ** power;
  return `${value.toFixed(value < 10 && power > 0 ? 1 : 0)} ${units[power]}`;
}

/**
 * Refuses a request before it starts when its result would not fit in the device's memory.
 * @param what the subject of the message: "the matrix of layer 3"
 * @param instead what to ask for instead
 * @throws RangeError with what it needs, what is free, and `instead`
 */
export function checkFits(device: Device, what: string, bytes: number, instead: string): void {
  const { limit, live } = device.memory();
  if (bytes <= limit - live) return;
  throw new RangeError(`${what} would take ${formatBytes(bytes)}; the device has ${formatBytes(limit - live)} free. ${instead}`);
}
