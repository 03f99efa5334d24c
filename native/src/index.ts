export { Device, DeviceError, describeDevices, openDevice, type DeviceOptions, type OpArguments } from './device.js';
export { dtypes, type DType, type Handle, type MemoryUse, type OpFields } from './addon.js';
export { loadAddon } from './load.js';
