// Shared by the parts of native_bench.
#pragma once

namespace bench {

struct Shape {
  long length, channels, state;
};
/// Row-major, batch 1: u, delta, z (l d), A (d n), B, C (l n), D, deltaBias (d).
struct Operands {
  const float *u, *delta, *z, *A, *B, *C, *D, *deltaBias;
};

void plainScan(const Shape&, const Operands&, float* y);
void plainMeanMatrix(const Shape&, const Operands&, float* out);

/// Everything a fused scan must compute, from registers, with nothing loaded or stored: an exponential, three multiplications
/// and two multiply-adds a state, a softplus and a SiLU a channel, for `updates` states; returns a number that depends on all.
float scanArithmetic(long updates, long state);

}  // namespace bench
