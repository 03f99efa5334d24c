import { paragraph, QUIET, stack, svgDocument, type Drawing } from '../drawing.js';
import { scoreText } from '../numbers.js';
import { beside, relativeLegend } from './figure.js';
import { checkOverlay, overlayDrawing, type ImageOverlay } from './overlay.js';
import { scaleOf, type PatchMap } from './patches.js';
import { legendDrawing, legendOf } from '../legend.js';
import { pictureDefinitions } from './picture.js';

export interface LayerStrip extends Pick<ImageOverlay, 'picture' | 'grid' | 'signed' | 'limit' | 'view' | 'title'> {
  /** One array a layer, layer 0 first; each has one score a patch. */
  readonly layers: readonly ArrayLike<number>[];
  /** Names of the layers; default "layer 0" and so on. */
  readonly titles?: readonly string[];
  /** Width of a picture in pixels; default 110. */
  readonly width?: number;
  /** Pictures in a line; default 6. */
  readonly columns?: number;
}

/** One layer of a strip. */
export interface LayerMap extends ImageOverlay {
  readonly title: string;
  /** How far its scores go, in words. */
  readonly reach: string;
}

/** How far the scores of a map go: "up to ±0.12", "0.59 to 0.64", "0 everywhere". */
function reachOf(where: string, map: PatchMap): string {
  if (Array.from(map.scores).every((score) => score === 0)) return '0 everywhere';
  const { low, limit } = scaleOf(where, map);
  return map.signed ? `up to ±${scoreText(limit, false)}` : `${scoreText(low, false)} to ${scoreText(limit, false)}`;
}

/** The maps of the layers, checked. `where` opens a message. @throws RangeError as `imageOverlay` does, naming the layer. */
export function layerMaps(where: string, strip: Omit<LayerStrip, 'columns'>): LayerMap[] {
  const { layers, titles, title: _title, ...shared } = strip;
  if (layers.length === 0) throw new RangeError(`${where}: there are no layers; it needs at least one`);
  if (titles && titles.length !== layers.length)
    throw new RangeError(`${where}: ${titles.length} titles for ${layers.length} layers; it needs one for each`);
  return layers.map((scores, layer) => {
    const map = { ...shared, scores };
    checkOverlay(`${where}: layers[${layer}]`, map);
    return { ...map, title: titles?.[layer] ?? `layer ${layer}`, reach: reachOf(where, map) };
  });
}

/**
 * What each layer looks at: a small overlay for each, as SVG. Each layer has its own scale, written below it, unless there is a `limit`.
 * @throws RangeError as `imageOverlay` does, naming the layer; for no layers, and titles that do not match them.
 */
export function layerStrip(strip: LayerStrip): string {
  const { width = 110, columns = 6, limit, title } = strip;
  if (!(Number.isInteger(columns) && columns >= 1))
    throw new RangeError(`layerStrip: columns is ${columns}; it needs a whole number of at least 1`);
  const maps = layerMaps('layerStrip', { ...strip, width });
  const tiles = maps.map((map) => {
    const words = [paragraph(map.title, width, { size: 12 }), ...(limit ? [] : [paragraph(map.reach, width, { size: 11, fill: QUIET })])];
    return { drawing: overlayDrawing(map, 'plain'), below: stack(words, 0) };
  });
  const lines: Drawing[] = [];
  for (let first = 0; first < tiles.length; first += columns) lines.push(beside(tiles.slice(first, first + columns), width));
  const legend = limit ? legendDrawing(legendOf('layerStrip', maps[0]!)) : relativeLegend([strip], 'each layer by its own scale');
  const heading = title ? [paragraph(title, Math.max(240, lines[0]!.width), { size: 14, weight: 600 })] : [];
  const all = stack([...heading, ...lines, legend], 14);
  return svgDocument({ ...all, body: pictureDefinitions([strip]) + all.body }, title ?? 'The map of each layer');
}
