// The examples as a user has them: copied to a folder of their own beside the packages, the third parties' built, packed and installed.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const root = join(import.meta.dirname, '..');
const examples = join(root, 'examples');
const tool = (name: string): string => join(root, 'node_modules/.bin', name);
let work: string;

/** Runs vitest on some of an example's tests. */
function tests(name: string, which: string): { status: number | null; output: string } {
  const asked = ['run', '--root', join(work, name), '--testTimeout', '120000', which];
  const { status, stdout, stderr } = spawnSync(tool('vitest'), asked, { encoding: 'utf8', env: { ...process.env, CI: '1' } });
  return { status, output: stdout + stderr };
}

beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'examples-'));
  const modules = join(work, 'node_modules');
  mkdirSync(join(modules, '@hidden-attention'), { recursive: true });
  for (const name of readdirSync(join(root, 'packages')))
    symlinkSync(join(root, 'packages', name), join(modules, name === 'cli' ? 'hidden-attention' : `@hidden-attention/${name}`));
  symlinkSync(join(root, 'node_modules/vitest'), join(modules, 'vitest'));
  cpSync(examples, work, { recursive: true });
  for (const name of ['third-party-explainer', 'third-party-family']) {
    const own = join(work, name);
    execFileSync(tool('tsc'), ['--project', own], { encoding: 'utf8' });
    const tarball = execFileSync('npm', ['pack', '--silent', '--pack-destination', work], { cwd: own, encoding: 'utf8' }).trim();
    const installed = join(modules, (JSON.parse(readFileSync(join(own, 'package.json'), 'utf8')) as { name: string }).name);
    mkdirSync(installed);
    execFileSync('tar', ['-xzf', join(work, tarball), '-C', installed, '--strip-components', '1']);
  }
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

test.each(readdirSync(examples).filter((name) => name.endsWith('.js')))('%s runs, in at most 40 lines', (name) => {
  expect(readFileSync(join(examples, name), 'utf8').trim().split('\n').length).toBeLessThanOrEqual(40);
  expect(execFileSync(process.execPath, [name], { cwd: work, encoding: 'utf8' }).trim().split('\n').length).toBeGreaterThan(3);
});

test("a third party's explainer conforms", () => {
  const { status, output } = tests('third-party-explainer', 'test/');
  expect(status, output).toBe(0);
});

test.each([
  ['future', 'no influence from there'],
  ['random', 'the same scores twice'],
  ['length', 'one finite score a position'],
])('one that is wrong (%s) does not: %s', (file, found) => {
  const { status, output } = tests('third-party-explainer', `wrong/${file}`);
  expect(status).toBe(1);
  expect(output).toMatch(new RegExp(`(×|FAIL)[^\\n]*${found}`));
});

test('it shows up in the command line and in the report', () => {
  const report = join(work, 'report.html');
  const asked = ['explain', '--plugin', 'value-weighted-attention', '--model', 'zoo:mail', '--text', 'Claim your prize now!'];
  const command = [join(root, 'packages/cli/dist/main.js'), ...asked, '--method', 'value-weighted', '--method', 'raw', '--out', report];
  expect(execFileSync(process.execPath, command, { cwd: work, encoding: 'utf8' })).toMatch(/value-weighted +"/);
  expect(readFileSync(report, 'utf8')).toContain('Value-weighted attention');
});

test("a third party's family conforms, and every explainer works on it", () => {
  const { status, output } = tests('third-party-family', 'test/');
  expect(status, output).toBe(0);
});
