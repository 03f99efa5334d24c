import type { ReproductionRow, Verdict } from '../row.js';
import { meanPooling } from '../pooling.js';
import { runOwnSweep } from '../sweep-findings.js';

export const mamba2Row: ReproductionRow = {
  id: 'E14',
  title: 'Mamba-2',
  item: 'Table 8',
  method:
    'E9’s activation and pruning with a Mamba-2 of the same size, trained on the same e-mails with the same steps. The paper has AUAC and AU-MSE on ARC-Easy of Mamba-2 (130M, 790M), beside Mamba’s in table 3.',
  samples: 200,
  roles: ['mail-mamba', 'mail-mamba2', 'mail-transformer'],
  async run(context) {
    const found = await runOwnSweep(context, 'text.json');
    const place = (model: string, method: string, protocol: string, name: string) => ({ data: 'mail', model, method, name, protocol });
    const verdicts: Verdict[] = [];
    for (const [protocol, figure, expected, paper] of [
      ['activation', 'AUAC', 'larger', '0.915 against 0.885'],
      ['pruning', 'AU-MSE', 'smaller', '1.765 against 2.103'],
    ] as const) {
      verdicts.push(
        ...found.compare(
          { claim: `${protocol}: Mamba is ahead of Mamba-2`, published: paper, expected },
          figure,
          place('mail-mamba', 'mamba-attribution', protocol, 'Mamba'),
          place('mail-mamba2', 'mamba-attribution', protocol, 'Mamba-2'),
        ),
        ...found.compare(
          { claim: `${protocol}: the method works on Mamba-2, better than random`, published: 'AUAC 0.872 and 0.885', expected },
          figure,
          place('mail-mamba2', 'mamba-attribution', protocol, 'mamba-attribution'),
          place('mail-mamba2', 'random', protocol, 'random'),
        ),
      );
    }
    return {
      verdicts,
      tables: [found.table('AUAC', 'mail', 'activation', ['AUAC']), found.table('AU-MSE', 'mail', 'pruning', ['AU-MSE'])],
      lacking: [meanPooling],
    };
  },
};
