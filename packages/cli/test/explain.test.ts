// What `explain` can be asked beside a plain answer, and how it refuses a method.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cli, workFolder } from './run.js';

let work: string;
beforeAll(() => {
  work = workFolder();
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

interface Result {
  target: { kind: string; score: number; logit: number; label: string; against?: { label: string; logit: number } };
  maps: {
    method: string;
    scores: number[];
    signed: boolean;
    certificate: { completeness: { gap: number }; correlation?: { rank: number; groups: number } };
  }[];
  skipped?: { method: string; reason: string }[];
}
const explained = (...args: string[]): { status: number | null; stderr: string; stdout: string; result: Result } => {
  const out = join(work, 'map.json');
  const { status, stderr, stdout } = cli('explain', ...args, '--out', out);
  return { status, stderr, stdout, result: (JSON.parse(readFileSync(out, 'utf8')) as { results: Result[] }).results[0]! };
};
const mail = ['--model', 'zoo:mail', '--text', 'Claim your free prize today, dear winner!'];

test('a contrast of two classes, without signs, and the certificate of each map in the terminal', () => {
  const { result, stdout } = explained(...mail, '--method', 'decomposition', '--target', 'spam', '--contrast', 'ham', '--absolute');
  const { target, maps } = result;
  expect(target).toMatchObject({ kind: 'contrast', label: 'spam', against: { label: 'ham' } });
  expect(target.score).toBeCloseTo(target.logit - target.against!.logit, 4);
  expect(maps[0]!.signed).toBe(false);
  expect(Math.min(...maps[0]!.scores)).toBeGreaterThanOrEqual(0);
  expect(maps[0]!.certificate.completeness.gap).toBeLessThan(1e-3);
  expect(maps[0]!.certificate.correlation!.groups).toBe(7);
  expect(stdout).toMatch(/audit \de-\d; adds up within .*; rank correlation with removing 7 words/);
});

test('a span of a text', () => {
  const { result } = explained('--model', 'zoo:prose', '--text', 'Call me Ishmael.', '--method', 'decomposition', '--span', '8:15');
  expect(result.target).toMatchObject({ kind: 'span', label: 'Ishmael' });
  expect(result.maps[0]!.certificate.completeness.gap).toBeLessThan(1e-3);
});

test('a method that cannot answer is refused by its name, and the others are written', () => {
  const { status, stderr, result } = explained(...mail, '--method', 'raw', '--method', 'rollout', '--option', 'raw.clmp=none');
  expect(status).toBe(1);
  expect(stderr).toBe('raw was refused: "raw" has no option "clmp"; the nearest are clamp, row, normalize\n');
  expect(result.maps.map(({ method }) => method)).toEqual(['rollout']);
  expect(result.skipped).toHaveLength(1);
});
