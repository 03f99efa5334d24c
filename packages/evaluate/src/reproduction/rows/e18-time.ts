import { attentionView, longRow, rolloutLongRow } from '@hidden-attention/attention';
import { randomFor, wholeBelow } from '../../random.js';
import type { ReproductionRow, Verdict } from '../row.js';
import { atMost } from '../verdict.js';

/** Slope of log y over log x by least squares: 1 where y grows as x does. */
function exponent(x: readonly number[], y: readonly number[]): number {
  const [a, b] = [x.map(Math.log), y.map(Math.log)];
  const center = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [ma, mb] = [center(a), center(b)];
  return a.reduce((sum, value, i) => sum + (value - ma) * (b[i]! - mb), 0) / a.reduce((sum, value) => sum + (value - ma) ** 2, 0);
}

export const time: ReproductionRow = {
  id: 'E18',
  title: 'What a row costs',
  item: 'Appendix F',
  method:
    'One row of the last layer’s attention in all channels (mean), one of the rollout through all layers, and, where it fits, the whole mean matrix of the last layer, of drawn bytes through the language model, in seconds of the processor, of all its threads: the least of two runs. Memory is the most that the device held beyond the model. Rows over a million bytes: `node bench/long-rows.mjs`.',
  samples: 0,
  roles: ['prose-mamba'],
  async run(context) {
    const { curves } = await import('@hidden-attention/plot');
    const loaded = await context.model('prose-mamba');
    if (!loaded) return { verdicts: [], tables: [], lacking: [] };
    const { model } = loaded;
    const { device } = model;
    const lengths = context.quick ? [256, 1024, 4096] : [1024, 4096, 16_384, 65_536, 131_072];
    const random = randomFor('time', 1);
    const text = Int32Array.from({ length: lengths.at(-1)! }, () => 32 + wholeBelow(random, 90));
    const measure = async (run: () => Promise<void>): Promise<{ seconds: number; mib: number }> => {
      const before = device.memory({ resetPeak: true }).live;
      const started = process.cpuUsage();
      await run();
      const { user, system } = process.cpuUsage(started);
      return { seconds: (user + system) / 1e6, mib: (device.memory().peak - before) / 2 ** 20 };
    };
    const kinds = {
      'attention row': (ids: Int32Array) => longRow(model, ids, { layers: [-1] }).then(() => undefined),
      'rollout row': (ids: Int32Array) => rolloutLongRow(model, ids).then(() => undefined),
      'whole matrix': async (ids: Int32Array) => {
        const view = await attentionView(model, [ids]);
        const matrix = view.layer(-1).matrix();
        await matrix.read();
        matrix.dispose();
        view.dispose();
      },
    };
    const rows: { name: string; cells: (number | null)[] }[] = [];
    const series: { name: string; x: number[]; y: number[] }[] = [];
    const slopes: Record<string, { seconds: number; mib: number }> = {};
    for (const [name, run] of Object.entries(kinds)) {
      const own = lengths.filter((count) => name !== 'whole matrix' || count <= 4096);
      const found: { seconds: number; mib: number }[] = [];
      for (const count of own) {
        context.step(`${name}, ${count.toLocaleString('en')} positions`);
        const ids = text.subarray(0, count);
        const first = await measure(() => run(ids));
        const again = count <= 65_536 ? await measure(() => run(ids)) : first;
        found.push({ seconds: Math.min(first.seconds, again.seconds), mib: Math.min(first.mib, again.mib) });
      }
      const cells = (of: 'seconds' | 'mib'): (number | null)[] => lengths.map((_, at) => found[at]?.[of] ?? null);
      rows.push({ name: `${name}, s`, cells: cells('seconds') }, { name: `${name}, MiB`, cells: cells('mib') });
      series.push({ name, x: own, y: found.map(({ seconds }) => seconds) });
      // what is fixed about a call shows in short texts
      const long = own.slice(name === 'whole matrix' ? 0 : -3);
      slopes[name] = {
        seconds: exponent(
          long,
          found.slice(-long.length).map(({ seconds }) => seconds),
        ),
        mib: exponent(
          long,
          found.slice(-long.length).map(({ mib }) => Math.max(mib, 1e-3)),
        ),
      };
    }
    model.dispose();
    const verdicts = (['attention row', 'rollout row'] as const).flatMap((name): Verdict[] => [
      atMost(`one row takes time linear in L: ${name}`, 'O(ΛDLN)', 'exponent of the time', slopes[name]!.seconds, 1.15),
      atMost(`and memory no more than linear: ${name}`, 'O(DL)', 'exponent of the memory', slopes[name]!.mib, 1.1),
    ]);
    const svg = curves({ series, title: 'Seconds by length', xLabel: 'positions', yLabel: 'seconds', xScale: 'log', yScale: 'log' });
    return {
      verdicts,
      tables: [{ title: 'By length', columns: lengths.map((count) => count.toLocaleString('en')), rows }],
      pictures: [
        { file: 'E18-time.svg', text: 'Seconds for one row of attention, one of the rollout and a whole matrix, against the length', svg },
      ],
      lacking: [],
    };
  },
};
