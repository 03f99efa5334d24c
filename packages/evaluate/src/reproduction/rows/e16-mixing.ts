import { packageFolder } from '../../folder.js';
import type { ReproductionRow, Verdict } from '../row.js';

/** `examples/mixing.mjs`, which prints the same. */
interface Mixing {
  inputs: [Float32Array, Float32Array];
  fixedMixing(input: Float32Array): Promise<Float32Array>;
  gatedMixing(input: Float32Array): Promise<Float32Array>;
  selectiveMixing(input: Float32Array): Promise<Float32Array>;
  difference(one: Float32Array, other: Float32Array): string;
}

const claims = [
  ['S4, DSS, S5: another input changes nothing of the mixing', 'fixedMixing', 'same'],
  ['GSS, Hyena: it changes a factor for each row and column', 'gatedMixing', 'diagonal'],
  ['S6: it changes the operator off its diagonal as well', 'selectiveMixing', 'off-diagonal'],
] as const;

export const mixing: ReproductionRow = {
  id: 'E16',
  title: 'How layers mix positions',
  item: 'Theorem 1',
  method:
    'The mixing operators of an S4-like layer, a gated convolution and a selective scan for two inputs; what of them differs is decided from the ratios of their entries ([as programs](expressiveness.md)).',
  samples: 0,
  roles: [],
  async run() {
    const of = (await import(new URL('examples/mixing.mjs', packageFolder).href)) as Mixing;
    const verdicts: Verdict[] = [];
    for (const [claim, name, expected] of claims) {
      const found = of.difference(await of[name](of.inputs[0]), await of[name](of.inputs[1]));
      verdicts.push({ claim, published: 'proved', here: `what differs: ${found}`, held: found === expected ? 'yes' : 'no' });
    }
    return { verdicts, tables: [], lacking: [] };
  },
};
