export { Device, DeviceError, describeDevices, openDevice, type DeviceOptions, type Recording } from './device.js';
export {
  dtypes,
  type DeviceArray,
  type DeviceKind,
  type DType,
  type Handle,
  type MemoryUse,
  type OpArguments,
  type OpField,
  type OpFields,
} from './addon.js';
export { loadAddon } from './load.js';
