// The command line from outside, as docs and other programs rely on it: names, shapes, files, exit status.
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readImage } from '@hidden-attention/checkpoint';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cli, fixtures, root, safetensors, workFolder } from './run.js';

let work: string;
let ragged: string;
beforeAll(() => {
  work = workFolder();
  ragged = join(work, 'ids.json');
  writeFileSync(
    ragged,
    JSON.stringify([
      [67, 97, 108, 108],
      [67, 97, 108, 108, 32, 109, 101],
    ]),
  );
});
afterAll(() => rmSync(work, { recursive: true, force: true }));
const file = (name: string): string => join(work, name);
const prose = ['--model', 'zoo:prose', '--text', 'Call me Ishmael.'];

describe('explain', () => {
  interface Result {
    index: number;
    tokens: { id: number; text: string; start: number; end: number }[];
    target: { id: number; label: string | null; logit: number; probability: number };
    position: number | null;
    maps: {
      method: string;
      variant: string;
      options: object;
      scores: number[];
      biases: number | null;
      signed: boolean;
      certificate: { audit: { worst: number }; completeness?: { gap: number } };
    }[];
  }
  const explained = (...args: string[]): { version: string; model: string; results: Result[] } => {
    const out = file('map.json');
    const { status, stderr } = cli('explain', ...args, '--out', out);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    return JSON.parse(readFileSync(out, 'utf8')) as { version: string; model: string; results: Result[] };
  };

  test('writes every supported method, both variants, with scores a token and certificates that hold', () => {
    const { version, results } = explained('--model', 'zoo:mail', '--file', join(fixtures, 'demo-ham.txt'), '--method', 'all');
    expect(version).toMatch(/^\d+\.\d+\.\d+/);
    const [result] = results;
    const names = result!.maps.map(({ method, variant }) => `${method}:${variant}`);
    expect(names).toEqual(
      expect.arrayContaining([
        'raw:paper',
        'raw:released',
        'rollout:paper',
        'rollout:released',
        'mamba-attribution:paper',
        'gradient-x-input:paper',
        'decomposition:paper',
      ]),
    );
    expect(['ham', 'spam']).toContain(result!.target.label);
    for (const { scores, certificate } of result!.maps) {
      expect(scores).toHaveLength(result!.tokens.length);
      expect(certificate.audit.worst).toBeLessThan(1e-5);
    }
    const decomposition = result!.maps.find(({ method }) => method === 'decomposition')!;
    const sum = decomposition.scores.reduce((a, b) => a + b, decomposition.biases ?? 0);
    const size = decomposition.scores.reduce((a, b) => a + Math.abs(b), 0);
    expect(Math.abs(sum - result!.target.logit) / size).toBeLessThan(1e-4);
  });

  test('explains any position and target of a language model, one result a row', () => {
    const { results } = explained(
      '--model',
      'zoo:prose',
      '--ids',
      ragged,
      '--method',
      'raw',
      '--method',
      'rollout',
      '--target',
      '32,101',
      '--position',
      '2',
      '--option',
      'rollout.normalize=rows',
    );
    expect(results.map(({ target }) => target.id)).toEqual([32, 101]);
    expect(results.map(({ position }) => position)).toEqual([2, 2]);
    expect(results[1]!.maps[1]!.options).toMatchObject({ normalize: 'rows' });
    expect(results[1]!.maps[0]!.scores.slice(3)).toEqual([0, 0, 0, 0]);
  });

  test('a label names a class, and its logit is explained', () => {
    const { results } = explained('--model', 'zoo:mail', '--text', 'Subject: lunch', '--method', 'raw', '--target', 'ham');
    expect(results[0]!.target).toMatchObject({ id: 0, label: 'ham' });
  });

  test('writes SVG and a page that loads nothing from anywhere', () => {
    for (const name of ['map.svg', 'report.html']) {
      expect(cli('explain', ...prose, '--method', 'raw', '--out', file(name)).status).toBe(0);
      const text = readFileSync(file(name), 'utf8');
      expect(text).toContain(name.endsWith('svg') ? '<svg' : '<!doctype html>');
      expect(text).not.toMatch(/(?:src|href)="https?:/);
    }
  });

  test('writes the picture as PNG, and the numbers as safetensors: those of the JSON', async () => {
    const asked = ['explain', '--model', 'zoo:mail', '--text', 'Free money', '--method', 'rollout', '--method', 'decomposition'];
    const options = ['--option', 'decomposition.groups=2'];
    for (const name of ['map.png', 'map.json', 'map.safetensors']) expect(cli(...asked, ...options, '--out', file(name)).status).toBe(0);
    const { data, width } = await readImage(file('map.png'));
    expect(width).toBeGreaterThan(700);
    expect(data.filter((value) => value < 100).length).toBeGreaterThan(5000); // letters are dark
    const { maps } = (JSON.parse(readFileSync(file('map.json'), 'utf8')) as { results: Result[] }).results[0]!;
    const tensors = safetensors(file('map.safetensors'));
    expect(maps.map(({ method }) => method)).toEqual(['rollout', 'decomposition']);
    for (const { method, scores } of maps) expect([...tensors.get(`rows.0.${method}.scores`)!.data]).toEqual(scores.map(Math.fround));
    expect(tensors.get('rows.0.decomposition.groups.3')!.shape).toEqual([2, 10]);
  });
});

describe('attention', () => {
  test.each(['scan', 'block', 'unified'])("rows, columns and matrices of the %s agree, zero past a row's end", (of) => {
    const read = (...query: string[]) => {
      expect(
        cli(
          'attention',
          '--model',
          'zoo:prose',
          '--ids',
          ragged,
          '--layers',
          '0,6-7',
          '--of',
          of,
          ...query,
          '--out',
          file('a.safetensors'),
        ),
      ).toMatchObject({ status: 0, stderr: '' });
      return safetensors(file('a.safetensors'));
    };
    const matrix = read('--matrix', '--channels', '3,0-1').get('layers.6.matrix')!;
    expect(matrix).toMatchObject({ dtype: 'F32', shape: [2, 3, 7, 7] });
    const row = read('--row', 'last', '--channels', '3,0-1').get('layers.6.row')!;
    expect(row.shape).toEqual([2, 3, 7]);
    const column = read('--column', '1', '--channels', '3,0-1').get('layers.6.column')!;
    [3, 6].forEach((last, b) => {
      for (let c = 0; c < 3; c++)
        for (let j = 0; j < 7; j++) {
          expect(row.data[(b * 3 + c) * 7 + j]).toBeCloseTo(matrix.data[((b * 3 + c) * 7 + last) * 7 + j]!, 5);
          expect(column.data[(b * 3 + c) * 7 + j]).toBeCloseTo(matrix.data[((b * 3 + c) * 7 + j) * 7 + 1]!, 5);
        }
    });
    expect([...row.data.slice(4, 7)]).toEqual([0, 0, 0]);
  });

  test('all channels, and means of them', () => {
    expect(cli('attention', ...prose, '--layers', 'all', '--row', '-1', '--channels', 'all', '--out', file('all.safetensors')).status).toBe(
      0,
    );
    const all = safetensors(file('all.safetensors'));
    expect(all.size).toBe(8);
    for (const reduce of ['mean', 'meanAbs', 'meanPositive'] as const) {
      expect(
        cli(
          'attention',
          ...prose,
          '--layers',
          '2',
          '--row',
          '-1',
          ...(reduce === 'mean' ? [] : ['--reduce', reduce]),
          '--out',
          file('mean.safetensors'),
        ).status,
      ).toBe(0);
      const mean = safetensors(file('mean.safetensors')).get('layers.2.row')!;
      const { shape, data } = all.get('layers.2.row')!;
      const [, channels, length] = shape as [number, number, number];
      const f = { mean: (x: number) => x, meanAbs: Math.abs, meanPositive: (x: number) => Math.max(x, 0) }[reduce];
      for (let j = 0; j < length; j++) {
        let sum = 0;
        for (let c = 0; c < channels; c++) sum += f(data[c * length + j]!);
        expect(mean.data[j]).toBeCloseTo(sum / channels, 6);
      }
    }
  });
});

test('capture writes one tensor per expanded site', () => {
  expect(
    cli(
      'capture',
      '--model',
      'zoo:prose',
      '--ids',
      ragged,
      '--sites',
      'layers.*.delta,layers.0.state,layers.0.convState,logits',
      '--out',
      file('c.safetensors'),
    ).status,
  ).toBe(0);
  const captured = safetensors(file('c.safetensors'));
  expect(captured.size).toBe(11);
  expect(captured.get('layers.7.delta')!.shape).toEqual([2, 7, 256]);
  expect(captured.get('layers.0.state')!.shape).toEqual([2, 256, 16]);
  expect(captured.get('layers.0.convState')!.shape).toEqual([2, 256, 4]);
  expect(captured.get('logits')!.shape).toEqual([2, 7, 256]);
  expect(
    captured
      .get('logits')!
      .data.slice(4 * 256, 7 * 256)
      .every((x) => x === 0),
  ).toBe(true);
});

describe('generate', () => {
  const json = (...args: string[]): { sequences: { tokens: number[]; text: string | null }[] } => {
    const { status, stdout } = cli('generate', '--model', 'zoo:prose', ...args, '--json');
    expect(status).toBe(0);
    return JSON.parse(stdout) as { sequences: { tokens: number[]; text: string | null }[] };
  };
  test('greedy is the default, and a batch does not change a row', () => {
    const both = json('--ids', ragged, '--max-tokens', '12');
    const alone = file('alone.json');
    writeFileSync(alone, JSON.stringify([67, 97, 108, 108]));
    expect(json('--ids', alone, '--max-tokens', '12', '--temperature', '0').sequences[0]).toEqual(both.sequences[0]);
    expect(both.sequences.map(({ tokens }) => tokens.length)).toEqual([12, 12]);
    expect(Buffer.from(both.sequences[0]!.tokens).toString()).toBe(both.sequences[0]!.text);
  });
  test('a seed repeats itself', () => {
    const sample = ['--prompt', 'The ', '--max-tokens', '30', '--temperature', '1', '--top-k', '50', '--top-p', '0.95', '--seed'];
    expect(json(...sample, '7')).toEqual(json(...sample, '7'));
    expect(json(...sample, '7')).not.toEqual(json(...sample, '8'));
  });
});

test('train, then use what was trained; a finished folder is not overwritten', () => {
  const recipe = file('recipe.json');
  writeFileSync(
    recipe,
    JSON.stringify({
      task: 'language-modelling',
      model: {
        model_type: 'mamba',
        architectures: ['MambaForCausalLM'],
        vocab_size: 256,
        hidden_size: 16,
        num_hidden_layers: 2,
        state_size: 4,
      },
      steps: 6,
      batchSize: 2,
      length: 32,
      checkpointEvery: 3,
    }),
  );
  const train = ['train', '--config', recipe, '--data', join(fixtures, 'prose-sample.txt'), '--out', file('trained')];
  expect(cli(...train)).toMatchObject({ status: 0 });
  expect(readdirSync(file('trained'))).toEqual(
    expect.arrayContaining(['config.json', 'model.safetensors', 'log.jsonl', 'curve.svg', 'training.json']),
  );
  expect(cli('inspect', file('trained'), '--json').status).toBe(0);
  expect(cli('generate', '--model', file('trained'), '--prompt', 'a', '--max-tokens', '3').status).toBe(0);
  expect(cli(...train)).toMatchObject({ status: 1 });
});

test('weights that are no numbers are named on standard error, and the model is used all the same', () => {
  const own = file('damaged');
  cpSync(join(root, 'packages/zoo/models/prose'), own, { recursive: true });
  const weights = readFileSync(join(own, 'model.safetensors'));
  weights.writeFloatLE(NaN, weights.length - 4);
  writeFileSync(join(own, 'model.safetensors'), weights);
  const { status, stdout, stderr } = cli('inspect', own, '--json');
  expect(status).toBe(0);
  expect(stderr).toMatch(/^hidden-attention: warning: .*model\.safetensors: 1 of the \d+ numbers of \S+ are NaN or infinite;[^\n]*\n$/);
  expect((JSON.parse(stdout) as { warnings: string[] }).warnings).toHaveLength(1);
});

test('doctor and inspect speak JSON', () => {
  const doctor = JSON.parse(cli('doctor', '--json').stdout) as {
    devices: { name: string; available: boolean; reason?: string }[];
    zoo: string[];
  };
  expect(doctor.devices.find(({ name }) => name === 'cpu')).toMatchObject({ available: true });
  const cuda = doctor.devices.filter(({ name }) => name.startsWith('cuda'));
  expect(cuda.length).toBeGreaterThan(0);
  for (const device of cuda) if (!device.available) expect(device.reason).toMatch(/driver|library|CUDA/);
  expect(doctor.zoo).toEqual(expect.arrayContaining(['fashion-vim', 'mail', 'prose']));
  expect(JSON.parse(cli('inspect', 'zoo:prose', '--json').stdout)).toMatchObject({
    family: 'mamba',
    attentionMaps: { perLayer: 256 * 16 },
  });
});

describe('mistakes', () => {
  test.each([
    ['an unknown command', ['explane'], 'explain'],
    ['an unknown flag', ['explain', '--modle', 'x'], '--model'],
    ['an unknown method', ['explain', ...prose, '--method', 'rolout', '--out', 'x.html'], 'rollout'],
    [
      'an unknown option of a method',
      ['explain', ...prose, '--method', 'rollout', '--option', 'rollout.normalise=rows', '--out', 'x.html'],
      'normalize',
    ],
    ['layers of an explanation', ['explain', ...prose, '--layers', '0', '--out', 'x.html'], "unknown option '--layers'"],
    ['no input', ['explain', '--model', 'zoo:mail', '--out', 'x.html'], '--text'],
    ['two inputs', ['explain', ...prose, '--ids', 'x.json', '--out', 'x.html'], 'exactly one'],
    ['a missing flag', ['explain', ...prose], '--out'],
    ['an unusable output name', ['explain', ...prose, '--out', 'x.pdf'], '.html'],
    ['an output in no folder', ['explain', ...prose, '--out', '/no/such/folder/x.html'], 'does not exist'],
    ['a row and a matrix', ['attention', ...prose, '--layers', '0', '--row', '1', '--matrix', '--out', 'x.safetensors'], 'exactly one'],
    ['a malformed layer', ['attention', ...prose, '--layers', '0,x', '--matrix', '--out', 'x.safetensors'], '"x"'],
    [
      'a reduction and channels',
      ['attention', ...prose, '--layers', '0', '--row', '0', '--reduce', 'mean', '--channels', '1', '--out', 'x.safetensors'],
      '--channels',
    ],
    ['too few tokens', ['generate', '--model', 'zoo:prose', '--prompt', 'x', '--max-tokens', '0'], '--max-tokens'],
  ])('%s: status 2', (_, args, hint) => {
    const { status, stderr, stdout } = cli(...args);
    expect(stderr).toContain(hint);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(stdout).toBe('');
    expect(status).toBe(2);
  });

  test.each([
    [
      'a conversation with a model that has no template',
      ['generate', '--model', 'zoo:prose', '--chat', 'hi', '--max-tokens', '1'],
      'no chat template',
    ],
    ['a model that is not there', ['inspect', '/no/such/model'], 'zoo:mail'],
    ['an unknown shipped model', ['inspect', 'zoo:poetry'], 'prose'],
    ['a layer that is not there', ['attention', ...prose, '--layers', '99', '--row', '0', '--out', 'x.safetensors'], '0 to 7'],
    ['a position that is not there', ['attention', ...prose, '--layers', '0', '--row', '99', '--out', 'x.safetensors'], '0 to 15'],
    [
      'a channel that is not there',
      ['attention', ...prose, '--layers', '0', '--row', '0', '--channels', '999', '--out', 'x.safetensors'],
      '0 to 255',
    ],
    ['a site that is not there', ['capture', ...prose, '--sites', 'layers.0.dleta', '--out', 'x.safetensors'], 'layers.0.delta'],
    ['empty text', ['explain', '--model', 'zoo:mail', '--text', '', '--out', 'x.html'], 'empty'],
    ['a file that is not there', ['explain', '--model', 'zoo:mail', '--file', '/no/such/file', '--out', 'x.html'], '/no/such/file'],
    ['a target of several tokens', ['explain', ...prose, '--target', 'text:whale', '--method', 'raw', '--out', 'x.html'], 'w'],
    [
      'an unknown label',
      ['explain', '--model', 'zoo:mail', '--text', 'hi', '--target', 'scam', '--method', 'raw', '--out', 'x.html'],
      'spam',
    ],
    ['generating with a classifier', ['generate', '--model', 'zoo:mail', '--prompt', 'x', '--max-tokens', '3'], 'classifier'],
  ])('%s: status 1', (_, args, hint) => {
    const { status, stderr } = cli(...args);
    expect(stderr).toContain(hint);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(status).toBe(1);
    expect(existsSync('x.safetensors')).toBe(false);
  });

  test('ids out of range, and a matrix that would not fit: the size, and what to ask instead', () => {
    writeFileSync(file('bad.json'), '[1, 2, 999]');
    expect(
      cli('capture', '--model', 'zoo:prose', '--ids', file('bad.json'), '--sites', 'logits', '--out', file('x.safetensors')),
    ).toMatchObject({ status: 1, stderr: expect.stringContaining('999') as string });
    writeFileSync(file('long.json'), JSON.stringify(Array.from({ length: 12000 }, (_, i) => i % 256)));
    const { status, stderr } = cli(
      'attention',
      '--model',
      'zoo:prose',
      '--ids',
      file('long.json'),
      '--layers',
      '0',
      '--matrix',
      '--channels',
      'all',
      '--out',
      file('x.safetensors'),
    );
    expect(stderr).toMatch(/147 GB.*a row or a column/s);
    expect(status).toBe(1);
  });

  test('--debug adds the stack', () => {
    expect(cli('inspect', '/no/such/model', '--debug').stderr).toMatch(/\n\s+at /);
  });
});
