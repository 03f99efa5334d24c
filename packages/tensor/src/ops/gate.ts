import { defineOp } from '../op.js';
import { scope } from '../scope.js';
import type { Float, Tensor } from '../tensor.js';
import { binary, unary, unaryBackward } from './elementwise.js';

type In = { x: Tensor; z: Tensor };

const op = defineOp<In, object, { y: Tensor<Float> }>({
  name: 'gate',
  signature: 'x: ..., z: ... -> y: ...',
  forward: ({ x, z }) => ({ outputs: { y: scope(() => binary('multiply', x, unary('silu', z))) } }),
  gradient({ inputs: { x, z } }, { y: dy }, needs) {
    if (!dy) return {};
    return scope(() => ({
      x: needs('x') ? binary('multiply', dy, unary('silu', z)) : undefined,
      z: needs('z') ? unaryBackward('silu', z, binary('multiply', dy, x)) : undefined,
    }));
  },
  rules: {
    // SiLU(z) counts as a constant (math.md section 4)
    hold({ inputs: { z } }, { y: dy }) {
      return dy ? scope(() => ({ x: binary('multiply', dy, unary('silu', z)) })) : {};
    },
    // each factor gets half, and SiLU(z) = σ(z)·z has its ratio σ(z) held (MambaLRP; math.md section 5)
    half({ inputs: { x, z } }, { y: dy }, needs) {
      if (!dy) return {};
      return scope(() => {
        const halved = unary('affine', dy, 0.5);
        return {
          x: needs('x') ? binary('multiply', halved, unary('silu', z)) : undefined,
          z: needs('z') ? binary('multiply', binary('multiply', halved, x), unary('sigmoid', z)) : undefined,
        };
      });
    },
  },
});

/**
 * x ⊙ SiLU(z), any shape, the same for both.
 * Rules: `hold`: SiLU(z) counts as a constant, z gets nothing. `half`: each factor gets half, ½·dy·SiLU(z) and ½·dy·x·σ(z).
 */
export function gate({ x, z }: In): Tensor<Float> {
  return op({ x, z }, {}).y;
}
