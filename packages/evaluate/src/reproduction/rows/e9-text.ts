import type { ReproductionRow, Verdict } from '../row.js';
import { meanPooling } from '../pooling.js';
import { runOwnSweep } from '../sweep-findings.js';

export const textRow: ReproductionRow = {
  id: 'E9',
  title: 'Activation and pruning of text',
  item: 'Figure 5',
  method:
    'Ham or spam by the first 256 bytes of held-out e-mails, words as units. Activation: everything blank at first, the highest-ranked words put back first; area under the probability of the right label (AUAC). Pruning: the lowest |relevance| first; area under the squared change of the logits (AU-MSE). A space stands for a removed byte. Mamba and transformer have the same size, data and steps (`packages/evaluate/recipes/comparison`).',
  samples: 200,
  roles: ['mail-mamba', 'mail-mamba2', 'mail-transformer'],
  async run(context) {
    const { curves } = await import('@hidden-attention/plot');
    const found = await runOwnSweep(context, 'text.json');
    const verdicts: Verdict[] = [];
    const place = (model: string, method: string, name: string, protocol: string) => ({ data: 'mail', model, method, name, protocol });
    for (const [protocol, figure, expected] of [
      ['activation', 'AUAC', 'not-smaller'],
      ['pruning', 'AU-MSE', 'not-larger'],
    ] as const)
      verdicts.push(
        ...found.compare(
          { claim: `${protocol}: Mamba-Attribution comparable or better`, published: '“comparable or occasionally superior”', expected },
          figure,
          place('mail-mamba', 'mamba-attribution', 'Mamba', protocol),
          place('mail-transformer', 'transformer-attribution', 'transformer', protocol),
        ),
      );
    for (const other of ['raw', 'rollout', 'random'])
      for (const [protocol, figure, expected] of [
        ['activation', 'AUAC', 'larger'],
        ['pruning', 'AU-MSE', 'smaller'],
      ] as const)
        verdicts.push(
          ...found.compare(
            { claim: `${protocol} of Mamba: mamba-attribution is ahead of ${other}`, published: 'curves only', expected },
            figure,
            place('mail-mamba', 'mamba-attribution', 'mamba-attribution', protocol),
            place('mail-mamba', other, other, protocol),
          ),
        );
    const series = found.curves('mail', 'activation', 'activation');
    const svg = (): string =>
      curves({ series, title: 'Words put back, highest-ranked first', xLabel: 'share put back', yLabel: 'probability of the right label' });
    const text = 'The probability of the right label while words are put back, highest-ranked first, by method';
    return {
      verdicts,
      tables: [found.table('AUAC', 'mail', 'activation', ['AUAC']), found.table('AU-MSE', 'mail', 'pruning', ['AU-MSE'])],
      pictures: series.length > 0 ? [{ file: 'E9-activation.svg', text, svg: svg() }] : [],
      lacking: ['the models were trained with a tenth of the bytes replaced by random ones, not with words blanked', meanPooling],
    };
  },
};
