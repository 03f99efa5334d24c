import { robustLimit } from '../check.js';
import { svgFragment } from '../drawing.js';
import { filmHtml } from '../image/film.js';
import { layerMaps, type LayerMap } from '../image/layers.js';
import { numbered, overlayDrawing } from '../image/overlay.js';
import { described, type Grid } from '../image/patches.js';
import { pictureDefinitions, pictureDrawing, pictureReference, pictureSize } from '../image/picture.js';
import { legendHtml, legendOf } from '../legend.js';
import { element, escapeText } from '../markup.js';
import type { Report, ReportMap, ReportResult } from './types.js';

/** A result about an image, which `checkReports` found to have its picture. */
export interface ImageResult extends ReportResult {
  readonly grid: Grid;
  readonly picture: string;
}

export function isImage(result: ReportResult): result is ImageResult {
  return result.grid !== undefined;
}

/** Every picture of a page, once; all drawings refer to them. Empty in a page about texts. */
export function definedPictures({ results }: Report): string {
  const images = results.filter(isImage);
  if (images.length === 0) return '';
  const attributes = { width: 0, height: 0, 'aria-hidden': 'true', class: 'defined' };
  return element('svg', attributes, pictureDefinitions(images));
}

function fits({ grid, picture }: ImageResult): string {
  const { width, height, known } = pictureSize(picture, grid);
  const [rows, columns] = grid;
  const patches = `${rows} × ${columns} patches, numbered by row and column`;
  return known ? `${width} × ${height} pixels, as the model saw them. It reads them in ${patches}.` : `The model reads it in ${patches}.`;
}

/** The picture as the model saw it, its patches numbered. */
export function sourcePicture(result: ImageResult): string {
  const { picture, grid } = result;
  const svg = svgFragment(numbered(pictureDrawing(picture, grid, 320), grid), 'The picture that the model was given');
  return element('figure', { class: 'overlay' }, `${svg}<figcaption class="quiet">${fits(result)}</figcaption>`);
}

/** The picture in a list. */
export function thumbnail({ picture, grid }: ImageResult): string {
  const { width, height, body } = pictureDrawing(picture, grid, 40);
  return element('svg', { class: 'thumbnail', viewBox: `0 0 ${width} ${height}`, width, height, 'aria-hidden': 'true' }, body);
}

/** The map over its picture, patch by patch and smoothed, and pixel by pixel where it has them. */
export function patchViews(map: ReportMap, { picture, grid }: ImageResult): { name: string; html: string }[] {
  const { scores, signed, title } = map;
  const overlay = { picture, grid, scores, signed, limit: robustLimit(scores) };
  const legend = legendHtml(legendOf('report', overlay));
  const views = ([['Patches', 'patches'] as const, ['Smoothed', 'smooth'] as const] as const).map(([name, view]) => {
    const drawing = numbered(overlayDrawing({ ...overlay, view, width: 300 }), grid);
    const svg = svgFragment(drawing, `${title} over the picture. ${described(overlay)}`);
    return { name, html: element('div', { class: 'overlay' }, svg) + legend };
  });
  return map.pixels ? [...views, { name: 'Pixels', html: pixelView(map.pixels, map, picture) }] : views;
}

function pixelView({ shape, scores }: NonNullable<ReportMap['pixels']>, { signed, title }: ReportMap, picture: string): string {
  const overlay = { picture, grid: shape, scores, signed, limit: robustLimit(scores) };
  const svg = svgFragment(overlayDrawing({ ...overlay, width: 300 }, 'plain'), `${title} over the picture, pixel by pixel`);
  return element('div', { class: 'overlay' }, svg) + legendHtml(legendOf('report', overlay));
}

/** What a patch and those around it show, the patch framed. */
export function patchCrop(patch: number, { picture, grid: [rows, columns] }: ImageResult): string {
  const size = pictureSize(picture, [rows, columns]);
  const [across, down] = [size.width / columns, size.height / rows];
  const [row, column] = [Math.floor(patch / columns), patch % columns];
  const start = (at: number, count: number): number => Math.max(0, Math.min(at - 1, count - 3));
  const [left, top] = [start(column, columns) * across, start(row, rows) * down];
  const [width, height] = [Math.min(3, columns) * across, Math.min(3, rows) * down];
  const scale = 36 / width;
  const frame = { x: column * across, y: row * down, width: across, height: down, fill: 'none', 'vector-effect': 'non-scaling-stroke' };
  const attributes = {
    class: 'crop',
    viewBox: `${left} ${top} ${width} ${height}`,
    width: 36,
    height: scale * height,
    'aria-hidden': 'true',
  };
  const frames = element('rect', { ...frame, class: 'outer' }) + element('rect', { ...frame, class: 'inner' });
  return element('svg', attributes, pictureReference(picture, [rows, columns], scale) + frames);
}

/** Small maps of one picture side by side, each with its own scale. */
export function patchTiles(
  layers: readonly number[][],
  titles: readonly string[],
  signed: boolean,
  { picture, grid }: ImageResult,
): string {
  return tiles(layerMaps('report', { picture, grid, layers, titles, signed, width: 120 }));
}

function tiles(maps: readonly LayerMap[]): string {
  const items = maps.map((map) => {
    const svg = svgFragment(overlayDrawing(map, 'plain'), `${map.title}. ${described(map)}`);
    return element('li', {}, `${svg}${escapeText(map.title)} <small>${escapeText(map.reach)}</small>`);
  });
  return element('ol', { class: 'layers' }, items.join(''));
}

/** The maps of the layers by themselves: as a film, and beside each other. */
export function patchLayers({ layers = [], signed: mapSigned }: ReportMap, { picture, grid }: ImageResult): string {
  const signed = mapSigned || layers.some((scores) => scores.some((score) => score < 0));
  const maps = layerMaps('report', { picture, grid, layers, signed, width: 120 });
  const film = filmHtml(
    maps.map((map) => ({ ...map, width: 224 })),
    224,
  );
  return `<p>Each layer has its own scale, written beside its number.</p>${tiles(maps)}<h5>One after another</h5>${film}`;
}
