import { release, totalmem, cpus } from 'node:os';
import { describeDevices, openDevice } from '@hidden-attention/native';
import { listZoo } from '@hidden-attention/zoo';
import type { Command } from 'commander';
import { version } from '../version.js';

/** `doctor`: what this machine offers, and whether the addon works on it. */
export function add(command: Command, program: Command): void {
  command.option('--json', 'as JSON').action(async (flags: { json?: boolean }) => {
    const found = describeDevices();
    const device = openDevice(program.opts<{ device?: string }>().device);
    await device.finish();
    const cpu = { name: 'cpu', available: true, level: device.level || found.levels[0], levels: found.levels, threads: device.threads };
    const gpus = found.kinds.flatMap(({ kind, devices, missing }): FoundDevice[] =>
      devices.length === 0
        ? [{ name: kind, available: false, reason: missing ?? 'unknown' }]
        : devices.map(({ name, description, memory }) => ({ name, available: true, description, memoryBytes: memory })),
    );
    const report = {
      version,
      node: process.versions.node,
      system: `${process.platform} ${process.arch} ${release()}`,
      processor: cpus()[0]?.model ?? 'unknown',
      cores: found.threads,
      memoryBytes: totalmem(),
      addon: found.addon,
      devices: [cpu, ...gpus],
      zoo: listZoo(),
    };
    if (flags.json) return void process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    process.stdout.write(
      [
        `hidden-attention ${version} on Node ${report.node}, ${report.system}`,
        `processor  ${report.processor}, ${report.cores} cores, ${(report.memoryBytes / 2 ** 30).toFixed(1)} GiB`,
        `addon      ${report.addon}`,
        `cpu        works: instruction set ${cpu.level} (of ${cpu.levels.join(', ')}), ${cpu.threads} threads`,
        ...gpus.map((gpu) => `${gpu.name.padEnd(10)} ${gpu.available ? `works: ${gpu.description}` : `not available: ${gpu.reason}`}`),
        `zoo        ${report.zoo.map((name) => `zoo:${name}`).join(', ') || 'no models'}`,
        '',
      ].join('\n'),
    );
  });
}

interface FoundDevice {
  name: string;
  available: boolean;
  /** of one that is there */
  description?: string;
  memoryBytes?: number;
  /** why one is not */
  reason?: string;
}
