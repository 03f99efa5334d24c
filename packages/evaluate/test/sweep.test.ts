import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineExplainer, registerExplainer } from '@hidden-attention/explain';
import { comparable, failed, parseSweep, Plan, readResults, Results, runSweep, sweepSchema, writeReport } from '@hidden-attention/evaluate';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { smallFolder, smallSweep } from './small-sweep.js';

/** A package that registers the explainer `brought`. */
const brings = new URL('brings.mjs', import.meta.url).pathname;
let folder: string;
beforeAll(async () => {
  folder = await smallFolder();
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const out = (): string => mkdtempSync(join(folder, 'out-'));
const changed = (change: object): Record<string, unknown> => ({ ...smallSweep(), ...change });

describe('a sweep', () => {
  test('has a row for everything that goes together, random and oracle rows beside the methods, and says what was left out', async () => {
    const { rows, plan, reason } = await runSweep(parseSweep(smallSweep()), { out: out(), folder });
    expect(reason).toBe('done');
    expect(rows.filter(failed)).toEqual([]);
    expect(rows.map(({ key }) => key).toSorted()).toEqual(plan.keys.toSorted());
    const of = (data: string, protocol: string): string[] => [
      ...new Set(rows.filter((row) => row.data === data && row.protocol === protocol).map(({ explainer }) => explainer)),
    ];
    const methods = ['gradient-x-input', 'raw', 'rollout, rows'];
    expect(of('planted', 'eraser')).toEqual([...methods, 'random', 'oracle']);
    expect(of('scenes', 'segmentation')).toEqual([...methods, 'random', 'oracle']);
    expect(of('planted', 'infidelity')).toEqual([...methods, 'random']); // the oracle knows no logits
    expect(of('planted', 'segmentation')).toEqual([]);
    expect(plan.leftOut).toEqual([{ data: 'planted', model: 'text', what: 'segmentation', reason: 'it is for images' }]);
    // what draws nothing runs once, what draws runs with every seed
    const seeds = (explainer: string, protocol: string): number[] =>
      rows
        .filter((row) => row.explainer === explainer && row.protocol === protocol && row.shard === 0 && row.data === 'planted')
        .map(({ seed }) => seed);
    expect(seeds('raw', 'eraser')).toEqual([1]);
    expect(seeds('raw', 'infidelity')).toEqual([1, 2]);
    expect(seeds('random', 'eraser')).toEqual([1, 2]);
  });

  test('stops when asked, drops a line that was cut off, goes on, and comes to the same', async () => {
    const [whole, parts] = [out(), out()];
    const all = await runSweep(parseSweep(smallSweep()), { out: whole, folder });
    const stop = new AbortController();
    const first = await runSweep(parseSweep(smallSweep()), {
      out: parts,
      folder,
      signal: stop.signal,
      onProgress: ({ done, total }) => done > total / 3 && stop.abort(),
    });
    expect(first.reason).toBe('interrupted');
    const file = join(parts, 'results.jsonl');
    appendFileSync(file, '{"key":"planted|text|raw');
    const before = (await readResults(file))!.rows.length;
    expect(before).toBe(first.rows.length);
    const seen: number[] = [];
    const second = await runSweep(parseSweep(smallSweep()), { out: parts, folder, onProgress: ({ done }) => seen.push(done) });
    expect(second.reason).toBe('done');
    expect(seen[0]).toBeGreaterThan(before);
    expect(comparable(second.rows)).toEqual(comparable(all.rows));
    expect(comparable((await readResults(file))!.rows)).toEqual(comparable(all.rows));
    const keys = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => (JSON.parse(line) as { key: string }).key);
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('records a method that fails, once it failed twice, and goes on; retry runs those rows alone', async () => {
    let calls = 0;
    let broken = true;
    registerExplainer(
      defineExplainer({
        name: 'fails-at-times',
        title: 'Fails',
        summary: 'Fails.',
        cite: 'here',
        signed: true,
        supports: ({ family }) => (family.images ? 'not of images' : true),
        async explain({ length }) {
          calls++;
          if (broken) throw new Error('no luck');
          return { scores: new Float64Array(length) };
        },
      }),
    );
    const sweep = parseSweep(changed({ explainers: ['raw', 'fails-at-times'], protocols: ['eraser'] }));
    const folderOut = out();
    const { rows, reason, plan } = await runSweep(sweep, { out: folderOut, folder });
    expect(reason).toBe('done');
    const errors = rows.filter(failed);
    expect(errors).toHaveLength(3);
    expect(errors[0]!.error).toBe('example 0: no luck');
    expect(calls).toBe(6);
    expect(plan.leftOut).toContainEqual({ data: 'scenes', model: 'vision', what: 'fails-at-times', reason: 'not of images' });
    broken = false;
    expect((await runSweep(sweep, { out: folderOut, folder })).rows.filter(failed)).toHaveLength(3);
    expect((await runSweep(sweep, { out: folderOut, folder, retry: true })).rows.filter(failed)).toEqual([]);
    expect(calls).toBe(12);
  });
});

test('explainers of packages take part without being listed; what a data set leaves out is told with its reason', async () => {
  const data = [
    {
      name: 'mails',
      kind: 'labelled-text',
      options: { path: 'mails.jsonl' },
      models: ['text'],
      without: { raw: 'it is in the other table' },
    },
  ];
  const sweep = parseSweep(changed({ packages: [brings], explainers: ['raw', 'rollout'], protocols: ['completeness'], data }));
  for (const attempt of ['first', 'again']) {
    const plan = await Plan.open(sweep, folder);
    expect(new Set(plan.pieces.map(({ explainer }) => explainer)), attempt).toEqual(new Set(['rollout', 'brought', 'random']));
    expect(plan.leftOut).toEqual([{ data: 'mails', model: 'text', what: 'raw', reason: 'it is in the other table' }]);
    await plan.task('mails', 'text'); // opened once more, told once
    expect(plan.leftOut).toHaveLength(1);
    await plan.close();
  }
});

describe('what is refused before anything runs', () => {
  const refused = (change: object, message: string | RegExp): Promise<void> =>
    expect((async () => Plan.open(parseSweep(changed(change)), folder))()).rejects.toThrow(message);
  test.each([
    [{ seeds: [] }, 'seeds is []'],
    [{ shard: 0 }, 'shard is 0'],
    [{ colour: 'red' }, 'unknown field colour; known: $schema, name, title, packages'],
    [{ data: [{ name: 'x' }] }, 'data.0.kind is missing'],
    [{ name: 'My Sweep' }, 'name is "My Sweep": lower case'],
    [{ models: ['text', 'text'] }, 'models has "text" twice'],
    [{ data: [{ name: 'x', kind: 'labelled-text', options: { path: 'mails.jsonl' }, models: ['other'] }] }, 'data.0.models has "other"'],
  ])('%j: the schema', (change, message) => refused(change, message));
  test.each([
    [{ explainers: ['rolout'] }, 'explainers.0: unknown explainer "rolout"; the nearest are rollout'],
    [{ explainers: [{ name: 'rollout', options: { normalise: 'rows' } }] }, 'explainers.0: "rollout" has no option "normalise"'],
    [{ protocols: ['erasor'] }, 'unknown protocol "erasor"; the nearest are eraser'],
    [{ protocols: [{ name: 'infidelity', options: { samples: 0 } }] }, 'protocols.0, options of "infidelity": samples is 0'],
    [{ data: [{ name: 'x', kind: 'labelled-txt' }] }, 'unknown kind of data "labelled-txt"; the nearest are labelled-text'],
    [
      { packages: ['@nobody/explainer'] },
      /the package "@nobody\/explainer" of the sweep: Cannot find package '@nobody\/explainer'; install it in /,
    ],
    [{ packages: [brings], explainers: [{ name: 'raw', as: 'brought' }] }, 'explainers has "brought" twice'],
    [{ explainers: ['all', 'raw'] }, 'explainers has "raw" twice'],
    [
      { data: [{ name: 'x', kind: 'known-answer', without: { rolout: 'slow' } }] },
      'data.0.without has "rolout", which is none of gradient-x-input',
    ],
    [{ data: [{ name: 'x', kind: 'known-answer', explainers: ['rolout'] }] }, 'data.0.explainers has "rolout", which is none of'],
    [{ models: ['text', 'vision', 'zoo:nothing'] }, /no model "zoo:nothing".*shipped models are zoo:/],
    [{ models: ['text', 'vision', './gone'] }, 'no model "./gone"'],
  ])('%j: names', (change, message) => refused(change, message));
  test('a file that is missing, or has no such lines', async () => {
    const of = (path: string): object => ({ data: [{ name: 'x', kind: 'labelled-text', options: { path }, models: ['text'] }] });
    await refused(of('gone.jsonl'), 'gone.jsonl cannot be read: there is no such file');
    await refused(
      of('cache:gone/gone.jsonl'),
      /the data set "x": there is no \/.*gone\.jsonl; the recipes in packages\/zoo .* prepare what "cache:" names/,
    );
    writeFileSync(join(folder, 'bad.jsonl'), '{"text":"a","label":"ham"}\n{"text":3}\n');
    await refused(of('bad.jsonl'), 'bad.jsonl:2: text');
    await refused(
      { data: [{ name: 'x', kind: 'labelled-text', options: { path: 'mails.jsonl' }, models: ['vision'] }] },
      'the data set "x" holds texts, and the model reads images',
    );
  });
  test('another sweep in the folder, and a folder that is being written', async () => {
    const folderOut = out();
    const open = await Results.open(folderOut, parseSweep(smallSweep()));
    await expect(Results.open(folderOut, parseSweep(smallSweep()))).rejects.toThrow(`is being written by process ${process.pid}`);
    await open.close();
    await expect(Results.open(folderOut, parseSweep(changed({ seeds: [5] })))).rejects.toThrow('another sweep of the name "small"');
    writeFileSync(join(folderOut, 'running'), '999999999');
    await (await Results.open(folderOut, parseSweep(smallSweep()))).close();
  });
});

test('the schema is there for editors', () => {
  expect(sweepSchema()).toMatchObject({ type: 'object', properties: { data: { type: 'array' } } });
});

test('a full disk leaves what is written readable, and says what to do', async () => {
  const folderOut = out();
  const results = await Results.open(folderOut, parseSweep(smallSweep()));
  const row = { key: 'a', data: 'd', model: 'm', explainer: 'e', protocol: 'p', seed: 1, shard: 0, error: 'x' };
  await results.append([row]);
  results.file.appendFile = () => Promise.reject(new Error('ENOSPC: no space left on device, write'));
  await expect(results.append([{ ...row, key: 'b' }])).rejects.toThrow(/ENOSPC.*make room and run the same command again/);
  await results.close();
  expect((await readResults(join(folderOut, 'results.jsonl')))!.rows).toEqual([row]);
});

test('a disk that is full when the report is written: the results stay, nothing is half written', async () => {
  const folderOut = out();
  const sweep = parseSweep(changed({ protocols: ['completeness'] }));
  const { rows, plan } = await runSweep(sweep, { out: folderOut, folder });
  mkdirSync(join(folderOut, 'leaderboard.html')); // what cannot be written
  await expect(writeReport(sweep, plan, rows, folderOut)).rejects.toThrow(
    /cannot write .*leaderboard\.html: it is a folder.*The results are whole: the same command then writes what is missing/,
  );
  expect((await readResults(join(folderOut, 'results.jsonl')))!.rows).toHaveLength(rows.length);
});
