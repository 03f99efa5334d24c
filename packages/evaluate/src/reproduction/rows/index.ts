import type { ReproductionRow } from '../row.js';
import { threeViews } from './e1-three-views.js';
import { numberOfMaps } from './e2-number-of-maps.js';
import { classToken } from './e3-class-token.js';
import { distance } from './e4-distance.js';
import { gallery } from './e5-gallery.js';
import { perturbationRow } from './e6-perturbation.js';
import { segmentationRow } from './e7-segmentation.js';
import { cloze } from './e8-cloze.js';
import { textRow } from './e9-text.js';
import { sparsityRow } from './e10-sparsity.js';
import { aggregation } from './e11-aggregation.js';
import { clamp } from './e12-clamp.js';
import { mamba2Row } from './e14-mamba2.js';
import { textAblation } from './e15-text-ablation.js';
import { mixing } from './e16-mixing.js';
import { countInRowRow } from './e17-count-in-row.js';
import { time } from './e18-time.js';
import { similarity } from './e19-similarity.js';

/** All rows, in the order of the paper. */
export const reproductionRows: readonly ReproductionRow[] = [
  threeViews,
  numberOfMaps,
  classToken,
  distance,
  gallery,
  perturbationRow,
  segmentationRow,
  cloze,
  textRow,
  sparsityRow,
  aggregation,
  clamp,
  mamba2Row,
  textAblation,
  mixing,
  countInRowRow,
  time,
  similarity,
];
