// knockout, patch, lens and --plugin from outside.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';

import { cli, safetensors, workFolder } from './run.js';

vi.setConfig({ testTimeout: 300_000 }); // several runs of the command each

let work: string;
beforeAll(() => void (work = workFolder()));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const prose = ['--model', 'zoo:prose', '--text', 'Call me Ishmael.'];
const run = <Result>(...args: string[]): Result => {
  const { status, stdout, stderr } = cli(...args, '--json');
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return (JSON.parse(stdout) as { results: [Result] }).results[0];
};

test('knockout cuts words by name, in windows of layers, and draws what became of the answer', () => {
  const out = join(work, 'knockout.svg');
  interface Result {
    from: number[];
    to: number[];
    windows: { layers: number[]; probability: { before: number; after: number }; relative: number }[];
  }
  const { from, to, windows } = run<Result>('knockout', ...prose, '--from', 'text:Ishmael', '--to', 'last', '--window', '7', '--out', out);
  expect(from).toEqual([8, 9, 10, 11, 12, 13, 14]);
  expect(to).toEqual([15]);
  expect(windows.map(({ layers }) => layers[0])).toEqual([0, 1]);
  for (const { probability, relative } of windows) expect(relative).toBeCloseTo(probability.after / probability.before - 1, 9);
  expect(readFileSync(out, 'utf8')).toMatch(/^<svg/);
});

test('patch puts the clean run into another text, and lens reads what is held', () => {
  interface Patched {
    sites: { site: string; layers: { layer: number; scores: number[] }[] }[];
  }
  const { sites } = run<Patched>('patch', ...prose, '--corrupt', 'Call me Ishmaem.', '--sites', 'input', '--layers', '0');
  expect(sites[0]!.layers[0]!.scores).toHaveLength(16);
  expect(sites[0]!.layers[0]!.scores[14]).toBeCloseTo(1, 2);
  interface Lens {
    layers: { position: number; top: { label: string }[]; target: { rank: number } }[][];
  }
  const { layers } = run<Lens>('lens', ...prose, '--top', '2', '--position', 'last');
  expect(layers.at(-1)).toMatchObject([{ position: 15, target: { rank: 1 } }]);
});

test('prune drops tokens in some layers, and says what becomes of the answer', () => {
  const out = join(work, 'prune.safetensors');
  interface Result {
    kept: { layer: number; positions: number[] }[];
    probability: { before: number; after: number };
  }
  const flags = ['--layers', '2,5', '--keep', '10', '--minimum', '3'];
  const { kept, probability } = run<Result>('prune', ...prose, ...flags, '--out', out);
  expect(kept.map(({ layer, positions }) => [layer, positions.length])).toEqual([
    [2, 10],
    [5, 5],
  ]);
  expect(kept[0]!.positions).toEqual(expect.arrayContaining(kept[1]!.positions));
  expect(kept[1]!.positions.at(-1)).toBe(15);
  const tensors = safetensors(out);
  expect(tensors.get('rows.0.probability.after')!.data[0]).toBeCloseTo(probability.after, 5);
  expect(tensors.get('rows.0.kept.1.positions')!.shape).toEqual([5]);
  const { status, stderr } = cli('prune', ...prose, '--layers', '99');
  expect([status, stderr]).toEqual([1, expect.stringContaining('layer 99 does not exist; the model has layers 0 to 7')]);
});

test.each([
  ['prune drops tokens of a text', ['prune']],
  ['--of state looks at what is carried from token to token', ['lens', '--of', 'state']],
  ['--corrupt puts in another text', ['patch', '--corrupt', 'Call me Ishmaem.']],
])('refuses images before it looks for a model or a file: %s', (why, flags) => {
  const { status, stderr } = cli(...flags, '--model', 'none', '--image', 'none.png');
  expect(stderr).toBe(`hidden-attention: --image given, but ${why}; give a model of text, and --text T, --file F or --ids F\n`);
  expect(status).toBe(2);
});

test('numbers of all three are written as tensors, those of the JSON', () => {
  const out = join(work, 'numbers.safetensors');
  const { windows } = run<{ windows: { logit: { after: number } }[] }>(
    'knockout',
    ...prose,
    '--from',
    '8-14',
    '--window',
    '7',
    '--out',
    out,
  );
  const logits = safetensors(out).get('rows.0.windows.logit.after')!;
  expect(logits.shape).toEqual([2]);
  windows.forEach(({ logit }, at) => expect(logits.data[at]).toBeCloseTo(logit.after, 4));
  const patched = ['--corrupt', 'Call me Ishmaem.', '--sites', 'input,mixer', '--layers', '0-2'];
  const { sites } = run<{ sites: { layers: { scores: number[] }[] }[] }>('patch', ...prose, ...patched, '--out', out);
  const scores = safetensors(out).get('rows.0.sites.layers.scores')!;
  expect(scores.shape).toEqual([2, 3, 16]);
  expect(scores.data[3 * 16 + 14]).toBeCloseTo(sites[1]!.layers[0]!.scores[14]!, 5);
  run('lens', ...prose, '--of', 'state', '--out', out);
  const state = safetensors(out);
  expect(state.get('rows.0.layers.remaining')!.shape).toEqual([8, 16]);
  expect(state.get('rows.0.position')).toMatchObject({ shape: [] });
});

test('mistakes are named: exit status 2 before the model is loaded, 1 where it had to be asked', () => {
  const fails = (...args: string[]): [number | null, string] => {
    const { status, stderr } = cli(...args);
    return [status, stderr];
  };
  expect(fails('knockout', ...prose, '--from', 'x')).toEqual([2, expect.stringContaining('--from: "x" is not a number or a range')]);
  expect(fails('knockout', ...prose, '--from', 'text:whale')).toEqual([
    1,
    expect.stringContaining('the text does not have the words "whale"'),
  ]);
  expect(fails('patch', ...prose)).toEqual([2, expect.stringContaining('neither --corrupt nor --subject given')]);
  expect(fails('lens', ...prose, '--out', join(work, 'x.gif'))).toEqual([2, expect.stringContaining('must end in .json or .svg or .png')]);
});

test('--plugin takes an explainer from a file, and says what is wrong with one', () => {
  const index = new URL('../../explain/dist/index.js', import.meta.url).href;
  const mine = join(work, 'mine.mjs');
  writeFileSync(
    mine,
    `import { registerExplainer } from '${index}';
registerExplainer({ name: 'first', title: 'First', summary: 'The first token.', cite: 'nobody', signed: false, supports: () => true,
  explain: async ({ length }) => ({ scores: Array.from({ length }, (_, at) => Number(at === 0)) }) });`,
  );
  const out = join(work, 'map.json');
  expect(cli('explain', ...prose, '--plugin', mine, '--method', 'first', '--out', out)).toMatchObject({ status: 0, stderr: '' });
  const { results } = JSON.parse(readFileSync(out, 'utf8')) as { results: { maps: { method: string; scores: number[] }[] }[] };
  expect(results[0]!.maps[0]).toMatchObject({ method: 'first', scores: [1, ...new Array<number>(15).fill(0)] });
  writeFileSync(join(work, 'empty.mjs'), 'export {};');
  expect(cli('explain', ...prose, '--plugin', join(work, 'empty.mjs'), '--out', out)).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('registered nothing') as string,
  });
  expect(cli('explain', ...prose, '--plugin', 'no-such-package', '--out', out)).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("--plugin no-such-package: Cannot find package 'no-such-package'; install it in") as string,
  });
});
