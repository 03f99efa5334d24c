import { kinds, methods } from '../kinds.js';
import type { ReproductionRow, Verdict } from '../row.js';
import { runOwnSweep } from '../sweep-findings.js';

/** Table 1: what is removed first → method → [Mamba, transformer]. */
const published = {
  positive: { Raw: [17.27, 20.69], Rollout: [18.81, 20.6], Attribution: [16.62, 15.35] },
  negative: { Raw: [34.03, 40.77], Rollout: [41.87, 43.53], Attribution: [39.63, 48.09] },
} as const;
const variants = ['', ':released'] as const;

const each = variants.flatMap((variant) =>
  (['positive', 'negative'] as const).flatMap((figure) => kinds.map((kind) => [figure, kind, variant] as const)),
);

export const perturbationRow: ReproductionRow = {
  id: 'E6',
  title: 'Perturbation',
  item: 'Table 1',
  method:
    'Accuracy while the highest-ranked (positive) or lowest-ranked (negative) pixels are made black, area from 0 to 0.9, at most 90; on test images, for the predicted class as in the paper, and of attribution also for the true one and with mean and blurred fills (raw attention and rollout are the same for all classes). A claim here is which of the two models has the smaller area, as in table 1; areas also depend on how often a model is right to begin with.',
  samples: 200,
  roles: ['garments-mamba', 'garments-transformer', 'digits-mamba', 'digits-transformer'],
  async run(context) {
    const found = await runOwnSweep(context, 'perturbation.json');
    const verdicts: Verdict[] = [];
    for (const data of ['garments', 'digits'])
      for (const [figure, kind, variant] of each) {
        const [mamba, transformer] = published[figure][kind];
        const [ours, theirs] = methods[kind];
        const place = (model: string, method: string, name: string) => ({ data, model, method, name, protocol: 'perturbation' });
        verdicts.push(
          ...found.compare(
            {
              claim: `${data}, ${figure}, ${kind}${variant}: Mamba’s area is ${mamba < transformer ? 'smaller' : 'larger'} than the transformer’s`,
              published: `${mamba} against ${transformer}`,
              expected: mamba < transformer ? 'smaller' : 'larger',
            },
            figure,
            place(`${data}-mamba`, ours + variant, 'Mamba'),
            place(`${data}-transformer`, theirs, 'transformer'),
          ),
        );
      }
    for (const data of ['garments', 'digits']) {
      const place = (method: string) => ({ data, model: `${data}-mamba`, method, name: method, protocol: 'perturbation' });
      for (const [better, other] of [
        ['mamba-attribution', 'raw'],
        ['mamba-attribution', 'rollout'],
        ['mamba-attribution', 'random'],
      ] as const)
        verdicts.push(
          ...found.compare(
            {
              claim: `${data}, positive: Mamba’s ${better} is below its ${other}`,
              published: { raw: '16.62 against 17.27', rollout: '16.62 against 18.81', random: '—' }[other],
              expected: 'smaller',
            },
            'positive',
            place(better),
            place(other),
          ),
        );
    }
    const tables = ['garments', 'garments-true-class', 'garments-fills', 'digits', 'digits-true-class', 'digits-fills'].flatMap((name) =>
      found.sweep.protocols.map(({ as }) => found.table(`${name.split('-')[0]!}, ${as}`, name, as, ['positive', 'negative'])),
    );
    return { verdicts, tables: tables.filter(({ rows }) => rows.length > 0), lacking: [] };
  },
};
