// Few rows times a weight: reading the weight is what takes the time. A warp a row of the weight (several where there are few rows of
// it), 16 bytes a lane at a time; the rows of a are small and stay in the caches.
#include "../../device/gpu/sums.h"
#include "cuda_parts.h"

namespace ha::gpu {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32, kRows = 8;

/// V numbers at a time; kShare warps share a row of the weight.
template <class T, class A, class C, int V, int kShare>
__global__ __launch_bounds__(kThreads) void fewRowsKernel(int rows, int64_t n, int64_t k, const A* a, const T* b, MatmulResult<C> result) {
  SHARED(parts, float[kWarps][kRows]);
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32, own = warp % kShare;
  const int64_t j = blockIdx.x * int64_t{kWarps / kShare} + warp / kShare;
  float sum[kRows] = {};
  if (j < n)
#pragma unroll 2
    for (int64_t p = (own * 32 + lane) * V; p < k; p += kShare * 32 * V) {
      float w[V];
      load<T, V>(w, b + j * k + p);
#pragma unroll
      for (int i = 0; i < kRows; i++) {
        if (i >= rows) break;
        float x[V];
        load<A, V>(x, a + i * k + p);
#pragma unroll
        for (int e = 0; e < V; e++) sum[i] = fmaf(w[e], x[e], sum[i]);
      }
    }
#pragma unroll
  for (int i = 0; i < kRows; i++) {
    if (i >= rows) break;
    sum[i] = warpSum(sum[i]);
    if (kShare > 1 && lane == 0) parts[warp][i] = sum[i];
  }
  if (kShare > 1) __syncthreads();
  if (j >= n || own || lane) return;
#pragma unroll
  for (int i = 0; i < kRows; i++) {
    if (i >= rows) break;
    if (kShare > 1)
      for (int other = 1; other < kShare; other++) sum[i] += parts[warp + other][i];
    result.put(i, j, sum[i]);
  }
}

}  // namespace

bool matmulFewRows(Gpu& gpu, const Matmul& o) {
  if (o.m > kRows || o.transposeA || !o.transposeB || !o.k || !allOf(DType::f32, o.bias)) return false;
  if ((o.a.dtype != o.b.dtype && o.a.dtype != DType::f32) || (o.c.dtype != o.b.dtype && o.c.dtype != DType::f32)) return false;
  withType(o.b.dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto launch = [&](auto ofA, auto result) {
      using A = decltype(ofA);
      constexpr int kMost = 16 / sizeof(T);
      const auto run = [&](auto vector, auto share) {
        constexpr int V = decltype(vector)::value, kShare = decltype(share)::value;
        LAUNCH((fewRowsKernel<T, A, typename decltype(result)::Type, V, kShare>), gridX(divideUp(o.n, kWarps / kShare)), kThreads, 0, gpu.stream, static_cast<int>(o.m), o.n, o.k,
               as<A>(o.a), as<T>(o.b), result);
      };
      const bool few = o.n < gpu.multiprocessors * 16;  // rows of the weight, for the warps that a card holds
      if (!packable(o.k, kMost, sizeof(T), o.b.data) || !packable(o.k, kMost, sizeof(A), o.a.data)) run(std::integral_constant<int, 1>(), std::integral_constant<int, 1>());
      else if (few) run(std::integral_constant<int, kMost>(), std::integral_constant<int, 4>());
      else run(std::integral_constant<int, kMost>(), std::integral_constant<int, 1>());
    };
    const auto withA = [&](auto result) {
      if (o.a.dtype == DType::f32) launch(float{}, result);
      else launch(T{}, result);
    };
    if (o.c.dtype == DType::f32) withA(MatmulResult<float>{o.n, o.accumulate, as<float>(o.bias), as<float>(o.c)});
    else withA(MatmulResult<T>{o.n, o.accumulate, as<float>(o.bias), as<T>(o.c)});
  });
  return true;
}

}  // namespace ha::gpu
