export { contrast, diverging, sequential, textOn, PALETTE, SERIES_COLORS, type Scheme } from './color.js';
export { robustLimit } from './check.js';
export { legend, legendHtml, type Legend } from './legend.js';
export { tokenStripCss } from './levels.js';
export type { Span, Token } from './spans.js';
export { type StripLayout } from './strip-layout.js';
export { tokenStrip, tokenStripHtml, type TokenStrip, type WordStrip } from './tokens.js';
export { encodePng } from './png.js';
export { heatmap, type Heatmap } from './heatmap.js';
export { layerGrid, type LayerGrid } from './grid.js';
export { imageOverlay, type ImageOverlay } from './image/overlay.js';
export { overlayPng } from './image/overlay-png.js';
export { imageFigure, type ImageFigure } from './image/figure.js';
export { layerStrip, type LayerStrip } from './image/layers.js';
export { layerAnimation, type LayerAnimation } from './image/animation.js';
export { filmCss, layerFilm } from './image/film.js';
export { patchName, type Grid, type PatchMap } from './image/patches.js';
export { curves, type Curves, type Series } from './curves.js';
export { explanationReport } from './report/html.js';
export { explanationSvg } from './report/svg.js';
export { verdict, type Outcome, type Verdict } from './report/verdict.js';
export type { Certificate, Check, Removal, Report, ReportMap, ReportResult, ReportSpan } from './report/types.js';
export { evaluationReport } from './evaluation/report.js';
export { leaderboardPage, standings, type Standing } from './evaluation/leaderboard.js';
export { leaderboardMarkdown } from './evaluation/markdown.js';
export { figureText } from './evaluation/figures.js';
export type {
  EvaluationCell,
  EvaluationCost,
  EvaluationExample,
  EvaluationReport,
  EvaluationRow,
  EvaluationTable,
} from './evaluation/types.js';
