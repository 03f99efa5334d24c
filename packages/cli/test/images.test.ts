// Images through the command line, by a small model of the golden figures.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeSafetensors } from '@hidden-attention/checkpoint';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cli, root, safetensors, workFolder } from './run.js';

let work: string;
let pixels: string;
beforeAll(async () => {
  work = workFolder();
  pixels = join(work, 'pixels.safetensors');
  const data = Float32Array.from({ length: 2 * 3 * 64 * 64 }, (_, at) => Math.sin(at));
  await writeSafetensors(pixels, [{ name: 'pixels', dtype: 'F32', shape: [2, 3, 64, 64], data }]);
});
afterAll(() => rmSync(work, { recursive: true, force: true }));
const file = (name: string): string => join(work, name);
const model = ['--model', join(root, 'packages/model/test/golden/vim-tiny')];
const shirt = join(root, 'packages/zoo/recipes/images/excerpt/fashion-0000.png');
const boot = join(root, 'packages/zoo/recipes/images/excerpt/fashion-0001.png');

interface Result {
  grid: [number, number];
  picture: string;
  tokens: unknown[];
  position: number;
  maps: {
    method: string;
    variant: string;
    scores: number[];
    layers?: number[][];
    certificate: { audit: { worst: number }; check: { unit: string; of: number } };
  }[];
}

describe('explain', () => {
  test('gives one score a patch for every method and image, the picture, and a check by patches', () => {
    const out = file('map.json');
    expect(cli('explain', ...model, '--image', shirt, boot, '--method', 'all', '--out', out)).toMatchObject({ status: 0, stderr: '' });
    const { results } = JSON.parse(readFileSync(out, 'utf8')) as { results: Result[] };
    expect(results).toHaveLength(2);
    for (const { grid, picture, tokens, position, maps } of results) {
      expect([grid, tokens, position]).toEqual([[4, 4], [], 8]);
      expect(picture).toMatch(/^data:image\/png;base64,/);
      expect(maps.map(({ method, variant }) => `${method}:${variant}`)).toEqual(
        expect.arrayContaining(['raw:paper', 'raw:released', 'rollout:released', 'mamba-attribution:released', 'decomposition:paper']),
      );
      for (const { scores, layers, certificate } of maps) {
        expect(scores).toHaveLength(16);
        for (const layer of layers ?? []) expect(layer).toHaveLength(16);
        expect(certificate.audit.worst).toBeLessThan(1e-5);
        expect(certificate.check).toMatchObject({ unit: 'patch', of: 16 });
      }
    }
  });

  test('writes a page and a picture', () => {
    for (const name of ['report.html', 'map.svg']) {
      expect(cli('explain', ...model, '--pixels', pixels, '--method', 'raw', '--out', file(name))).toMatchObject({ status: 0 });
      expect(readFileSync(file(name), 'utf8')).toContain('svg');
    }
  });
});

test('explain: several models on the same image, in one file', () => {
  const [one, two] = ['zoo:fashion-vim', join(root, 'packages/model/test/golden/vim-tiny')] as const;
  const args = ['explain', '--model', one, '--beside', two, '--image', shirt, '--method', 'raw', '--method', 'rollout:released', '--out'];
  expect(cli(...args, file('two.json'))).toMatchObject({ status: 0, stderr: '' });
  const report = JSON.parse(readFileSync(file('two.json'), 'utf8')) as { model: string; results: Result[]; beside: (typeof report)[] };
  expect([report, ...report.beside].map(({ model, results }) => [model, results[0]!.grid, results[0]!.maps.length])).toEqual([
    [one, [7, 7], 2],
    [two, [4, 4], 2],
  ]);
  expect(cli(...args, file('two.html'))).toMatchObject({ status: 0 });
  expect(readFileSync(file('two.html'), 'utf8')).toContain('Why did the models answer so?');
});

test('attention: the sum of both directions, and each by itself, in the order of the tokens', async () => {
  const out = file('a.safetensors');
  expect(cli('attention', ...model, '--pixels', pixels, '--layers', '0,5', '--matrix', '--out', out).status).toBe(0);
  const tensors = await safetensors(out);
  for (const layer of [0, 5]) {
    const [sum, forward, backward] = ['', 'forward.', 'backward.'].map((way) => tensors.get(`layers.${layer}.${way}matrix`)!);
    expect(sum!.shape).toEqual([2, 1, 17, 17]);
    sum!.data.forEach((value: number, at: number) => {
      const [i, j] = [Math.floor(at / 17) % 17, at % 17];
      expect(value).toBeCloseTo(forward!.data[at]! + backward!.data[at]!, 5);
      if (j > i) expect(forward!.data[at]).toBe(0);
      if (j < i) expect(backward!.data[at]).toBe(0);
    });
  }
});

describe('attention: rows of an image by name, and as pictures', () => {
  const attention = (...args: string[]): ReturnType<typeof cli> => cli('attention', ...model, '--image', shirt, '--layers', '0,5', ...args);

  test('class is the class token, patch: a patch by row and column; both are rows by number', async () => {
    // 16 patches with the class token between the 8th and the 9th
    for (const [name, number] of [
      ['class', 8],
      ['patch:2,4', 7],
      ['patch:3,1', 9],
    ] as const) {
      expect(attention('--row', name, '--out', file('named.safetensors'))).toMatchObject({ status: 0, stderr: '' });
      expect(attention('--row', String(number), '--out', file('numbered.safetensors')).status).toBe(0);
      const [named, numbered] = [await safetensors(file('named.safetensors')), await safetensors(file('numbered.safetensors'))];
      expect([...named.get('layers.5.row')!.data]).toEqual([...numbered.get('layers.5.row')!.data]);
    }
  });

  test('a strip of the layers, and a page that steps through them', () => {
    expect(attention('--row', 'class', '--out', file('class.svg'))).toMatchObject({ status: 0, stderr: '' });
    const strip = readFileSync(file('class.svg'), 'utf8');
    expect(strip).toContain('What the class token reads, layer by layer');
    expect(strip).toContain('layer 5');
    expect(attention('--column', 'patch:1,2', '--reduce', 'meanAbs', '--out', file('patch.html'))).toMatchObject({ status: 0 });
    expect(readFileSync(file('patch.html'), 'utf8')).toContain('What is read of the patch in row 1, column 2, layer by layer');
    expect(attention('--row', 'class', '--channels', '3', '--out', file('class.png')).status).toBe(0);
    expect(readFileSync(file('class.png')).subarray(1, 4).toString()).toBe('PNG');
  });

  test.each([
    [
      'a patch that is not there',
      ['--row', 'patch:5,1', '--out', 'x.svg'],
      1,
      /patch 5,1 does not exist; the image has 4 rows of 4 patches/,
    ],
    ['a patch without a column', ['--row', 'patch:5', '--out', 'x.svg'], 2, /names no patch/],
    ['a picture of a matrix', ['--matrix', '--out', 'x.svg'], 2, /rows and columns of one image are drawn/],
    ['a picture of several channels', ['--row', 'class', '--channels', '0-3', '--out', 'x.svg'], 2, /1 images, 4 channels/],
  ] as const)('refuses %s', (_, args, status, message) => {
    const result = attention(...args.slice(0, -1), file(args.at(-1)!));
    expect(result.stderr).toMatch(message);
    expect(result.status).toBe(status);
    expect(() => readFileSync(file('x.svg'))).toThrow();
  });

  test('refuses the class token of a model without one, and of a text', () => {
    const pixelwise = cli(
      'attention',
      '--model',
      'zoo:pixels-mamba',
      '--image',
      shirt,
      '--layers',
      '0',
      '--row',
      'class',
      '--out',
      file('x.svg'),
    );
    expect(pixelwise).toMatchObject({ status: 1, stderr: expect.stringMatching(/no class token/) });
    const text = cli(
      'attention',
      '--model',
      'zoo:mail',
      '--text',
      'hello',
      '--layers',
      '0',
      '--row',
      'class',
      '--out',
      file('x.safetensors'),
    );
    expect(text).toMatchObject({ status: 1, stderr: expect.stringMatching(/the input is text/) });
  });
});

test('capture: sites of both directions', async () => {
  const out = file('c.safetensors');
  expect(cli('capture', ...model, '--image', shirt, '--sites', 'layers.1.*.delta,layers.0.x,logits', '--out', out).status).toBe(0);
  const tensors = await safetensors(out);
  expect([...tensors.keys()].sort()).toEqual(['layers.0.x', 'layers.1.backward.delta', 'layers.1.forward.delta', 'logits']);
  expect(tensors.get('layers.1.forward.delta')!.shape).toEqual([1, 17, 128]);
});

describe('what is refused, with nothing left behind', () => {
  const refused = (...args: string[]): { status: number | null; stderr: string } => cli('explain', ...args, '--out', file('no.json'));
  test.each([
    ['text for a model of images', () => refused(...model, '--text', 'hello'), 1, /reads images; give --image F or --pixels F/],
    ['an image for a model of text', () => refused('--model', 'zoo:mail', '--image', shirt), 1, /reads text; give --text T/],
    ['two kinds of input', () => refused(...model, '--image', shirt, '--text', 'x'), 2, /--text and --image given/],
    ['a file that is no image', () => refused(...model, '--image', join(root, 'README.md')), 1, /README\.md.*it is no image/],
    ['one that is not there', () => refused(...model, '--image', '/no/such.png'), 1, /\/no\/such\.png/],
    ['a target that is no class', () => refused(...model, '--image', shirt, '--target', '10'), 1, /target 10 does not exist.*0 to 9/],
    ['a position', () => refused(...model, '--image', shirt, '--position', '3'), 1, /about the whole image/],
  ] as const)('%s', (_, run, status, message) => {
    const result = run();
    expect(result.stderr).toMatch(message);
    expect(result.status).toBe(status);
    expect(() => readFileSync(file('no.json'))).toThrow();
  });

  test('an image for a command that reads text', () => {
    const result = cli('perplexity', ...model, '--image', shirt);
    expect(result).toMatchObject({ status: 2, stderr: expect.stringMatching(/an image was given where text is read; give --text T/) });
  });

  test('an image that was cut short', () => {
    const cut = file('cut.png');
    writeFileSync(cut, readFileSync(shirt).subarray(0, 200));
    expect(refused(...model, '--image', cut)).toMatchObject({ status: 1, stderr: expect.stringMatching(/cut\.png/) });
  });
});
