// The packages as a user gets them: packed, checked, installed in an empty folder outside the workspace, and run.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
const folders = ['native', ...readdirSync(join(root, 'packages')).map((name) => `packages/${name}`)];
const manifest = (folder: string): { name: string } =>
  JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as { name: string };
const cuda = existsSync(join(root, 'native/npm/linux-x64-cuda/hidden_attention_cuda.so'));
if (!cuda) console.log('skipped: the package of the CUDA library; nvcc was not there when the addon was built');
const tool = (name: string): string => join(root, 'node_modules/.bin', name);

describe.each(folders)('%s', (folder) => {
  test('passes publint', () => {
    const result = spawnSync(tool('publint'), ['--strict', '--pack', 'npm', folder], { cwd: root, encoding: 'utf8' });
    expect(result.stdout + result.stderr).toMatch(/All good!/);
    expect(result.status).toBe(0);
  });
  test('resolves its types for every kind of importer of ES modules', () => {
    const work = mkdtempSync(join(tmpdir(), 'attw-'));
    execFileSync('npm', ['pack', '--silent', '--pack-destination', work], { cwd: join(root, folder) });
    const result = spawnSync(tool('attw'), ['--profile', 'esm-only', '--no-emoji', join(work, readdirSync(work)[0]!)], {
      encoding: 'utf8',
    });
    rmSync(work, { recursive: true });
    expect(result.status, result.stdout + result.stderr).toBe(0);
  });
});

describe('installed from tarballs in an empty folder', () => {
  let work: string;
  const npm = (...args: string[]): string => execFileSync('npm', args, { cwd: work, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

  beforeAll(() => {
    work = mkdtempSync(join(tmpdir(), 'hidden-attention-'));
    const version = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { packageManager: string }).packageManager;
    for (const folder of [...folders, 'native/npm/linux-x64', ...(cuda ? ['native/npm/linux-x64-cuda'] : [])]) {
      execFileSync('npx', ['--yes', version, 'pack', '--pack-destination', work], { cwd: join(root, folder), stdio: 'ignore' });
    }
    const tarballs = readdirSync(work).filter((file) => file.endsWith('.tgz'));
    writeFileSync(join(work, 'package.json'), JSON.stringify({ name: 'a-user', private: true, type: 'module' }));
    npm('install', '--no-audit', '--no-fund', '--ignore-scripts', ...tarballs.map((file) => `./${file}`));
  }, 300_000);
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  test.each(folders)('%s imports', (folder) => {
    const { name } = manifest(folder);
    const names = execFileSync(
      process.execPath,
      ['--input-type=module', '-e', `console.log(Object.keys(await import('${name}')).length)`],
      { cwd: work, encoding: 'utf8' },
    );
    expect(Number(names)).toBeGreaterThan(0);
  });

  test('hidden-attention explain runs on a shipped model', () => {
    const out = join(work, 'map.json');
    const command = join(work, 'node_modules/.bin/hidden-attention');
    execFileSync(
      command,
      [
        'explain',
        '--model',
        'zoo:mail',
        '--text',
        'Subject: free money\n\nClick here to claim your prize now!',
        '--method',
        'raw',
        '--out',
        out,
      ],
      { cwd: work },
    );
    const map = JSON.parse(readFileSync(out, 'utf8')) as { results: { tokens: unknown[]; maps: { scores: number[] }[] }[] };
    expect(map.results[0]!.maps[0]!.scores).toHaveLength(map.results[0]!.tokens.length);
  });

  test.runIf(cuda)('the CUDA library is found beside the addon, and doctor says which GPUs there are or why none', () => {
    const command = join(work, 'node_modules/.bin/hidden-attention');
    // without a driver too: what is missing then is a module of Node in it, not one of its own libraries
    const library = JSON.stringify(join(work, 'node_modules/@hidden-attention/native-linux-x64-cuda/hidden_attention_cuda.so'));
    expect(spawnSync(process.execPath, ['-e', `process.dlopen({ exports: {} }, ${library})`], { encoding: 'utf8' }).stderr).toMatch(
      /self-register/,
    );
    const found = execFileSync(command, ['doctor'], { cwd: work, encoding: 'utf8' });
    expect(found).toMatch(/^.*\bcuda\b.*(compute capability|libcuda\.so\.1|no CUDA device|driver).*$/m);
    expect(found).not.toMatch(/hidden_attention_cuda\.so.*not found/);
  });
});
