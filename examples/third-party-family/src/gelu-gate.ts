// An op of one's own with relevance rules: x ⊙ GELU(z), as `gate` is x ⊙ SiLU(z).
import { registerRules } from '@hidden-attention/explain';
import { affine, defineOp, gelu, gradient, multiply, scope, unrecorded, type Op, type Tensor } from '@hidden-attention/tensor';

type In = { x: Tensor; z: Tensor };
type Out = { y: Tensor };

const product = ({ x, z }: In): Tensor => multiply(x, gelu(z));

const op: Op<In, object, Out> = defineOp<In, object, Out>({
  name: 'geluGate',
  signature: 'x: ..., z: ... -> y: ...',
  forward: (inputs) => ({ outputs: { y: unrecorded(() => scope(() => product(inputs))) } }),
  gradient({ inputs: { x, z } }, { y: seed }) {
    if (!seed) return {};
    const { gradients } = gradient(() => product({ x, z }), [x, z], { seed });
    return { x: gradients[0]!, z: gradients[1]! };
  },
  rules: {
    /** GELU(z) counts as a constant: what is left is linear in x */
    hold: ({ inputs: { z } }, { y: dy }) => (dy ? { x: unrecorded(() => scope(() => multiply(dy, gelu(z)))) } : {}),
    /** each factor gets half, and GELU(z)/z is held */
    half({ inputs: { x, z } }, { y: dy }) {
      if (!dy) return {};
      const half = affine(dy, 0.5);
      const { gradients } = gradient(() => gelu(z), [z], { seed: multiply(half, x), rules: { gelu: 'holdRatio', geluTanh: 'holdRatio' } });
      return { x: multiply(half, gelu(z)), z: gradients[0]! };
    },
  },
});
registerRules('geluGate', { decomposition: 'hold', mambaLrp: 'half' });

/** x ⊙ GELU(z), any shape, the same for both. Rules: `hold`, `half`. */
export const geluGate = (inputs: In): Tensor => op(inputs, {}).y;
