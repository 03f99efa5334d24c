// One AdamW step, one pass over the four arrays.
#include "../rows.h"

namespace ha::HA_ISA {

void adamw(Context& context, const Adamw& o) {
  constexpr int64_t kStep = 4096;
  const vf gradientScale = splat(o.gradientScale), beta1 = splat(o.beta1), beta2 = splat(o.beta2);
  const vf rest1 = splat(1 - o.beta1), rest2 = splat(1 - o.beta2);
  const vf rate = splat(o.learningRate), decay = splat(o.decay), epsilon = splat(o.epsilon);
  const vf unbias1 = splat(1 / o.correction1), unbias2 = splat(1 / o.correction2);
  parallelParts(context, (o.count + kStep - 1) / kStep, 0.7 * kStep, [&](int64_t first, int64_t last) {
    eachVector(first * kStep, minimum(last * kStep, o.count), [&](int64_t i, int lanes) HA_INLINED {
      const vf g = gradientScale * loadPart(o.gradient + i, lanes), p = loadPart(o.parameter + i, lanes);
      const vf m = fma(beta1, loadPart(o.m + i, lanes), rest1 * g);
      const vf v = fma(beta2, loadPart(o.v + i, lanes), rest2 * g * g);
      storePart(o.m + i, m, lanes), storePart(o.v + i, v, lanes);
      const vf step = m * unbias1 / (vsqrt(v * unbias2) + epsilon);
      storePart(o.parameter + i, p - rate * fma(decay, p, step), lanes);
    });
  });
}

}  // namespace ha::HA_ISA
