// The reproduction of the paper's experiments: the page is what the results say, and measuring again gives the same figures.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getExplainer, Question } from '@hidden-attention/explain';
import { createModel } from '@hidden-attention/model';
import {
  reproduce,
  reproductionPage,
  reproductionRows,
  type ReproductionOptions,
  type RowResult,
} from '@hidden-attention/evaluate/reproduction';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { registerAggregations } from '../src/reproduction/aggregations.js';
import { clozeQuestions } from '../src/reproduction/rows/e8-cloze.js';
import { compared, overall } from '../src/reproduction/verdict.js';
import { mean } from '../src/statistics.js';

const file = (path: string): string => new URL(path, import.meta.url).pathname;
const docs = file('../../../docs/evaluate');
const readResults = (folder: string): RowResult[] =>
  reproductionRows
    .map(({ id }) => join(folder, `${id}.json`))
    .filter((path) => existsSync(path))
    .map((path) => JSON.parse(readFileSync(path, 'utf8')) as RowResult);

/** Every number in a table or verdict of results, in order. */
function numbersOf(value: unknown): number[] {
  if (typeof value === 'number') return [value];
  if (Array.isArray(value)) return value.flatMap(numbersOf);
  return value && typeof value === 'object' ? Object.values(value).flatMap(numbersOf) : [];
}

let work: string;
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'reproduction-'));
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe('the page in the docs', () => {
  test('is what its results say', () => {
    expect(readFileSync(join(docs, 'reproduction.md'), 'utf8')).toBe(reproductionPage(readResults(join(docs, 'reproduction'))));
  });
  test('has the rows that were measured, none of them from a quick run, averages over 200 inputs or more', () => {
    const results = readResults(join(docs, 'reproduction'));
    expect(results.map(({ id }) => id)).toEqual(reproductionRows.map(({ id }) => id));
    expect(reproductionRows.map(({ id }) => Number(id.slice(1)))).toEqual([...Array(19).keys()].map((i) => i + 1).filter((i) => i !== 13));
    for (const { id, verdicts, settings, pictures } of results) {
      expect(verdicts.length, id).toBeGreaterThan(0);
      expect(settings['quick'], id).toBe(false);
      const samples = settings['samples'] as number;
      if (samples > 0) expect(samples, id).toBeGreaterThanOrEqual(200);
      for (const picture of pictures) expect(existsSync(join(docs, 'reproduction', picture.file)), picture.file).toBe(true);
    }
  });
});

describe('measured again', () => {
  const rows = ['E2', 'E3', 'E7', 'E10', 'E16'];
  const options = (): ReproductionOptions => ({ out: join(work, 'again'), rows, samples: 4, roles: file('excerpt-roles.json') });

  test(
    'on inputs that are kept here, rows give the same figures within 1e-4, and are not measured twice',
    { timeout: 300_000 },
    async () => {
      const { results, failures, reason } = await reproduce(options());
      expect([failures, reason]).toEqual([[], 'done']);
      expect(results.map(({ id }) => id)).toEqual(rows);
      if (process.env['UPDATE_GOLDEN']) writeFileSync(file('golden/reproduction.json'), `${JSON.stringify(results, null, 1)}\n`);
      const known = JSON.parse(readFileSync(file('golden/reproduction.json'), 'utf8')) as RowResult[];
      for (const [at, { id, verdicts, tables }] of results.entries()) {
        const [found, expected] = [numbersOf(tables), numbersOf(known[at]!.tables)];
        expect(found.length, id).toBe(expected.length);
        found.forEach((value, i) => expect(Math.abs(value - expected[i]!) / Math.max(1, Math.abs(expected[i]!)), id).toBeLessThan(1e-4));
        expect(
          verdicts.map(({ claim, held }) => [claim, held]),
          id,
        ).toEqual(known[at]!.verdicts.map(({ claim, held }) => [claim, held]));
      }
      const written = (): number[] =>
        readdirSync(join(work, 'again/reproduction')).map((name) => statSync(join(work, 'again/reproduction', name)).mtimeMs);
      const before = written();
      await reproduce(options());
      expect(written()).toEqual(before);
    },
  );
});

describe('asked for what is not there', () => {
  test.each([
    [{ rows: ['E13'] }, 'there is no row "E13"; there are E1, E2'],
    [{ roles: file('toy.ts') }, 'toy.ts cannot be used'],
  ])('%j is refused', async (options, message) => {
    await expect(reproduce({ out: join(work, 'none'), ...options })).rejects.toThrow(message);
    expect(existsSync(join(work, 'none'))).toBe(false);
  });
  test('a row without models or data says so, and the rest goes on', async () => {
    const roles = join(work, 'roles.json');
    writeFileSync(roles, JSON.stringify({ models: { 'garments-mamba': 'zoo:nothing' }, data: {} }));
    const { results, failures } = await reproduce({ out: join(work, 'lacking'), rows: ['E3', 'E7', 'E16'], roles });
    expect(results.map(({ id }) => id)).toEqual(['E3', 'E16']);
    expect(results[0]!.lacking).toEqual(['no garments: no data set has that role']);
    expect(failures).toEqual([{ id: 'E7', error: expect.stringContaining('nothing can be measured: no scenes-mamba: none was trained') }]);
  });
  test('an aborted run says so and leaves whole files', async () => {
    const controller = new AbortController();
    const run = reproduce({
      out: join(work, 'aborted'),
      rows: ['E2', 'E7'],
      samples: 6,
      roles: file('excerpt-roles.json'),
      signal: controller.signal,
      onProgress: ({ at }) => at.startsWith('E7') && controller.abort(),
    });
    const { results, reason } = await run;
    expect([results.map(({ id }) => id), reason]).toEqual([['E2'], 'interrupted']);
  });
});

describe('what decides', () => {
  const numbers = (value: number): number[] => Array.from({ length: 40 }, (_, i) => value + Math.sin(i));
  const verdict = (first: number, second: number, expected: 'larger' | 'smaller' | 'not-smaller' | 'not-larger'): string =>
    compared({
      claim: '',
      published: '',
      expected,
      first: { name: 'a', records: numbers(first) },
      second: { name: 'b', records: numbers(second) },
      figure: mean,
    }).held;
  test('a difference that random swaps do not make, in the claimed direction; else the opposite, else nothing', () => {
    expect([verdict(2, 1, 'larger'), verdict(2, 1, 'smaller'), verdict(1, 1, 'larger')]).toEqual(['yes', 'no', 'open']);
    expect([verdict(1, 1, 'not-smaller'), verdict(1, 2, 'not-smaller'), verdict(2, 1, 'not-larger')]).toEqual(['yes', 'no', 'no']);
  });
  test('a row counts its claims', () => {
    const all = (held: ('yes' | 'no' | 'open')[]): string =>
      overall(held.map((own) => ({ claim: '', published: '', here: '', held: own })));
    expect([all([]), all(['yes', 'yes']), all(['no']), all(['yes', 'open', 'no'])]).toEqual([
      'not measured',
      'held',
      'did not hold',
      '1 of 3 held, 1 did not, 1 cannot be told',
    ]);
  });
});

describe('parts of rows', () => {
  test('the mean as an aggregation is rollout, and with attribution Mamba-Attribution; max is never below it, min never above', async () => {
    registerAggregations();
    const model = createModel({ model_type: 'mamba', vocab_size: 32, hidden_size: 16, num_hidden_layers: 3 }, { seed: 4 });
    const ids = Int32Array.from({ length: 12 }, (_, i) => (7 * i) % 32);
    const scores = async (name: string, options: object = {}): Promise<number[]> => {
      const explainer = getExplainer(name);
      const question = new Question(model, ids, 3);
      const found = await explainer.explain(question, explainer.options!.parse(options));
      await question.dispose();
      return Array.from(found.scores);
    };
    const near = (a: number[], b: number[]): void => a.forEach((value, i) => expect(value).toBeCloseTo(b[i]!, 5));
    near(await scores('rollout-aggregation'), await scores('rollout'));
    for (const clamp of ['positive', 'none', 'absolute'])
      near(await scores('rollout-aggregation', { attribution: true, clamp }), await scores('mamba-attribution', { clamp }));
    const [low, middle, high] = [
      await scores('rollout-aggregation', { aggregate: 'min' }),
      await scores('rollout-aggregation'),
      await scores('rollout-aggregation', { aggregate: 'max' }),
    ];
    expect(high.at(-2)! - middle.at(-2)!).toBeGreaterThan(0);
    expect(low.at(-2)! - middle.at(-2)!).toBeLessThan(0);
    model.dispose();
  });
  test('the right choice of a question goes on from its context, and the others do not', () => {
    const text = readFileSync(file('../../zoo/test/fixtures/prose-sample.txt'), 'utf8').replace(/\s+/g, ' ');
    const decode = (ids: Int32Array): string => new TextDecoder().decode(Uint8Array.from(ids));
    for (const { context, choices, right } of clozeQuestions(text, 10))
      choices.forEach((choice, at) => expect(text.includes(decode(context) + decode(choice))).toBe(at === right));
  });
});
