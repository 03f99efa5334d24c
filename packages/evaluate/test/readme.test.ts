import { readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';

test('the example of the README runs', async () => {
  const example = readFileSync(new URL('example.ts', import.meta.url), 'utf8');
  expect(readFileSync(new URL('../README.md', import.meta.url), 'utf8')).toContain(example.trim());
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  await import('./example.js');
  const found = Object.fromEntries(log.mock.calls) as Record<string, Record<string, number>>;
  expect(found['completeness']!['gap']).toBeLessThan(1e-4);
  expect(found['first-token']!['share']).toBeGreaterThan(0);
  log.mockRestore();
});
