// The paper's experiments, measured on the models that are here: an entry of its own, which importing the package leaves out.
export { reproduce, type Reproduction, type ReproductionOptions, type ReproductionProgress } from './reproduction/run.js';
export { reproductionPage } from './reproduction/page.js';
export { reproductionRows } from './reproduction/rows/index.js';
export {
  type Cell,
  type Findings,
  type Held,
  type ReproductionRow,
  type ResultTable,
  type RowResult,
  type Verdict,
} from './reproduction/row.js';
