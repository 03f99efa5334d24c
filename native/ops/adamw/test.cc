// Three AdamW steps against the formula in double precision.
#include <cmath>
#include "../../test/check.h"

namespace {
using namespace ha;

TEST(adamwSteps) {
  for (int64_t count : {0, 1, 17, 100, 200001}) {
    check.label = std::to_string(count) + " numbers";
    Floats p = check.normal(count), m(count), v(count);
    Doubles wantP(p.begin(), p.end()), wantM(count), wantV(count);
    const double rate = 1e-2, beta1 = 0.9f, beta2 = 0.95f, epsilon = 1e-8, decay = 0.1, gradientScale = 0.5;
    for (int step = 1; step <= 3; step++) {
      const Floats gradient = check.normal(count);
      const double correction1 = 1 - std::pow(beta1, step), correction2 = 1 - std::pow(beta2, step);
      check.op.adamw(check.context, {count, (float)rate, (float)beta1, (float)beta2, (float)epsilon, (float)decay, (float)correction1,
                                     (float)correction2, (float)gradientScale, gradient.data(), p.data(), m.data(), v.data()});
      for (int64_t i = 0; i < count; i++) {
        const double g = gradientScale * gradient[i];
        wantM[i] = beta1 * wantM[i] + (1 - beta1) * g;
        wantV[i] = beta2 * wantV[i] + (1 - beta2) * g * g;
        wantP[i] -= rate * (wantM[i] / correction1 / (std::sqrt(wantV[i] / correction2) + epsilon) + decay * wantP[i]);
      }
    }
    check.close("p", p, wantP, 1e-6);
    check.close("m", m, wantM, 1e-6);
    check.close("v", v, wantV, 1e-6);
  }
}

}  // namespace
