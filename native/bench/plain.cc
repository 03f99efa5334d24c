// What anybody would write first: the formulas of math.md, position by position, one thread. Compiled with -O3 and nothing else.
#include <cmath>
#include <vector>
#include "bench.h"

namespace bench {

void plainScan(const Shape& s, const Operands& o, float* y) {
  std::vector<float> state(s.channels * s.state, 0.0f);
  for (long i = 0; i < s.length; i++)
    for (long d = 0; d < s.channels; d++) {
      const long at = i * s.channels + d;
      const float raw = o.delta[at] + o.deltaBias[d], delta = raw > 20 ? raw : std::log1p(std::exp(raw));
      float sum = 0;
      for (long n = 0; n < s.state; n++) {
        float& h = state[d * s.state + n];
        h = std::exp(delta * o.A[d * s.state + n]) * h + delta * o.B[i * s.state + n] * o.u[at];
        sum += o.C[i * s.state + n] * h;
      }
      sum += o.D[d] * o.u[at];
      y[at] = sum * o.z[at] / (1 + std::exp(-o.z[at]));
    }
}

/// The mean over channels of α by its definition: four loops and a fifth for the decay, the running product kept.
void plainMeanMatrix(const Shape& s, const Operands& o, float* out) {
  for (long i = 0; i < s.length; i++)
    for (long j = 0; j < s.length; j++) out[i * s.length + j] = 0;
  for (long d = 0; d < s.channels; d++)
    for (long j = 0; j < s.length; j++)
      for (long n = 0; n < s.state; n++) {
        float h = o.delta[j * s.channels + d] * o.B[j * s.state + n];
        out[j * s.length + j] += o.C[j * s.state + n] * h / s.channels;
        for (long i = j + 1; i < s.length; i++) {
          h *= std::exp(o.delta[i * s.channels + d] * o.A[d * s.state + n]);
          out[i * s.length + j] += o.C[i * s.state + n] * h / s.channels;
        }
      }
}

}  // namespace bench
