import type { ReproductionRow, Verdict } from '../row.js';
import { meanPooling } from '../pooling.js';
import { runOwnSweep } from '../sweep-findings.js';

export const sparsityRow: ReproductionRow = {
  id: 'E10',
  title: 'How sparse the maps are',
  item: 'Table 4',
  method:
    'The paper shows examples and calls Mamba-Attribution’s maps sparser. Here that is three numbers of each map by words of held-out e-mails, signs dropped: Gini index and Hoyer’s measure (1: all on one word), entropy (0: all on one word).',
  samples: 200,
  roles: ['mail-mamba', 'mail-transformer'],
  async run(context) {
    const found = await runOwnSweep(context, 'sparsity.json');
    const place = (model: string, method: string, name: string) => ({ data: 'mail', model, method, name, protocol: 'sparsity' });
    const verdicts: Verdict[] = [];
    for (const [figure, expected] of [
      ['gini', 'larger'],
      ['hoyer', 'larger'],
      ['entropy', 'smaller'],
    ] as const)
      verdicts.push(
        ...found.compare(
          { claim: `${figure}: Mamba-Attribution is sparser than the transformer’s`, published: 'said of examples', expected },
          figure,
          place('mail-mamba', 'mamba-attribution', 'Mamba'),
          place('mail-transformer', 'transformer-attribution', 'transformer'),
        ),
      );
    for (const other of ['raw', 'rollout'])
      verdicts.push(
        ...found.compare(
          { claim: `gini: Mamba-Attribution is sparser than ${other}`, published: '—', expected: 'larger' },
          'gini',
          place('mail-mamba', 'mamba-attribution', 'mamba-attribution'),
          place('mail-mamba', other, other),
        ),
      );
    return {
      verdicts,
      tables: [found.table('By words of e-mails', 'mail', 'sparsity', ['gini', 'hoyer', 'entropy'])],
      lacking: [meanPooling],
    };
  },
};
