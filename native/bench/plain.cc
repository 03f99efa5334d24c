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

void plainMatrix(const Shape& s, const Operands& o, float* out) {
  const long dn = s.channels * s.state;
  std::vector<float> decays(s.length * dn), inputs(s.length * dn), product(dn);
  for (long i = 0; i < s.length; i++)
    for (long d = 0; d < s.channels; d++)
      for (long n = 0; n < s.state; n++) {
        const float delta = o.delta[i * s.channels + d];
        decays[i * dn + d * s.state + n] = std::exp(delta * o.A[d * s.state + n]);
        inputs[i * dn + d * s.state + n] = delta * o.B[i * s.state + n];
      }
  for (long i = 0; i < s.length; i++)
    for (long j = 0; j <= i; j++) {
      for (float& p : product) p = 1;
      for (long k = i; k > j; k--)
        for (long e = 0; e < dn; e++) product[e] *= decays[k * dn + e];
      for (long d = 0; d < s.channels; d++) {
        float sum = 0;
        for (long n = 0; n < s.state; n++) sum += o.C[i * s.state + n] * product[d * s.state + n] * inputs[j * dn + d * s.state + n];
        out[(i * s.length + j) * s.channels + d] = sum;
      }
    }
}

}  // namespace bench
