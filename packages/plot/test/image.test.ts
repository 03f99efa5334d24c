import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodePng, pngSize } from '../src/decode-png.js';
import { contrast, imageFigure, imageOverlay, layerAnimation, layerFilm, layerStrip, overlayPng, PALETTE } from '../src/index.js';
import { shareAt } from '../src/image/heat.js';
import { heatColor, THICKEST } from '../src/image/patches.js';
import { FADED } from '../src/image/picture.js';
import { encodeRgba } from '../src/png.js';
import { asDataUrl, GRID, PICTURE, SCORES } from './image-fixture.js';
import { all, byName, parse, textOf, type Node } from './markup-tree.js';
import { distance, seenAs } from './vision.js';

const overlay = { picture: PICTURE, grid: GRID, scores: SCORES, signed: true };
const { positive, negative, unsigned } = PALETTE.light;

/** The patches of an overlay: rectangles with a tooltip. */
const patches = (svg: Node): Node[] => byName(svg, 'rect').filter((rect) => byName(rect, 'title').length > 0);
const opacities = (svg: string): number[] => patches(parse(svg)).map(({ attributes }) => Number(attributes['fill-opacity']));
/** Ids, each of which must be defined once, and everything that refers to one. */
function checkReferences(markup: string): void {
  const ids = Array.from(markup.matchAll(/ id="([^"]*)"/g), ([, id]) => id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const [, id] of markup.matchAll(/ href="#([^"]*)"/g)) expect(ids).toContain(id);
}

describe('PNG', () => {
  test('what is written is read again: any size, any colours, any opacity', () => {
    const side = fc.integer({ min: 1, max: 9 });
    fc.assert(
      fc.property(side, side, fc.infiniteStream(fc.integer({ min: 0, max: 255 })), (width, height, stream) => {
        const data = Uint8Array.from(stream.take(4 * width * height));
        const png = encodeRgba(data, width, height);
        expect(decodePng('png', png)).toEqual({ width, height, data });
        expect(pngSize(png)).toEqual({ width, height });
      }),
    );
  });

  // 4 × 5 pixels; rows 0 to 4 have filters none, sub, up, average and Paeth, written by another program (Python's zlib and struct)
  const red = (x: number, y: number): number => 60 * x + 40 * y - (60 * x + 40 * y > 255 ? 256 : 0);
  const green = (x: number, y: number): number => 200 - 30 * y + 10 * x;
  test.each<[string, string, (x: number, y: number) => number[]]>([
    [
      'true colour',
      'iVBORw0KGgoAAAANSUhEUgAAAAQAAAAFCAIAAADtz9qMAAAARElEQVR4nGNgOMFqc4m14g7rlmesjBqrWG24eCGISeMRg8YjXo1HUhqP1JkDNJiNvkkZfVPc9E2dBSTDxavBJWXDpQ4AaVUSAHStgUkAAAAASUVORK5CYII=',
      (x, y) => [red(x, y), green(x, y), 13 * x * y + 5, 255],
    ],
    [
      'grey',
      'iVBORw0KGgoAAAANSUhEUgAAAAQAAAAFCAAAAABHxhIHAAAAHklEQVR4nGNgsKnYwqhhY2PDpAEEzAFGRptYgAwbAEE/BQncWyCsAAAAAElFTkSuQmCC',
      (x, y) => [red(x, y), red(x, y), red(x, y), 255],
    ],
    [
      'grey with opacity',
      'iVBORw0KGgoAAAANSUhEUgAAAAQAAAAFCAQAAADIpIVQAAAALUlEQVR4nGNgOGFzqeLOlmeMGqtsuECQSeMRBDIHaBh9M/q26RsLkMelAZQCAJD+EL9NHB6qAAAAAElFTkSuQmCC',
      (x, y) => [red(x, y), red(x, y), red(x, y), green(x, y)],
    ],
    [
      'a palette whose first colour is almost transparent',
      'iVBORw0KGgoAAAANSUhEUgAAAAQAAAAFCAMAAABVc73pAAAACVBMVEUBAgMEBQYHCAklhVbwAAAAAXRSTlMJOTpgwgAAAB1JREFUeJxjYAACRkYgwcQIpJj////PxMLI8P8fABurBQwAs8utAAAAAElFTkSuQmCC',
      (x, y) => {
        const first = 3 * (red(x, y) % 3) + 1;
        return [first, first + 1, first + 2, first === 1 ? 9 : 255];
      },
    ],
  ])('reads %s, rows of all filters', (_, file, pixel) => {
    const { width, height, data } = decodePng('png', Buffer.from(file, 'base64'));
    expect([width, height]).toEqual([4, 5]);
    for (let y = 0; y < 5; y++)
      for (let x = 0; x < 4; x++) expect([...data.subarray(4 * (4 * y + x), 4 * (4 * y + x) + 4)]).toEqual(pixel(x, y));
  });

  test('refuses what it cannot read, by name', () => {
    expect(() => decodePng('the file', Uint8Array.of(1, 2))).toThrow('the file is no PNG');
    const png = encodeRgba(new Uint8Array(4), 1, 1);
    const deep = png.slice();
    deep[24] = 16;
    expect(() => decodePng('the file', deep)).toThrow('the file is a PNG of 16 bits, colour type 6; it needs 8 bits');
    expect(() => decodePng('the file', png.slice(0, 40))).toThrow('it is damaged');
    expect(() => encodeRgba(new Uint8Array(5), 1, 1)).toThrow('encodeRgba: 1.25 pixels for 1 × 1');
  });
});

describe('imageOverlay', () => {
  test('a colour for every patch, as thick as its score is large, each with its place and score', () => {
    const svg = parse(imageOverlay({ ...overlay, width: 90 }));
    const cells = patches(svg);
    expect(cells.map((cell) => textOf(byName(cell, 'title')[0]!))).toEqual([
      'row 1, column 1: 0',
      'row 1, column 2: +1',
      'row 1, column 3: \u22122',
      'row 2, column 1: +0.5',
      'row 2, column 2: 0',
      'row 2, column 3: +4',
    ]);
    const thick = cells.map(({ attributes }) => Number(attributes['fill-opacity']));
    SCORES.forEach((score, patch) => expect(Math.abs(thick[patch]! - (THICKEST * Math.abs(score)) / 4)).toBeLessThan(1e-3));
    expect(cells.map(({ attributes }) => attributes['fill'])[2]).toBe(negative[1]);
    expect(cells[5]!.attributes).toMatchObject({ x: '60', y: '30', width: '30', height: '30', fill: positive[1] });
  });

  test('the picture is there once, pale, with its own shape and sharp pixels; rows and columns are numbered', () => {
    const markup = imageOverlay({ ...overlay, width: 90, title: 'Boots & shoes' });
    const svg = parse(markup);
    const [image, ...more] = byName(svg, 'image');
    expect(more).toEqual([]);
    expect(image!.attributes).toMatchObject({ href: PICTURE, width: '6', height: '4' });
    checkReferences(markup);
    expect(byName(svg, 'use')[0]!.attributes['style']).toContain('pixelated');
    expect(all(svg, ({ attributes }) => attributes['opacity'] === String(FADED))).toHaveLength(1);
    expect(byName(svg, 'text').map(textOf)).toEqual(['Boots & shoes', '1', '2', '1', '2', '3', 'score', '\u22124', '+4', '0']);
    expect(byName(svg, 'svg')[0]!.attributes['aria-label']).toBe(
      'Boots & shoes. Highest: row 2, column 3 (+4); row 1, column 2 (+1); row 2, column 1 (+0.5). Lowest: row 1, column 3 (\u22122).',
    );
  });

  test('negative patches show without colour, too', () => {
    const marks = all(parse(imageOverlay(overlay)), ({ attributes }) => attributes['class'] === 'minus');
    expect(marks).toHaveLength(1);
    expect(all(parse(imageOverlay({ ...overlay, width: 24 })), ({ attributes }) => attributes['class'] === 'minus')).toEqual([]);
  });

  test('unsigned scores begin to have colour above the smallest, and the legend says so', () => {
    const scores = [2, 3, 2, 4, 2, 2];
    const svg = imageOverlay({ ...overlay, scores, signed: false });
    expect(opacities(svg)).toEqual([0, 0.425, 0, 0.85, 0, 0]);
    expect(byName(parse(svg), 'text').map(textOf).slice(-3)).toEqual(['score', '2', '4']);
    expect(patches(parse(svg))[1]!.attributes['fill']).toBe(unsigned[1]);
    expect(opacities(imageOverlay({ ...overlay, scores: [1, 1, 1, 1, 1, 1], signed: false }))).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test('scores beyond a limit get the full colour, and the legend says "or more"', () => {
    const svg = imageOverlay({ ...overlay, limit: 2 });
    expect(opacities(svg)).toEqual([0, 0.425, 0.85, 0.212, 0, 0.85]);
    expect(svg).toContain('+2 or more');
  });

  test('smooth: one picture of colours, tooltips as before', () => {
    const svg = parse(imageOverlay({ ...overlay, view: 'smooth' }));
    expect(byName(svg, 'image')).toHaveLength(2);
    expect(patches(svg).map(({ attributes }) => attributes['fill-opacity'])).toEqual(['0', '0', '0', '0', '0', '0']);
  });

  test('a picture of unknown size takes the shape of its grid, and no sharp pixels', () => {
    const svg = parse(imageOverlay({ ...overlay, picture: 'data:image/webp;base64,UklGRg==', width: 90 }));
    expect(patches(svg)[5]!.attributes).toMatchObject({ width: '30', height: '30' });
    expect(byName(svg, 'use')[0]!.attributes['style']).toBeUndefined();
  });

  test.each([
    [{ scores: [1, 2] }, 'imageOverlay: 2 scores for 2 × 3 patches; it needs one per patch'],
    [{ scores: [0, 1, NaN, 0, 0, 0] }, 'imageOverlay: scores[2] is NaN'],
    [{ signed: false }, 'scores[2] is -2, but the map is declared unsigned'],
    [{ picture: 'https://example.org/x.png' }, 'picture is "https://example.org/x.png"; it needs a data URL'],
    [{ picture: 'data:image/svg+xml;base64,PHN2Zz4=' }, 'it needs a data URL of a PNG, JPEG or WebP'],
    [{ picture: 'data:image/png;base64,"><script>' }, 'it needs a data URL'],
    [{ grid: [0, 3] as const, scores: [] }, 'grid is 0 × 3'],
    [{ width: 1 }, 'width is 1'],
    [{ limit: 0 }, 'imageOverlay: limit is 0'],
  ])('refuses %j', (change, message) => {
    expect(() => imageOverlay({ ...overlay, ...change })).toThrow(message);
    expect(() => overlayPng({ ...overlay, ...change })).toThrow(message.replace('imageOverlay', 'overlayPng'));
  });
});

describe('interpolation', () => {
  const score = fc.double({ min: -1, max: 1, noNaN: true });
  const side = fc.integer({ min: 1, max: 6 });
  const map = fc
    .tuple(side, side)
    .chain(([rows, columns]) =>
      fc.tuple(fc.constant([rows, columns] as const), fc.array(score, { minLength: rows * columns, maxLength: rows * columns })),
    );

  test('goes through every centre, stays between the smallest and the largest score, and is linear between centres', () => {
    fc.assert(
      fc.property(
        map,
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        ([grid, values], v, u) => {
          const [rows, columns] = grid;
          values.forEach((value, patch) => {
            const [y, x] = [Math.floor(patch / columns) + 0.5, (patch % columns) + 0.5];
            expect(shareAt(values, grid, y, x, 'smooth')).toBeCloseTo(value, 12);
            expect(shareAt(values, grid, y - 0.5 * v, x + 0.49 * u, 'patches')).toBe(value);
          });
          const between = shareAt(values, grid, v * rows, u * columns, 'smooth');
          expect(between).toBeGreaterThanOrEqual(Math.min(...values) - 1e-12);
          expect(between).toBeLessThanOrEqual(Math.max(...values) + 1e-12);
          if (columns > 1) expect(shareAt(values, grid, 0.5, 0.5 + u, 'smooth')).toBeCloseTo((1 - u) * values[0]! + u * values[1]!, 12);
        },
      ),
    );
  });
});

describe('overlayPng', () => {
  const black = asDataUrl(
    encodeRgba(
      Uint8Array.from({ length: 4 * 24 }, (_, at) => (at % 4 === 3 ? 255 : 0)),
      6,
      4,
    ),
  );
  const pixel = (png: Uint8Array, x: number, y: number): number[] => {
    const { width, data } = decodePng('png', png);
    return [...data.subarray(4 * (y * width + x), 4 * (y * width + x) + 4)];
  };

  test('every pixel of the picture becomes a square; colours lie on the pale picture as in the SVG', () => {
    const png = overlayPng({ ...overlay, picture: black, width: 20 });
    expect(pngSize(png)).toEqual({ width: 18, height: 12 });
    expect(pixel(png, 0, 0)).toEqual([102, 102, 102, 255]); // no score: 40 % of white
    const [red, green, blue] = [0xb4, 0x4f, 0x00].map((channel) => Math.round(102 + THICKEST * (channel - 102)));
    expect(pixel(png, 17, 11)).toEqual([red, green, blue, 255]);
  });

  test('smooth and exact agree at the centres of patches, not at their edges', () => {
    const both = (['patches', 'smooth'] as const).map((view) => overlayPng({ ...overlay, picture: black, width: 30, view }));
    const [exact, smooth] = both.map((png) => [pixel(png, 25, 15), pixel(png, 21, 15)]);
    smooth![0]!.forEach((channel, axis) => expect(Math.abs(channel - exact![0]![axis]!)).toBeLessThan(10));
    expect(exact![0]).toEqual(exact![1]);
    expect(smooth![1]).not.toEqual(exact![1]);
  });

  test('a large picture is not made smaller; a picture that is no PNG is refused', () => {
    expect(pngSize(overlayPng({ ...overlay, width: 16 }))).toEqual({ width: 12, height: 8 });
    expect(() => overlayPng({ ...overlay, picture: 'data:image/jpeg;base64,/9j/4A==' })).toThrow('overlayPng: picture is no PNG');
  });
});

describe('colours over a picture', () => {
  const over = (color: string, below: number, share: number): string =>
    `#${[1, 3, 5]
      .map((at) => Math.round(below + THICKEST * share * (parseInt(color.slice(at, at + 2), 16) - below)))
      .map((channel) => channel.toString(16).padStart(2, '0'))
      .join('')}`;
  const lightest = 255;
  const darkest = Math.round(255 * (1 - FADED));

  test.each([
    ['light', lightest],
    ['dark', darkest],
  ])('show on a %s part from a fifth of the limit on, and more the larger the score', (_, below) => {
    const bare = over('#000000', below, 0);
    for (const color of [heatColor(1, true), heatColor(-1, true), heatColor(1, false)]) {
      const steps = Array.from({ length: 9 }, (__, step) => distance(over(color, below, 0.2 + step / 10), bare));
      expect(steps[0]).toBeGreaterThan(0.02);
      steps.slice(1).forEach((step, at) => expect(step).toBeGreaterThan(steps[at]!));
    }
  });

  test.each(['protanopia', 'deuteranopia'] as const)('with %s, plus and minus stay apart on dark and light parts', (vision) => {
    for (const below of [lightest, darkest])
      for (const share of [0.3, 0.5, 0.75, 1]) {
        const [plus, minus] = [1, -1].map((sign) => seenAs(over(heatColor(sign, true), below, share), vision));
        expect(distance(plus!, minus!)).toBeGreaterThan(0.04);
      }
  });

  test('the object below the full colour stays to be seen', () => {
    for (const color of [heatColor(1, true), heatColor(-1, true), heatColor(1, false)])
      expect(contrast(over(color, lightest, 1), over(color, darkest, 1))).toBeGreaterThan(1.15);
  });
});

describe('imageFigure', () => {
  const maps = [
    { title: 'raw <attention>', grid: GRID, scores: SCORES, signed: true },
    { title: 'rollout', grid: GRID, scores: SCORES.map(Math.abs), signed: false },
  ];
  const other = PICTURE.replace('data:image/png', 'data:image/webp');
  const rows = [
    { picture: PICTURE, name: 'boot', maps },
    { picture: other, name: 'shirt', maps },
    { picture: PICTURE, name: 'boot again', maps },
  ];

  test('a row for each picture with its name and maps, each picture held once, a legend of each palette', () => {
    const markup = imageFigure({ rows, title: 'Two' });
    checkReferences(markup);
    const svg = parse(markup);
    expect(byName(svg, 'image')).toHaveLength(2);
    expect(byName(svg, 'use')).toHaveLength(9);
    const texts = byName(svg, 'text').map(textOf);
    expect(texts).toEqual(expect.arrayContaining(['Two', 'boot', 'shirt', 'boot again', 'raw <attention>', 'rollout']));
    expect(texts).toEqual(expect.arrayContaining(['each map by its own scale', 'most negative', 'least']));
  });

  test('columns of several models have common titles', () => {
    const columnTitles = ['Raw', 'Rollout'];
    const svg = parse(
      imageFigure({
        rows,
        columnTitles,
        groups: [
          { title: 'Vim', columns: 1 },
          { title: 'ViT', columns: 1 },
        ],
      }),
    );
    const texts = byName(svg, 'text').map(textOf);
    for (const title of ['Vim', 'ViT', ...columnTitles]) expect(texts.filter((text) => text === title)).toHaveLength(1);
    expect(texts).not.toContain('rollout');
  });

  test.each([
    [{ rows: [] }, 'imageFigure: there are no rows'],
    [{ rows, columnTitles: ['one'] }, 'rows[0] has 2 maps for 1 columns'],
    [{ rows, groups: [{ title: 'a', columns: 3 }] }, 'rows[0] has 2 maps for 3 columns'],
    [{ rows, columnTitles: ['a', 'b'], groups: [{ title: 'a', columns: 3 }] }, 'groups have 3 columns for 2 columnTitles'],
    [{ rows: [{ ...rows[0]!, picture: 'x' }] }, 'imageFigure: rows[0].picture is "x"'],
    [{ rows: [{ ...rows[0]!, maps: [{ ...maps[0]!, scores: [1] }] }] }, 'rows[0].maps[0]: 1 scores for 2 × 3 patches'],
  ])('refuses bad input %#', (figure, message) => {
    expect(() => imageFigure(figure)).toThrow(message);
  });
});

describe('layers', () => {
  const layers = [SCORES, SCORES.map((score) => 10 * score), [0, 0, 0, 0, 0, 0]];
  const strip = { picture: PICTURE, grid: GRID, signed: true, layers };

  test('a strip has a small map for each layer, in lines, each with its own scale', () => {
    const markup = layerStrip({ ...strip, columns: 2 });
    checkReferences(markup);
    const svg = parse(markup);
    expect(byName(svg, 'use')).toHaveLength(3);
    const texts = byName(svg, 'text').map(textOf);
    expect(texts).toEqual(expect.arrayContaining(['layer 0', 'up to ±4', 'layer 1', 'up to ±40', 'layer 2', '0 everywhere']));
  });

  test('with a limit all layers have one scale, and a legend of it', () => {
    const texts = byName(parse(layerStrip({ ...strip, limit: 8, titles: ['a', 'b', 'c'] })), 'text').map(textOf);
    expect(texts).toEqual(expect.arrayContaining(['a', 'b', 'c', '+8']));
    expect(texts.join()).not.toContain('up to');
  });

  test('an animation is a page of its own: a frame a layer, a button, a slider, a policy that lets its own script run alone', async () => {
    const page = layerAnimation({ ...strip, title: 'Layers <of> "it"' });
    const [, script] = /<script>([^]*)<\/script>/.exec(page)!;
    const { createHash } = await import('node:crypto');
    expect(page).toContain(`script-src 'sha256-${createHash('sha256').update(script!).digest('base64')}'`);
    const tree = parse(page.replace(/<script>[^]*<\/script>/, ''));
    const frames = all(tree, ({ attributes }) => (attributes['class'] ?? '').split(' ')[0] === 'frame');
    expect(frames.map(({ attributes }) => attributes['data-title'])).toEqual(['layer 0', 'layer 1', 'layer 2']);
    expect(frames[0]!.attributes['data-spoken']).toContain('row 2, column 3');
    expect(byName(tree, 'title').map(textOf)[0]).toBe('Layers <of> "it"');
    expect(byName(tree, 'input')[0]!.attributes).toMatchObject({ type: 'range', min: '0', max: '2', 'aria-label': 'Layer' });
    expect(page).not.toMatch(/(?:src|href)="(?!#|data:)/);
    expect(page).toContain('prefers-reduced-motion');
    checkReferences(page);
  });

  test('a film shows one layer after another in the same place, without a script', () => {
    const film = layerFilm(strip);
    expect(film).toContain('--frames:3');
    expect(film).not.toContain('<script');
    expect(byName(parse(film), 'svg')).toHaveLength(4);
    checkReferences(film);
  });

  test.each([
    [{ layers: [] }, 'there are no layers'],
    [{ layers: [SCORES, [1]] }, 'layers[1]: 1 scores for 2 × 3 patches'],
    [{ layers: [SCORES, [0, 0, 0, 0, Infinity, 0]] }, 'layers[1]: scores[4] is Infinity'],
    [{ titles: ['a'] }, '1 titles for 3 layers'],
    [{ picture: 'x' }, 'picture is "x"'],
    [{ signed: false }, 'layers[0]: scores[2] is -2'],
  ])('refuses bad input %#', (change, message) => {
    for (const [name, draw] of Object.entries({ layerStrip, layerAnimation, layerFilm }))
      expect(() => draw({ ...strip, ...change })).toThrow(new RegExp(`^${name}: .*${message.replace(/[[\]]/g, '\\$&')}`));
  });

  test('a strip needs a column', () => {
    expect(() => layerStrip({ ...strip, columns: 0 })).toThrow('layerStrip: columns is 0');
  });
});
