import { packageFolder } from '../../folder.js';
import { randomFor } from '../../random.js';
import { mean } from '../../statistics.js';
import type { Cell, ReproductionRow } from '../row.js';
import { atLeast, atMost } from '../verdict.js';

/** `examples/count-in-row.mjs` and `examples/channel-against-head.mjs`. */
interface CountInRow {
  countInRow(bits: readonly number[]): number[];
  byTheKernel(bits: readonly number[]): Promise<Float32Array>;
  lastOfHead(bits: readonly number[], head: Record<'query' | 'key' | 'value', readonly number[]>): Promise<number>;
}
interface Trained {
  mixers: Record<'channel' | 'head' | 'linearHead', object>;
  trained(mixer: object, options: { seed: number; steps: number; lengths: readonly number[] }): Promise<number[]>;
}
const load = async <T>(name: string): Promise<T> => (await import(new URL(`examples/${name}.mjs`, packageFolder).href)) as T;

const lengths = [8, 16, 32, 64, 128, 256];
const names = { channel: 'one selective channel', head: 'one softmax head', linearHead: 'one head without softmax' } as const;

export const countInRowRow: ReproductionRow = {
  id: 'E17',
  title: 'Counting ones in a row',
  item: 'Theorem 2, lemmas 1–3',
  method:
    'The construction of lemma 1, corrected (as printed it counts all ones, see the [errata](errata.md)), run by the kernel that models run; one head without positions, with random weights, on two texts that it has to tell apart; and one channel and one head trained alike on texts of 16 bits, three seeds ([more](expressiveness.md)). The theorem is about one scalar channel and one softmax head, without positions and without discretisation.',
  samples: 0,
  roles: [],
  async run(context) {
    const { countInRow, byTheKernel, lastOfHead } = await load<CountInRow>('count-in-row');
    const bits = Array.from({ length: 100_000 }, (_, at) => ((at * 7919) % 1000 === 0 || at % 17_011 === 3 ? 0 : 1));
    const counted = await byTheKernel(bits);
    const wrong = countInRow(bits).filter((count, at) => count !== counted[at]).length;
    const random = randomFor('heads', 1);
    const pair = (): number[] => [8 * random() - 4, 8 * random() - 4];
    let apart = 0;
    for (let i = 0; i < 100; i++) {
      const head = { query: pair(), key: pair(), value: pair() };
      apart = Math.max(apart, Math.abs((await lastOfHead([0, 1, 1], head)) - (await lastOfHead([1, 0, 1], head))));
    }
    const { mixers, trained } = await load<Trained>('channel-against-head');
    const steps = context.quick ? 100 : 600;
    const errors: Record<string, number[][]> = {};
    for (const name of ['channel', 'head', 'linearHead'] as const)
      for (const seed of [1, 2, 3]) {
        context.step(`${names[name]}, seed ${seed}`);
        (errors[name] ??= []).push(await trained(mixers[name], { seed, steps, lengths }));
      }
    const at = (name: string, length: number): number[] => errors[name]!.map((own) => own[lengths.indexOf(length)]!);
    const range = (values: number[]): Cell => ({ value: mean(values), low: Math.min(...values), high: Math.max(...values) });
    const worst = Math.max(...at('channel', 256));
    const others = Math.min(...at('head', 256), ...at('linearHead', 256));
    return {
      verdicts: [
        atMost('one S6 channel counts for any length', 'proved (lemma 1)', 'wrong of 100,000 positions', wrong, 0),
        atMost(
          'one softmax head cannot: 0 1 1 and 1 0 1 need 2 and 1',
          'proved (lemma 2)',
          'largest difference that 100 random heads make',
          apart,
          1e-4,
        ),
        atLeast('the same when both are trained', '—', 'least error of a head over largest of a channel, 256 bits', others / worst, 4),
      ],
      tables: [
        {
          title: `Mean squared error after ${steps} steps, by length: mean, least and largest of three seeds`,
          columns: lengths.map(String),
          rows: (['channel', 'head', 'linearHead'] as const).map((name) => ({
            name: names[name],
            cells: lengths.map((length) => range(at(name, length))),
          })),
        },
      ],
      lacking: [],
    };
  },
};
