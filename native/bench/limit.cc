// The machine's own limit for the arithmetic of a scan. Compiled for the machine it is built on.
#include "../device/simd.h"
#include "bench.h"

namespace bench {

using namespace ha::HA_ISA;

float scanArithmetic(long updates, long state) {
  // independent chains hide each other's latency, as the states of a vector of channels do
  constexpr int kChains = 8;
  vf h[kChains], a[kChains], y = splat(0), x = splat(0.3f), delta = splat(0.01f);
  for (int k = 0; k < kChains; k++) h[k] = splat(0), a[k] = splat(-0.1f * (k + 1));
  const long channels = updates / state / W;
  for (long c = 0; c < channels; c++) {
    const vf step = softplus(x), input = step * x;
    for (long n = 0; n < state; n += kChains) {
#pragma GCC unroll 8
      for (int k = 0; k < kChains; k++) {
        h[k] = fma(exp2(step * a[k]), h[k], input * delta);
        y = fma(h[k], delta, y);
      }
      asm volatile("" : "+x"(delta));
    }
    y = y * silu(x);
    asm volatile("" : "+x"(x));
  }
  return sum(y);
}

}  // namespace bench
