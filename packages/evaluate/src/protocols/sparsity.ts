import * as z from '@hidden-attention/model/schema';
import { explained } from '../choices.js';
import { defineProtocol, type Protocol } from '../protocol.js';

interface Options {
  explain: 'predicted' | 'label';
}

/** Of non-negative numbers: 0 where all are equal, towards 1 where one has everything (Hurley and Rickard 2009). */
function gini(sizes: readonly number[], total: number): number {
  const n = sizes.length;
  const sorted = sizes.toSorted((a, b) => a - b);
  return 1 - (2 * sorted.reduce((sum, size, k) => sum + (size / total) * (n - k - 0.5), 0)) / n;
}

/** (√n − Σ|x|/√Σx²)/(√n − 1) (Hoyer 2004): 0 where all are equal, 1 where one has everything. */
function hoyer(sizes: readonly number[], total: number): number {
  const root = Math.sqrt(sizes.length);
  return (root - total / Math.sqrt(sizes.reduce((sum, size) => sum + size * size, 0))) / (root - 1);
}

/** −Σ p log p / log n of shares p: 1 where all are equal, 0 where one has everything. */
function entropy(sizes: readonly number[], total: number): number {
  const bits = sizes.reduce((sum, size) => (size > 0 ? sum - (size / total) * Math.log(size / total) : sum), 0);
  return bits / Math.log(sizes.length);
}

/** How few parts a map lies on. It describes maps and ranks none: a sparse map can be wrong. */
export const sparsity: Protocol<Options> = defineProtocol({
  name: 'sparsity',
  title: 'Sparsity',
  summary: 'On how few words, tokens or patches the map lies, signs dropped.',
  cite: 'Hurley, Rickard 2009, arXiv 0811.4706; Hoyer 2004, JMLR 5',
  figures: [
    { name: 'gini', better: 'neither', summary: 'Gini index of the sizes: 0 all equal, 1 all on one' },
    { name: 'hoyer', better: 'neither', summary: 'Hoyer’s measure: 0 all equal, 1 all on one' },
    { name: 'entropy', better: 'neither', summary: 'entropy of the shares over that of equal ones: 1 all equal, 0 all on one' },
  ],
  options: () => z.strictObject({ explain: explained() }),
  oracle: true,
  supports: () => true,
  async measure(item, { explain }) {
    const sizes = [...(await item.unitScores({ explained: explain })).map(Math.abs)];
    const total = sizes.reduce((sum, size) => sum + size, 0);
    if (total === 0 || sizes.length < 2) return { values: { gini: 0, hoyer: 0, entropy: 1 } };
    return { values: { gini: gini(sizes, total), hoyer: hoyer(sizes, total), entropy: entropy(sizes, total) } };
  },
});
