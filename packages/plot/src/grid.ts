import { colorLimit } from './check.js';
import { svgDocument, type Drawing } from './drawing.js';
import { heatmapDrawing } from './heatmap.js';

export interface LayerGrid {
  /** One array per layer, layer 0 first; each has one score per token. */
  readonly layers: readonly ArrayLike<number>[];
  /** The tokens' texts, one per column. */
  readonly tokens: readonly string[];
  /** Names of the rows; default "layer 0" and so on. */
  readonly titles?: readonly string[];
  readonly signed: boolean;
  readonly title?: string;
  readonly limit?: number;
  /** Width of the coloured area in pixels at most; default 860. */
  readonly width?: number;
}

/** The grid as part of a larger picture. Same input and errors as `layerGrid`. */
function layerGridDrawing({ layers, tokens, titles, signed, title, limit, width = 860 }: LayerGrid): Drawing {
  if (layers.length === 0 || tokens.length === 0)
    throw new RangeError(`layerGrid: ${layers.length} layers × ${tokens.length} tokens; it needs at least one of each`);
  layers.forEach((scores, layer) => {
    if (scores.length !== tokens.length)
      throw new RangeError(`layerGrid: layers[${layer}] has ${scores.length} scores for ${tokens.length} tokens; it needs one per token`);
  });
  const values = layers.flatMap((scores) => Array.from(scores));
  return heatmapDrawing({
    values,
    rows: layers.length,
    columns: tokens.length,
    signed,
    limit: colorLimit('layerGrid', values, limit),
    ...(title === undefined ? {} : { title }),
    rowLabels: titles ?? layers.map((_, layer) => `layer ${layer}`),
    columnLabels: tokens,
    columnTitle: 'token',
    cell: { width: Math.min(22, width / tokens.length), height: 22 },
  });
}

/**
 * Which layer takes what from which token: one row per layer (layer 0 on top), one column per token, as SVG.
 * @throws RangeError for no layer or token, a row of the wrong length, and what `heatmap` refuses.
 */
export function layerGrid(grid: LayerGrid): string {
  return svgDocument(layerGridDrawing(grid), grid.title ?? 'Scores by layer and token');
}
