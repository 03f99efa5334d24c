// --dtype: how weights are held while a command runs.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cli, fixtures, safetensors, workFolder } from './run.js';

let work: string;
beforeAll(() => void (work = workFolder()));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const sample = join(fixtures, 'prose-sample.txt');

function ok(...args: string[]): string {
  const { status, stdout, stderr } = cli(...args);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return stdout;
}
const perplexityOf = (...flags: string[]): number =>
  (JSON.parse(ok('perplexity', '--model', 'zoo:prose', '--file', sample, '--json', ...flags)) as { results: { perplexity: number }[] })
    .results[0]!.perplexity;

test('perplexity: within 1 % of that in f32', () => {
  const exact = perplexityOf();
  expect(perplexityOf('--dtype', 'f32')).toBe(exact);
  const found = Object.fromEntries(['bf16', 'f16', 'int8', 'w8a8'].map((dtype) => [dtype, perplexityOf('--dtype', dtype)]));
  for (const value of Object.values(found)) {
    expect(value).not.toBe(exact);
    expect(Math.abs(value / exact - 1)).toBeLessThan(0.01);
  }
  // errors of logits of σ, as likely up as down, cost about σ²/2 nats, and half of that by chance; rounded activations make σ 0.07 here
  expect(found['w8a8']).not.toBe(found['int8']);
  expect(Math.abs(found['w8a8']! / found['int8']! - 1)).toBeLessThan(0.75 * 0.07 ** 2);
});

test('inspect says what the weights take, and which stay in f32', () => {
  const inspect = (...flags: string[]): Record<string, unknown> =>
    JSON.parse(ok('inspect', 'zoo:prose', '--json', ...flags)) as Record<string, unknown>;
  expect(inspect()).toMatchObject({
    parameters: 965760,
    parameterBytes: 4 * 965760,
    parameterTypes: { f32: { numbers: 965760 } },
    keptInF32: [],
  });
  // embeddings, in_proj, x_proj and out_proj, each with a scale in f32 for 32 numbers
  const held = 256 * 128 + 8 * (512 * 128 + 40 * 256 + 128 * 256);
  expect(inspect('--dtype', 'int8')).toMatchObject({
    parameters: 965760,
    parameterBytes: 4 * (965760 - held) + 1.125 * held,
    parameterTypes: { int8: { numbers: held, bytes: 1.125 * held } },
    keptInF32: ['backbone.layers.*.mixer.dt_proj.weight'],
  });
  expect(inspect('--dtype', 'w8a8')).toMatchObject({
    parameterTypes: { w8a8: { numbers: held, bytes: 1.125 * held } },
    keptInF32: ['backbone.layers.*.mixer.dt_proj.weight'],
  });
  expect(ok('inspect', 'zoo:prose', '--dtype', 'int8')).toMatch(/1\.21 MiB as (int8 and f32|f32 and int8)/);
});

describe.each(['int8', 'w8a8', 'bf16', 'stored'])('in %s', (dtype) => {
  const prose = ['--model', 'zoo:prose', '--dtype', dtype];

  test('generate goes on alike', () => {
    const generate = (...flags: string[]): string => ok('generate', '--prompt', 'The whale ', '--max-tokens', '12', ...flags);
    expect(generate(...prose)).toBe(generate('--model', 'zoo:prose'));
  });

  test('capture, attention and explain go on what the model computes', () => {
    const text = ['--text', 'Call me Ishmael.'];
    const [captured, row, map] = ['c.safetensors', 'a.safetensors', 'm.json'].map((name) => join(work, `${dtype}-${name}`)) as [
      string,
      string,
      string,
    ];
    ok('capture', ...prose, ...text, '--sites', 'layers.1.delta,logits', '--out', captured);
    expect([...safetensors(captured).values()].map(({ shape }) => shape)).toEqual([
      [1, 16, 256],
      [1, 16, 256],
    ]);
    ok('attention', ...prose, ...text, '--layers', '2', '--row', 'last', '--out', row);
    expect(
      safetensors(row)
        .get('layers.2.row')!
        .data.some((number) => number > 0),
    ).toBe(true);
    ok('explain', ...prose, ...text, '--method', 'decomposition', '--out', map);
    const { results } = JSON.parse(readFileSync(map, 'utf8')) as {
      results: {
        target: { asRun?: { score: number } };
        maps: { certificate: { audit: { worst: number }; completeness: { gap: number } } }[];
      }[];
    };
    expect(typeof results[0]!.target.asRun?.score).toBe(dtype === 'w8a8' ? 'number' : 'undefined');
    const { audit, completeness } = results[0]!.maps[0]!.certificate;
    const within = dtype === 'bf16' ? 0.05 : 1e-4; // activations are in bf16, too
    expect(audit.worst).toBeLessThan(within);
    expect(completeness.gap).toBeLessThan(within);
  });
});

test('an unknown type is a mistake in the command line', () => {
  const { status, stderr } = cli('generate', '--model', 'zoo:prose', '--prompt', 'x', '--max-tokens', '1', '--dtype', 'int4');
  expect(status).toBe(2);
  expect(stderr).toContain("'int4' is invalid. Allowed choices are f32, bf16, f16, int8, w8a8, stored");
});
