import * as z from '@hidden-attention/model/schema';
import type { Case } from '../case.js';
import { needsQueries } from '../choices.js';
import type { Query } from '../example.js';
import { defineProtocol, type Protocol } from '../protocol.js';
import { averagePrecision, ranked, rocArea } from '../ranking.js';
import { mean } from '../statistics.js';

/** The scores of the positions up to a query's own, of the answer given there (its label where one is known). */
export async function rowOf(item: Case, { position, label, sources }: Query): Promise<Float64Array> {
  const { scores } = await item.map({
    explained: label,
    position,
    truth: sources,
    change: `at ${position}`,
  });
  return Float64Array.from({ length: position + 1 }, (_, at) => scores[at]!);
}

/** Copying (Pitorro and Treviso 2025): whether each row of a map finds the positions that its token was copied from. */
export const copy: Protocol = defineProtocol({
  name: 'copy',
  title: 'Sources of copied tokens',
  summary: 'Whether the map of each copied token finds the place that it was copied from.',
  cite: 'Pitorro, Treviso 2025, arXiv 2502.15612',
  figures: [
    { name: 'AP', better: 'higher', summary: 'average precision, mean over the tokens' },
    { name: 'AUC', better: 'higher', summary: 'area under the ROC curve, mean over the tokens' },
    { name: 'recall-at-k', better: 'higher', summary: 'share of the k sources among the k highest' },
  ],
  options: () => z.strictObject({}),
  oracle: true,
  supports: needsQueries,
  async measure(item) {
    const [ap, auc, recall]: [number[], number[], number[]] = [[], [], []];
    for (const query of item.example.queries!) {
      const row = await rowOf(item, query);
      const sources = new Set(query.sources);
      const relevant = Uint8Array.from(row, (_, at) => (sources.has(at) ? 1 : 0));
      ap.push(averagePrecision(row, relevant));
      auc.push(rocArea(row, relevant));
      recall.push(
        ranked(row)
          .slice(0, sources.size)
          .filter((at) => sources.has(at)).length / sources.size,
      );
    }
    return { values: { AP: mean(ap), AUC: mean(auc), 'recall-at-k': mean(recall) } };
  },
});
