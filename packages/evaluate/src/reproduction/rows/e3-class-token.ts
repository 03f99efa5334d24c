import { attentionView } from '@hidden-attention/attention';
import { createModel, disposeBatch, isImages, type Model } from '@hidden-attention/model';
import { spearman } from '../../correlation.js';
import type { Example } from '../../example.js';
import { bootstrap, mean } from '../../statistics.js';
import { batchOf } from '../inputs.js';
import type { ReproductionRow, ResultTable, Verdict } from '../row.js';
import { onOneSide } from '../verdict.js';

/** Of each layer, for one image: Spearman's correlation of a patch's weight in the class token's row and its nearness. */
async function nearnessByLayer(model: Model, example: Example): Promise<number[]> {
  const batch = batchOf(model, example);
  const classes = isImages(batch) ? batch.classPositions : [];
  const view = await attentionView(model, batch);
  const layers: number[] = [];
  for (let index = 0; index < view.layers; index++) {
    const row = view.layer(index).row(classes[0]!, { reduce: 'meanAbs' });
    const weights = await row.read();
    row.dispose();
    const patches = [...weights.keys()].filter((at) => !classes.includes(at));
    layers.push(
      spearman(
        patches.map((at) => weights[at]!),
        patches.map((at) => -Math.abs(at - classes[0]!)),
      ),
    );
  }
  view.dispose();
  disposeBatch(batch);
  return layers;
}

const roles = ['class-token-first', 'class-token-middle', 'class-token-last', 'garments-mamba'];

export const classToken: ReproductionRow = {
  id: 'E3',
  title: 'Patches near the class token',
  item: 'Figure 2',
  method:
    'Vision Mambas whose class token stands first, in the middle or last, on garments: for each image and block, Spearman’s rank correlation between how much a patch weighs in the class token’s row (mean over channels of |α|, both directions) and how near it stands; the same of the untrained models ([more](../vision.md)).',
  samples: 200,
  roles,
  async run(context) {
    const verdicts: Verdict[] = [];
    const table: ResultTable = { title: 'Rank correlation of weight and nearness, by block', columns: [], rows: [] };
    await context.eachModel(roles, 'garments', {}, async (role, model, examples) => {
      const untrained = createModel(model.json, { seed: 1, device: model.device });
      for (const [name, own] of [
        [role, model],
        [`${role}, untrained`, untrained],
      ] as const) {
        context.step(name);
        const found: number[][] = [];
        for (const example of examples) found.push(await nearnessByLayer(own, example));
        const cells = Array.from({ length: own.config.layers }, (_, layer) =>
          bootstrap(
            found.map((layers) => [layers[layer]!]),
            mean,
          ),
        );
        table.rows.push({ name, cells });
        if (own !== model) continue;
        verdicts.push(
          onOneSide(
            `patches near the class token are more influential: ${role}`,
            'shown (figure 2)',
            'mean over blocks',
            found.map(mean),
            'above',
          ),
        );
      }
      untrained.dispose();
    });
    const most = Math.max(0, ...table.rows.map(({ cells }) => cells.length));
    table.columns = Array.from({ length: most }, (_, layer) => `block ${layer}`);
    for (const row of table.rows) while (row.cells.length < most) row.cells.push(null);
    return { verdicts, tables: [table], lacking: [] };
  },
};
