// The packages as a user gets them: installed from tarballs in an empty folder outside the workspace. There they are imported, the command
// runs, and so do the examples; the packages of third parties are built, packed and installed beside them.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { cuda, folders, install, installThirdParty, manifest, root, tool } from '../scripts/tarballs.mjs';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

if (!cuda) console.log('skipped: the package of the CUDA library; nvcc was not there when the addon was built');

let work: string;
const node = (...args: string[]): string => execFileSync(process.execPath, args, { cwd: work, encoding: 'utf8' });
const command = (...args: string[]): string =>
  execFileSync(join(work, 'node_modules/.bin/hidden-attention'), args, { cwd: work, encoding: 'utf8' });

beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'hidden-attention-'));
  install(work);
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

test('every package imports', () => {
  const names = folders.map((folder) => manifest(folder).name);
  const script = `for (const name of ${JSON.stringify(names)}) console.log(name, Object.keys(await import(name)).length);`;
  const found = node('--input-type=module', '-e', script).trim().split('\n');
  expect(found.map((line) => line.split(' ')[0])).toEqual(names);
  for (const line of found) expect(Number(line.split(' ')[1]), line).toBeGreaterThan(0);
});

test("an explainer describes its options with the zod of its own package, and messages are zod's in English", () => {
  const script = `import { z } from 'zod';
    import { defineExplainer, optionsFor } from '@hidden-attention/explain';
    const own = defineExplainer({ name: 'own', title: 'Own', summary: 'None.', cite: 'nobody', signed: false,
      options: z.strictObject({ size: z.coerce.number().int().min(1).default(2) }), supports: () => true, explain: async () => ({ scores: [] }) });
    console.log(JSON.stringify(optionsFor([own], { own: { size: '3' } })));
    for (const wrong of [{ siz: 1 }, { size: 0 }])
      try { optionsFor([own], { own: wrong }) } catch (error) { console.log(error.message) }
    const { createModel } = await import('@hidden-attention/model');
    try { createModel({ model_type: 'mamba', vocab_size: 'x' }) } catch (error) { console.log(error.message) }`;
  const [options, unknown, small, config] = node('--input-type=module', '-e', script).split('\n');
  expect(options).toBe('[{"size":3}]');
  expect(unknown).toBe('"own" has no option "siz"; the nearest are size');
  expect(small).toBe('options of "own": size is 0: Too small: expected number to be >=1');
  expect(config).toContain('vocab_size is "x": Invalid input: expected number, received string');
});

test('hidden-attention explain runs on a shipped model', () => {
  const text = 'Subject: free money\n\nClick here to claim your prize now!';
  command('explain', '--model', 'zoo:mail', '--text', text, '--method', 'raw', '--out', 'map.json');
  const map = JSON.parse(readFileSync(join(work, 'map.json'), 'utf8')) as {
    results: { tokens: unknown[]; maps: { scores: number[] }[] }[];
  };
  expect(map.results[0]!.maps[0]!.scores).toHaveLength(map.results[0]!.tokens.length);
});

test.runIf(cuda)('the CUDA library is found beside the addon, and doctor says which GPUs there are or why none', () => {
  // without a driver too: what is missing then is a module of Node in it, not one of its own libraries
  const library = JSON.stringify(join(work, 'node_modules/@hidden-attention/native-linux-x64-cuda/hidden_attention_cuda.so'));
  expect(spawnSync(process.execPath, ['-e', `process.dlopen({ exports: {} }, ${library})`], { encoding: 'utf8' }).stderr).toMatch(
    /self-register/,
  );
  const found = command('doctor');
  expect(found).toMatch(/^.*\bcuda\b.*(compute capability|libcuda\.so\.1|no CUDA device|driver).*$/m);
  expect(found).not.toMatch(/hidden_attention_cuda\.so.*not found/);
});

const examples = join(root, 'examples');
test.each(readdirSync(examples).filter((name) => name.endsWith('.js')))('examples/%s runs, in at most 40 lines', (name) => {
  expect(readFileSync(join(examples, name), 'utf8').trim().split('\n').length).toBeLessThanOrEqual(40);
  cpSync(join(examples, name), join(work, name));
  expect(node(name).trim().split('\n').length).toBeGreaterThan(3);
});

describe('packages of third parties, from their tarballs too', () => {
  /** Runs vitest, the only thing here that is not installed from a tarball, on some of an example's tests. */
  function tests(name: string, which: string): { status: number | null; output: string } {
    const asked = ['run', '--root', join(work, name), '--testTimeout', '120000', which];
    const { status, stdout, stderr } = spawnSync(tool('vitest'), asked, { encoding: 'utf8', env: { ...process.env, CI: '1' } });
    return { status, output: stdout + stderr };
  }

  beforeAll(() => {
    const modules = join(work, 'node_modules');
    symlinkSync(join(root, 'node_modules/vitest'), join(modules, 'vitest'));
    for (const name of ['third-party-explainer', 'third-party-family']) installThirdParty(name, work);
  });

  test('an explainer conforms', () => {
    const { status, output } = tests('third-party-explainer', 'test/');
    expect(status, output).toBe(0);
  });

  test('three that are wrong do not: one looks at the future, one is not deterministic, one gives the wrong length', () => {
    const { status, output } = tests('third-party-explainer', 'wrong/');
    expect(status).toBe(1);
    for (const [file, found] of [
      ['future', 'no influence from there'],
      ['random', 'the same scores twice'],
      ['length', 'one finite score a position'],
    ])
      expect(output).toMatch(new RegExp(`FAIL .*wrong/${file}.*${found}`));
  });

  test('the explainer shows up in the command line and in the report', () => {
    const asked = ['explain', '--plugin', 'value-weighted-attention', '--model', 'zoo:mail', '--text', 'Claim your prize now!'];
    const said = command(...asked, '--method', 'value-weighted', '--method', 'raw', '--out', 'report.html');
    expect(said).toMatch(/value-weighted +"/);
    expect(readFileSync(join(work, 'report.html'), 'utf8')).toContain('Value-weighted attention');
  });

  test('the explainer is in the leaderboard of a sweep that names its package and changes nothing else', () => {
    const sweeps = join(root, 'packages/evaluate/sweeps');
    cpSync(join(root, 'packages/evaluate/models/needle'), join(work, 'models/needle'), { recursive: true });
    const { packages, ...rest } = JSON.parse(readFileSync(join(sweeps, 'leaderboard.json'), 'utf8')) as Record<string, unknown>;
    expect(packages).toEqual(['value-weighted-attention']);
    // of the committed sweep one task, few texts and quick methods
    const needle = { name: 'needle', kind: 'known-answer', options: { task: 'needle', count: 8 } };
    const without = { ...rest, data: [needle], models: [{ name: 'needle', path: 'models/needle' }], explainers: ['raw', 'rollout'] };
    const rowsOf = (sweep: object, out: string): string[] => {
      writeFileSync(join(work, `${out}.json`), JSON.stringify(sweep));
      command('evaluate', `${out}.json`, '--out', out);
      const html = readFileSync(join(work, out, 'leaderboard.html'), 'utf8');
      return [...html.matchAll(/<th scope="row">([^<]*)<\/th>/g)].map(([, name]) => name!).toSorted();
    };
    expect(rowsOf(without, 'own')).toEqual(['oracle', 'random', 'raw', 'rollout']);
    expect(rowsOf({ ...without, packages }, 'with-package')).toEqual(['oracle', 'random', 'raw', 'rollout', 'value-weighted']);
  });

  test('a family conforms, and every explainer works on it', () => {
    const { status, output } = tests('third-party-family', 'test/');
    expect(status, output).toBe(0);
  });
});
