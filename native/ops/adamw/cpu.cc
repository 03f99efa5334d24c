// One AdamW step: one pass over the four arrays of every tensor. The tensors are cut into steps of equal size, which are
// shared out to the threads all together.
#include "../rows.h"

namespace ha::HA_ISA {

void adamw(Context& context, const Adamw& o) {
  constexpr int64_t kStep = 4096;
  const vf gradientScale = splat(o.gradientScale), beta1 = splat(o.beta1), beta2 = splat(o.beta2);
  const vf rest1 = splat(1 - o.beta1), rest2 = splat(1 - o.beta2);
  const vf rate = splat(o.learningRate), epsilon = splat(o.epsilon);
  const vf unbias1 = splat(1 / o.correction1), unbias2 = splat(1 / o.correction2);
  const auto steps = [](const Adamw::Item& item) { return (item.count + kStep - 1) / kStep; };
  int64_t all = 0, numbers = 0;
  for (const Adamw::Item& item : o.tensors) all += steps(item), numbers += item.count;
  if (!all) return;
  parallelParts(context, all, 0.7 * numbers / all, [&](int64_t first, int64_t last) {
    int64_t start = 0;  // the first step of the item at hand
    for (const Adamw::Item& item : o.tensors) {
      const int64_t from = first > start ? first - start : 0, to = minimum(last - start, steps(item));
      start += steps(item);
      if (from >= to) continue;
      const vf decay = splat(item.decay);
      eachVector(from * kStep, minimum(to * kStep, item.count), [&](int64_t i, int lanes) HA_INLINED {
        const vf g = gradientScale * loadPart(item.gradient + i, lanes), p = loadPart(item.parameter + i, lanes);
        const vf m = fma(beta1, loadPart(item.m + i, lanes), rest1 * g);
        const vf v = fma(beta2, loadPart(item.v + i, lanes), rest2 * g * g);
        storePart(item.m + i, m, lanes), storePart(item.v + i, v, lanes);
        const vf step = m * unbias1 / (vsqrt(v * unbias2) + epsilon);
        storePart(item.parameter + i, p - rate * fma(decay, p, step), lanes);
      });
    }
  });
}

}  // namespace ha::HA_ISA
