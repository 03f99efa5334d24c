// `evaluate` and `worker` from outside: files, exit status, messages.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cli, fixtures, workFolder } from './run.js';

let work: string;
beforeAll(() => {
  work = workFolder();
});
afterAll(() => rmSync(work, { recursive: true, force: true }));
const sweep = (change: object = {}): string => {
  const path = join(work, `sweep-${Math.random().toString(36).slice(2)}.json`);
  const content = {
    name: 'mails',
    data: [{ name: 'mails', kind: 'labelled-text', options: { path: join(fixtures, 'mail-sample.jsonl'), count: 2, length: 96 } }],
    models: ['zoo:mail'],
    explainers: ['gradient-x-input', 'raw'],
    protocols: ['morf-lerf', 'completeness'],
    seeds: [1],
    ...change,
  };
  writeFileSync(path, JSON.stringify(content));
  return path;
};

describe('evaluate', { timeout: 180_000 }, () => {
  test('runs a sweep, writes results and pages, and has nothing to do the second time', () => {
    const [file, out] = [sweep(), join(work, 'out')];
    const first = cli('evaluate', file, '--out', out);
    expect(first.status, first.stderr).toBe(0); // on a busy machine standard error has lines of progress
    expect(first.stdout).toContain(`6 rows; the report is ${join(out, 'report.html')}`);
    const results = readFileSync(join(out, 'results.jsonl'), 'utf8');
    for (const name of ['report.html', 'leaderboard.html', 'summary.json']) expect(existsSync(join(out, name))).toBe(true);
    expect(cli('evaluate', file, '--out', out).status).toBe(0);
    expect(readFileSync(join(out, 'results.jsonl'), 'utf8')).toBe(results);
    const other = cli('evaluate', sweep({ seeds: [2] }), '--out', out);
    expect([other.status, other.stderr]).toEqual([1, expect.stringContaining('holds results of another sweep of the name "mails"')]);
  });
  test.each([
    [[], 2, 'SWEEP and --out DIR are needed'],
    [['--status'], 2, '--status needs --queue <URL>'],
    [['none.json', '--out', 'x'], 1, 'none.json: ENOENT'],
  ])('%j is refused', (args, status, message) => {
    const found = cli('evaluate', ...args);
    expect([found.status, found.stderr]).toEqual([status, expect.stringContaining(message)]);
  });
  test('a sweep that does not fit says where, before anything is written', () => {
    const out = join(work, 'none');
    const found = cli('evaluate', sweep({ models: ['zoo:nail'] }), '--out', out);
    expect([found.status, found.stderr]).toEqual([1, expect.stringContaining('no model "zoo:nail"')]);
    expect(cli('evaluate', sweep({ seeds: 'one' }), '--out', out).stderr).toContain('seeds is "one"');
    expect(existsSync(out)).toBe(false);
  });
  test('Redis that is away is said, and so is an address that is none', () => {
    const away = cli('evaluate', sweep(), '--out', join(work, 'none'), '--queue', 'redis://127.0.0.1:1');
    expect([away.status, away.stderr]).toEqual([1, expect.stringContaining('ECONNREFUSED')]);
    expect(cli('worker', '--queue', 'mongodb://x').stderr).toContain('is no address of Redis');
    expect(cli('worker').status).toBe(2);
  });
});

describe('reproduce', { timeout: 180_000 }, () => {
  test('measures rows and writes the page; what is done is not done again', () => {
    const out = join(work, 'reproduced');
    const first = cli('reproduce', '--rows', 'E16', '--out', out);
    expect([first.status, first.stdout]).toEqual([0, `1 rows measured; the page is ${join(out, 'reproduction.md')}\n`]);
    expect(readFileSync(join(out, 'reproduction.md'), 'utf8')).toContain('## E16 How layers mix positions');
    const result = readFileSync(join(out, 'reproduction/E16.json'), 'utf8');
    expect(cli('reproduce', '--rows', 'E16', '--out', out).status).toBe(0);
    expect(readFileSync(join(out, 'reproduction/E16.json'), 'utf8')).toBe(result);
  });
  test.each([
    [['--rows', 'E13'], 1, 'there is no row "E13"; there are E1, E2'],
    [['--samples', 'few'], 2, '--samples is "few"; a whole number of at least 2 is needed'],
    [['--roles', 'none.json'], 1, 'the roles in none.json cannot be used'],
  ])('%j is refused, and nothing is written', (args, status, message) => {
    const out = join(work, 'refused');
    const found = cli('reproduce', '--out', out, ...args);
    expect([found.status, found.stderr]).toEqual([status, expect.stringContaining(message)]);
    expect(existsSync(out)).toBe(false);
  });
});
