import { readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';

test('the example of the README runs', async () => {
  const example = readFileSync(new URL('example.ts', import.meta.url), 'utf8');
  expect(readFileSync(new URL('../README.md', import.meta.url), 'utf8')).toContain(example.trim());
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  await import('./example.js');
  expect(log.mock.calls).toEqual(
    ['rollout', 'mamba-attribution', 'decomposition', 'last-layer'].map((method) => [method, 6, true, 1, true]),
  );
  log.mockRestore();
});
