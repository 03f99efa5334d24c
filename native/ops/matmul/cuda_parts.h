// The products that cuda.cu chooses from; each says whether it has done it.
#pragma once
#include "../../device/gpu/numbers.h"

namespace ha::gpu {

/// What becomes of a sum: bias, what c held, rounding.
template <class C> struct MatmulResult {
  using Type = C;
  int64_t n;
  bool accumulate;
  const float* bias;
  C* c;
  __device__ __forceinline__ void put(int64_t i, int64_t j, float sum) const {
    if (bias) sum += bias[j];
    if (accumulate) sum += toFloat(c[i * n + j]);
    c[i * n + j] = fromFloat<C>(sum);
  }
};
/// At most 8 rows of a and a weight [n k] of any type, which is read once, as it is stored (cuda_rows.cu).
bool matmulFewRows(Gpu&, const Matmul&);
/// a and b of one type of 16 bits (cuda_tensor_cores.cu).
bool matmulTensorCores(Gpu&, const Matmul&);

}  // namespace ha::gpu
