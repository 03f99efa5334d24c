// Expressions, whose deciding operand is known, explained from the command line.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cli, workFolder } from './run.js';

let work: string;
beforeAll(() => void (work = workFolder()));
afterAll(() => rmSync(work, { recursive: true, force: true }));

interface Result {
  target: { label: string };
  maps: {
    method: string;
    scores: number[];
    words: { start: number; end: number }[];
    certificate: { check: { unit: string; of: number } };
  }[];
}

test.each(['zoo:listops-mamba', 'zoo:listops-transformer'])('%s: each symbol is a word; what decides counts for most', (model) => {
  // 9 is the value by its second operand alone
  const text = '[MAX 2 [MIN 9 9 ] 1 3 ]';
  const out = join(work, 'map.json');
  const methods = ['occlusion', 'mambalrp'];
  const flags = methods.flatMap((method) => ['--method', method]);
  expect(cli('explain', '--model', model, '--text', text, ...flags, '--out', out)).toMatchObject({ status: 0, stderr: '' });
  const [{ target, maps }] = (JSON.parse(readFileSync(out, 'utf8')) as { results: [Result] }).results;
  expect(target.label).toBe('9');
  expect(maps.map(({ method }) => method)).toEqual(methods);
  for (const { scores, words, certificate } of maps) {
    expect(words.map(({ start, end }) => text.slice(start, end))).toEqual(text.split(' '));
    expect(certificate.check).toMatchObject({ unit: 'word', of: 9 });
    const size = (from: number, to: number): number => scores.slice(from, to).reduce((sum, score) => sum + Math.abs(score), 0);
    expect(size(2, 6)).toBeGreaterThan(size(1, 2) + size(6, 8));
  }
});
