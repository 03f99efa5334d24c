import { ModelCase } from '../model-case.js';
import { reseeded } from '../ranker.js';
import { Variants } from '../variants.js';
import type { Piece, Plan } from './plan.js';
import { keyOf, type MeasuredRow, type Row } from './rows.js';

/**
 * Measures a piece: one row for each of its protocols. A protocol that fails gives a row with its error, and the others go on.
 * @param signal ends it between two examples
 */
export async function measurePiece(plan: Plan, piece: Piece, signal?: AbortSignal): Promise<Row[]> {
  const { protocols, ...place } = piece;
  const { data, loaded, rankers } = await plan.task(piece.data, piece.model);
  const { model } = loaded;
  const seeded = plan.explainers.find(({ as }) => as === piece.explainer)?.seeded;
  const own = rankers.find(({ name }) => name === piece.explainer)!;
  const ranker = seeded ? { ...reseeded(own, piece.seed), name: own.name } : own;
  const { shard: size } = plan.sweep;
  const examples = data.examples.slice(piece.shard * size, (piece.shard + 1) * size);
  const variants = new Variants(model);
  const workspace = { data: data.name, model, variants, others: rankers.filter(({ explainer }) => explainer) };
  const rows = new Map<string, Row>();
  try {
    for (const example of examples) {
      const item = new ModelCase(workspace, example, ranker, piece.seed);
      for (const as of protocols) {
        const { protocol, options } = plan.protocols.find((chosen) => chosen.as === as)!;
        signal?.throwIfAborted();
        const key = keyOf({ ...place, protocol: as });
        const row = rows.get(key) ?? { key, ...place, protocol: as, examples: [], values: [], cost: [] };
        rows.set(key, row);
        if ('error' in row || protocol.supports(example, model, options) !== true) continue;
        try {
          const { values, curves } = await protocol.measure(item, options);
          add(row, example.index, values, curves, item);
        } catch (error) {
          rows.set(key, { key, ...place, protocol: as, error: `example ${example.index}: ${(error as Error).message}` });
        }
      }
    }
  } finally {
    await variants.dispose();
  }
  return [...rows.values()];
}

function add(
  row: MeasuredRow,
  index: number,
  values: Record<string, number>,
  curves: Record<string, number[]> | undefined,
  { cost }: ModelCase,
): void {
  row.examples.push(index);
  row.values.push(values);
  if (curves) (row.curves ??= []).push(curves);
  row.cost.push(cost ?? { ms: 0, mib: 0 });
}
