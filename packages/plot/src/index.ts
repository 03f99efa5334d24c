export { contrast, diverging, sequential, textOn, PALETTE, SERIES_COLORS, type Scheme } from './color.js';
export { robustLimit } from './check.js';
export { legend, legendHtml, type Legend } from './legend.js';
export { tokenStripCss } from './levels.js';
export type { Span, Token } from './spans.js';
export { tokenStrip, tokenStripHtml, type StripLayout, type TokenStrip, type WordStrip } from './tokens.js';
export { encodePng } from './png.js';
export { heatmap, type Heatmap } from './heatmap.js';
export { layerGrid, type LayerGrid } from './grid.js';
export {
  filmCss,
  imageFigure,
  imageOverlay,
  layerFilm,
  layerStrip,
  patchName,
  type ImageFigure,
  type ImageOverlay,
  type LayerStrip,
} from './overlay.js';
export { curves, type Curves, type Series } from './curves.js';
export { explanationReport } from './report/html.js';
export { explanationSvg } from './report/svg.js';
export { verdict, type Outcome, type Verdict } from './report/verdict.js';
export type { Certificate, Check, Removal, Report, ReportMap, ReportResult, ReportSpan } from './report/types.js';
