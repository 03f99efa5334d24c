import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseSweep, Plan, runSweep, summarizeSweep, writeReport, type MeasuredRow, type Row } from '@hidden-attention/evaluate';
import { leaderboardMarkdown, standings, type EvaluationReport } from '@hidden-attention/plot';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { smallFolder, smallSweep } from './small-sweep.js';

let folder: string;
let report: EvaluationReport;
beforeAll(async () => {
  folder = await smallFolder();
  const sweep = parseSweep(smallSweep());
  const { rows, plan } = await runSweep(sweep, { out: join(folder, 'out'), folder });
  report = await writeReport(sweep, plan, rows, join(folder, 'out'));
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the pages of a sweep', () => {
  test('are whole, load nothing and run nothing', () => {
    const names = ['leaderboard.html', 'leaderboard.md', 'report.html', 'results.jsonl', 'summary.json'];
    expect(readdirSync(join(folder, 'out')).toSorted()).toEqual(names);
    for (const name of ['report.html', 'leaderboard.html']) {
      const html = readFileSync(join(folder, 'out', name), 'utf8');
      expect(html).toContain("default-src 'none'");
      expect(html).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)/);
      for (const method of ['gradient-x-input', 'raw', 'rollout, rows', 'random', 'oracle']) expect(html).toContain(`>${method}<`);
    }
  });
  test('show an input of each data set with every method’s map', () => {
    expect(report.examples.map(({ data, text, picture }) => [data, text !== undefined, picture !== undefined])).toEqual(
      expect.arrayContaining([
        ['planted', true, false],
        ['scenes', false, true],
      ]),
    );
    for (const { maps } of report.examples)
      expect(maps.map(({ method }) => method)).toEqual(['oracle', 'gradient-x-input', 'raw', 'rollout, rows']);
  });
  test('say what maps cost, and what was left out', () => {
    expect(report.costs.every(({ ms, slowest, mib }) => ms > 0 && slowest >= ms && mib > 0)).toBe(true);
    expect(report.leftOut).toEqual([{ what: 'segmentation, planted, text', reason: 'it is for images' }]);
  });
  test('rank methods and no baselines', () => {
    for (const { methods } of standings(report)) {
      expect(methods.slice(-2).map(({ method }) => method)).toEqual(['random', 'oracle']);
      for (const { baseline, meanPlace } of methods) expect(meanPlace === null).toBe(baseline);
    }
  });
});

describe('figures, by hand', () => {
  const row = (explainer: string, seed: number, values: Record<string, number>[], cost = { ms: 2, mib: 1 }): Row => ({
    key: `${explainer}${seed}`,
    data: 'scenes',
    model: 'vision',
    explainer,
    protocol: 'segmentation',
    seed,
    shard: 0,
    examples: values.map((_, at) => at),
    values,
    cost: values.map(() => cost),
  });
  /** counts of an image of 100 pixels with an object of 20 of which `both` are found, and none besides */
  const counts = (both: number): Record<string, number> => ({
    right: 80 + both,
    pixels: 100,
    both,
    either: 20,
    neither: 80,
    'not-both': 100 - both,
    ap: both / 20,
    f1: 0,
  });
  test('ratios of sums, intervals around them, places, and examples where a method is worst', async () => {
    const sweep = parseSweep(smallSweep());
    const plan = await Plan.open(sweep, folder);
    const many = Array.from({ length: 30 }, (_, i) => counts(i === 7 ? 1 : 12));
    const rows = [
      row('raw', 1, many),
      row(
        'gradient-x-input',
        1,
        many.map(() => counts(20)),
      ),
      row(
        'random',
        1,
        many.map(() => counts(5)),
      ),
    ];
    const summary = summarizeSweep(sweep, plan, [
      ...rows,
      { ...(row('raw', 1, []) as MeasuredRow), key: 'x', error: 'broken' } as unknown as Row,
    ]);
    const [table] = summary.tables;
    const of = (method: string) => table!.rows.find((own) => own.method === method)!;
    const both = 29 * 12 + 1;
    expect(of('raw').cells[0]!.value).toBeCloseTo(50 * (both / 600 + 2400 / (3000 - both)), 9);
    expect(of('raw').cells[0]!.low).toBeLessThan(of('raw').cells[0]!.value);
    expect(of('raw').worst).toMatchObject({ example: 7 });
    expect([of('gradient-x-input').place, of('raw').place, of('random').place]).toEqual([1, 2, null]);
    expect(of('raw').againstBest).toBeLessThan(0.01);
    expect(of('raw').againstRandom).toBeLessThan(0.01);
    expect(of('gradient-x-input').againstBest).toBe(null);
    expect(of('raw').failed).toBe(1);
    expect(summary.failures).toEqual([{ what: 'x', error: 'broken' }]);
    expect(summary.costs[0]).toMatchObject({ ms: 2, mib: 1 });
  });
  test('in Markdown: places, intervals, and what the tests say', async () => {
    const sweep = parseSweep(smallSweep());
    const plan = await Plan.open(sweep, folder);
    const of = (found: (example: number) => number): Record<string, number>[] => Array.from({ length: 30 }, (_, i) => counts(found(i)));
    const summary = summarizeSweep(sweep, plan, [
      row(
        'gradient-x-input',
        1,
        of(() => 15),
      ),
      row(
        'raw',
        1,
        of((i) => 10 + (i % 11)),
      ), // 14.6 on average, 83.3 in all: no test can tell
      row(
        'rollout, rows',
        1,
        of(() => 2),
      ),
      row(
        'random',
        1,
        of(() => 5),
      ),
    ]);
    const lines = leaderboardMarkdown(summary).split('\n');
    expect(lines.slice(0, 3)).toEqual(['## scenes, vision', '', '30 examples.']);
    expect(lines.find((line) => line.startsWith('| method'))).toBe('| method | mean place | Segmentation: mIoU ↑ | ms a map |');
    expect(lines).toContain('| `gradient-x-input` | 1.0 | **84.6** [84.6, 84.6] | 2.00 |');
    expect(lines.find((line) => line.startsWith('| `raw`'))).toMatch(/^\| `raw` \| 2\.0 \| 83\.3 \[8[01]\.\d, 8[67]\.\d\] = \| 2\.00 \|$/);
    expect(lines.find((line) => line.startsWith('| `rollout, rows`'))).toMatch(/▽ \| 2\.00 \|$/);
    expect(lines.find((line) => line.startsWith('| _random_'))).toMatch(/^\| _random_ \| – \| 54\.6 /);
  });
  test('seeds of one example are its mean: they add no examples', async () => {
    const sweep = parseSweep(smallSweep());
    const plan = await Plan.open(sweep, folder);
    const once = summarizeSweep(sweep, plan, [row('raw', 1, [counts(10), counts(20)])]);
    const often = summarizeSweep(
      sweep,
      plan,
      [1, 2, 3].map((seed) => row('raw', seed, [counts(9 + seed - 1), counts(20)])),
    );
    expect(often.tables[0]!.rows[0]!.cells[0]).toEqual(once.tables[0]!.rows[0]!.cells[0]);
    expect(often.tables[0]).toMatchObject({ examples: 2, seeds: 3 });
  });
});
