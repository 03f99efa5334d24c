import { selectiveScan, selectiveScanTransposed, Tensor, openDevice } from '@hidden-attention/tensor';
import type { Command } from 'commander';
import { parseNumber } from '../ranges.js';

interface Flags {
  length: string;
  channels: string;
  json?: boolean;
}

/** `bench`: the scan, its backward view and one step on this machine; `pnpm bench` in a clone measures much more. */
export function add(command: Command, program: Command): void {
  command
    .option('--length <N>', 'positions', '2048')
    .option('--channels <N>', 'channels', '1536')
    .option('--json', 'as JSON')
    .action(async (flags: Flags) => {
      const l = parseNumber('--length', flags.length, { integer: true, minimum: 1, maximum: 1e7 });
      const d = parseNumber('--channels', flags.channels, { integer: true, minimum: 1, maximum: 1e6 });
      const n = 16;
      const device = openDevice(program.opts<{ device?: string }>().device);
      const random = (shape: number[], map: (x: number) => number = (x) => x): Tensor => {
        const size = shape.reduce((a, b) => a * b, 1);
        return Tensor.from(
          Float32Array.from({ length: size }, (_, i) => map(Math.sin(i * 12.9898) * 0.999)),
          shape,
          device,
        );
      };
      const operands = {
        u: random([1, l, d]),
        delta: random([1, l, d], (x) => 0.01 + 0.01 * Math.abs(x)),
        A: random([d, n], (x) => -1 - 15 * Math.abs(x)),
        B: random([1, l, 1, n]),
        C: random([1, l, 1, n]),
      };
      const time = async (body: () => Tensor[]): Promise<number> => {
        let best = Infinity;
        for (let i = 0; i < 8; i++) {
          await device.finish();
          const start = performance.now();
          const made = body();
          await device.finish();
          best = Math.min(best, performance.now() - start);
          for (const tensor of made) tensor.dispose();
        }
        return best;
      };
      const { delta, A, B, C } = operands;
      const scan = await time(() => Object.values(selectiveScan(operands)));
      const row = await time(() => [selectiveScanTransposed({ delta, A, B, C }, { position: l - 1 })]);
      const updates = (l * d * n) / scan / 1e6;
      const report = {
        device: device.name,
        level: device.level,
        threads: device.threads,
        length: l,
        channels: d,
        state: n,
        scanMs: scan,
        rowMs: row,
        rowPerScan: row / scan,
        gigaUpdatesPerSecond: updates,
      };
      if (flags.json) return void process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
      process.stdout.write(
        `${device.name} (${device.level}, ${device.threads} threads), B=1 L=${l} D=${d} N=${n}\n` +
          `selective scan  ${scan.toFixed(2)} ms, ${updates.toFixed(1)} G state updates/s\n` +
          `attention row   ${row.toFixed(2)} ms, all channels: ${(row / scan).toFixed(2)} scans\n`,
      );
    });
}
