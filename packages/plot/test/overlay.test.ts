import { describe, expect, test } from 'vitest';
import {
  explanationReport,
  explanationSvg,
  filmCss,
  imageFigure,
  imageOverlay,
  layerFilm,
  layerStrip,
  type Report,
  type ReportMap,
} from '../src/index.js';

const picture = 'data:image/png;base64,iVBORw0KGgo=';
const scores = [0, 1, -2, 0.5, 0, 4];
const overlay = { picture, grid: [2, 3] as const, scores, signed: true };
const opacities = (svg: string): number[] => [...svg.matchAll(/fill-opacity="([\d.]+)"/g)].map(([, value]) => Number(value));

describe('imageOverlay', () => {
  test('a colour for every patch, as thick as its score is large, each with its place and score', () => {
    const svg = imageOverlay({ ...overlay, width: 90 });
    expect(svg).toContain(`href="${picture}"`);
    expect(opacities(svg)).toEqual([0, 0.2125, 0.425, 0.10625, 0, 0.85].map((value) => Number(value.toFixed(3))));
    expect(svg).toContain('<title>row 1, column 3: −2</title>');
    expect(svg.match(/<rect[^>]*fill-opacity[^>]*>/g)![5]).toMatch(/x="60" y="30" width="30" height="30"/);
  });

  test('unsigned scores begin to have colour above the smallest', () => {
    expect(opacities(imageOverlay({ ...overlay, scores: [2, 3, 2, 4, 2, 2], signed: false }))).toEqual([0, 0.425, 0, 0.85, 0, 0]);
    expect(opacities(imageOverlay({ ...overlay, scores: [1, 1, 1, 1, 1, 1], signed: false }))).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test.each([
    [{ scores: [1, 2] }, /2 scores for 2 × 3 patches; it needs one per patch/],
    [{ scores: [0, 1, NaN, 0, 0, 0] }, /scores\[2\] is NaN/],
    [{ signed: false }, /scores\[2\] is -2, but the map is declared unsigned/],
    [{ picture: 'https://example.org/x.png' }, /picture is "https.*it needs a data URL/],
    [{ picture: 'data:image/svg+xml;base64,PHN2Zz4=' }, /needs a data URL of a PNG, JPEG or WebP/],
    [{ grid: [0, 3] as const, scores: [] }, /grid is 0 × 3/],
    [{ width: 1 }, /width is 1/],
  ])('refuses %j', (change, message) => {
    expect(() => imageOverlay({ ...overlay, ...change })).toThrow(message);
  });
});

test('a figure has a row for each picture, a strip a picture for each layer', () => {
  const maps = [
    { title: 'raw <attention>', grid: overlay.grid, scores, signed: true },
    { title: 'rollout', grid: overlay.grid, scores: scores.map(Math.abs), signed: false },
  ];
  const figure = imageFigure({
    rows: [
      { picture, name: 'Vim', maps },
      { picture, name: 'ViT', maps },
    ],
  });
  expect(figure.match(/<image/g)).toHaveLength(6);
  expect(figure).toContain('raw &lt;attention&gt;');
  expect(() => imageFigure({ rows: [] })).toThrow(/no rows/);
  const strip = layerStrip({ picture, grid: overlay.grid, signed: true, layers: [scores, scores, scores] });
  expect(strip.match(/<image/g)).toHaveLength(3);
  expect(strip).toContain('layer 2');
  expect(() => layerStrip({ picture, grid: overlay.grid, signed: true, layers: [] })).toThrow(/no layers/);
});

test('a film shows one layer after another, in the same place', () => {
  const film = layerFilm({ picture, grid: overlay.grid, signed: true, layers: [scores, scores, scores] });
  expect(film).toContain('--frames:3');
  expect(film.match(/<svg/g)).toHaveLength(3);
  expect(filmCss()).toContain('prefers-reduced-motion');
  expect(() => layerFilm({ picture, grid: overlay.grid, signed: true, layers: [] })).toThrow(/no layers/);
});

describe('a report about an image', () => {
  const map: ReportMap = {
    method: 'raw',
    variant: 'paper',
    title: 'Raw hidden attention',
    summary: 'What it means.',
    cite: 'somewhere',
    options: {},
    scores,
    biases: null,
    signed: true,
    layers: [scores, scores],
    certificate: {
      audit: { worst: 1e-7, layers: [1e-7] },
      check: {
        unit: 'patch',
        removed: 2,
        of: 6,
        probability: { original: 0.9, top: 0.1, lowest: 0.9, random: [0.8, 0.7] },
        logit: { original: 3, top: 0, lowest: 3, random: [2, 2] },
      },
    },
  };
  const report: Report = {
    version: '1.0.0',
    model: { name: 'zoo:fashion-vim', family: 'vim', layers: 2, parameters: 1000, task: 'classification' },
    results: [
      {
        index: 0,
        text: null,
        tokens: [],
        grid: [2, 3],
        picture,
        target: { id: 1, label: 'boot', logit: 3, probability: 0.9 },
        position: 8,
        maps: [map],
      },
    ],
  };

  test('shows the picture and the map over it, and speaks of patches, never of words or texts', () => {
    const page = explanationReport(report);
    expect(page).toContain(`src="${picture}"`);
    expect(page).toContain('<title>row 2, column 3: +4</title>');
    expect(page).toContain('2 patches');
    expect(page).toContain('were made black');
    const said = page.replace(/<style>.*?<\/style>/s, '').replace(/<[^>]*>/g, ' ');
    const before = said.slice(0, said.indexOf('Words used here'));
    expect(before).not.toMatch(/\b(words?|tokens?|texts?)\b/i);
    expect(said).not.toContain('patchs');
    expect(page.match(/<script/)).toBeNull();
  });

  test('as one picture', () => {
    const svg = explanationSvg(report);
    expect(svg.match(/<image/g)).toHaveLength(3); // the picture, the map small and large
    expect(svg).toContain('top 2 patches removed');
  });

  test.each([
    [{ ...report.results[0]!, maps: [{ ...map, scores: [1] }] }, /maps\[0\]\.scores has 1 numbers for 6 patches; it needs one per patch/],
    [{ ...report.results[0]!, maps: [{ ...map, layers: [[1]] }] }, /layers\[0\] has 1 numbers for 6 patches/],
    [{ ...report.results[0]!, picture: 'x' }, /results\[0\]\.picture is "x"/],
  ])('refuses what does not fit, case %#', (result, message) => {
    expect(() => explanationReport({ ...report, results: [result] })).toThrow(message);
  });
});
