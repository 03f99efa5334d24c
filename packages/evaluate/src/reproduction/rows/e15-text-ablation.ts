import type { ReproductionRow } from '../row.js';
import { meanPooling } from '../pooling.js';
import { runOwnSweep } from '../sweep-findings.js';

/** AUAC and AU-MSE in table 9; "ours" has 0.915 and 1.765. */
const published = { max: [0.842, 1.899], min: [0.7611, 2.344], 'no clamp': [0.7564, 2.421] } as const;

export const textAblation: ReproductionRow = {
  id: 'E15',
  title: 'Ablations on text',
  item: 'Table 9',
  method:
    'Mamba-Attribution on the e-mails of E9 with other aggregations of channels and other clamps. The paper lists “ours” (0.915 and 1.765) and the mean (0.8813 and 2.102) as different rows and does not say what “ours” is if not the mean; here ours is the mean of equation 24.',
  samples: 200,
  roles: ['mail-mamba'],
  async run(context) {
    const found = await runOwnSweep(context, 'text-ablation.json');
    const place = (method: string, protocol: string) => ({ data: 'mail', model: 'mail-mamba', method, name: method, protocol });
    const verdicts = Object.entries(published).flatMap(([name, [auac, mse]]) => [
      ...found.compare(
        { claim: `AUAC: ours is ahead of ${name}`, published: `0.915 against ${auac}`, expected: 'larger' },
        'AUAC',
        place('mean (ours)', 'activation'),
        place(name, 'activation'),
      ),
      ...found.compare(
        { claim: `AU-MSE: ours is ahead of ${name}`, published: `1.765 against ${mse}`, expected: 'smaller' },
        'AU-MSE',
        place('mean (ours)', 'pruning'),
        place(name, 'pruning'),
      ),
    ]);
    return {
      verdicts,
      tables: [found.table('AUAC', 'mail', 'activation', ['AUAC']), found.table('AU-MSE', 'mail', 'pruning', ['AU-MSE'])],
      lacking: [meanPooling],
    };
  },
};
