// The committed leaderboard: a part of its sweep, run again, gives the same figures; what it names is there; its page is its figures'.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { measurePiece, parseSweep, Plan, summarizeSweep, type DataEntry, type Row, type Sweep } from '@hidden-attention/evaluate';
import type { EvaluationReport } from '@hidden-attention/plot';
import { expect, test } from 'vitest';
import { leaderboardPage } from '../../../scripts/leaderboard.mjs';
import { resolvePath } from '../src/sweep/plan.js';

const sweeps = join(import.meta.dirname, '../sweeps');
const docs = join(import.meta.dirname, '../../../docs/evaluate');
const committed = JSON.parse(readFileSync(join(sweeps, 'leaderboard.json'), 'utf8')) as {
  data: DataEntry[];
  protocols: { name: string }[];
};
const figures = JSON.parse(readFileSync(join(docs, 'leaderboard.json'), 'utf8')) as EvaluationReport;

/** Some methods of the committed sweep, by one of its protocols, on what is at hand: data that a recipe has to fetch first may be missing. */
function part(explainers: readonly string[], protocol: string): { sweep: Sweep; missing: string[] } {
  const data = committed.data.map(({ name, kind, options, models }) => ({ name, kind, options, models }));
  const sweep = parseSweep({
    ...committed,
    packages: [],
    explainers,
    protocols: committed.protocols.filter(({ name }) => name === protocol),
    data,
  });
  const isThere = ({ options: { path } }: DataEntry): boolean => typeof path !== 'string' || existsSync(resolvePath(path, sweeps));
  const missing = sweep.data.filter((own) => !isThere(own)).map(({ name }) => name);
  return { sweep: { ...sweep, data: sweep.data.filter(isThere) }, missing };
}

test('it has 200 held-out inputs a task, three seeds, and a third party’s explainer', () => {
  const whole = parseSweep(committed);
  expect(whole.seeds).toHaveLength(3);
  expect(whole.data.length).toBeGreaterThanOrEqual(5);
  for (const { options } of whole.data) expect(options['count']).toBeGreaterThanOrEqual(200);
  for (const { name } of whole.data) {
    const tables = figures.tables.filter(({ data }) => data === name);
    expect(tables.length, name).toBeGreaterThan(0);
    for (const { examples, seeds, rows } of tables) {
      expect([examples, seeds]).toEqual([200, 3]);
      expect(rows.map(({ method }) => method)).toEqual(expect.arrayContaining(['random', 'raw', 'mamba-attribution', 'rollout']));
    }
  }
  expect(figures.failures).toEqual([]);
  const methods = new Set(figures.tables.flatMap(({ rows }) => rows.map(({ method }) => method)));
  expect(methods).toContain('value-weighted');
});

test('its page is that of its figures', async () => {
  expect(readFileSync(join(docs, 'leaderboard.md'), 'utf8'), 'run node scripts/leaderboard.mjs --render').toBe(await leaderboardPage());
});

test('a part of it, run again, gives the same figures', async () => {
  const { sweep, missing } = part(['raw', 'gradient-x-input'], 'pointing-game');
  for (const name of missing) console.log(`not run again: ${name}; its data is fetched by a recipe of packages/zoo`);
  const plan = await Plan.open(sweep, sweeps);
  const rows: Row[] = [];
  for (const piece of plan.pieces) rows.push(...(await measurePiece(plan, piece)));
  await plan.close();
  const again = summarizeSweep(sweep, plan, rows);
  expect(again.tables).toHaveLength(sweep.data.length);
  for (const table of again.tables) {
    const known = figures.tables.find(({ data, protocol }) => data === table.data && protocol === table.protocol)!;
    for (const { method, cells, againstRandom } of table.rows) {
      const before = known.rows.find((row) => row.method === method)!;
      cells.forEach((cell, at) => {
        for (const bound of ['value', 'low', 'high'] as const)
          expect(cell![bound], `${table.data}, ${method}, ${bound}`).toBeCloseTo(before.cells[at]![bound], 3);
      });
      if (againstRandom !== null) expect(againstRandom).toBeCloseTo(before.againstRandom!, 2);
    }
  }
}, 120_000);
