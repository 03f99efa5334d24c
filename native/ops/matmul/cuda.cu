// Matrix products: few rows read the weight as it is (cuda_rows.cu); else the card's own library where it is installed; else tensor
// cores for 16 bits (cuda_tensor_cores.cu) and, for f32, tiles of 64×64 with 4×4 numbers a thread.
#include <type_traits>
#include "cuda_parts.h"

namespace ha::gpu {
namespace {

constexpr int kTile = 64, kDepth = 16, kThreads = 256, kOwn = 4;

/// The k loop runs in one order: the same bits whatever the grid.
__global__ __launch_bounds__(kThreads) void matmulKernel(int64_t m, int64_t n, int64_t k, bool transposeA, bool transposeB, const float* a, const float* b,
                                                         MatmulResult<float> result) {
  SHARED(left, float[kDepth][kTile + 4]);
  SHARED(right, float[kDepth][kTile + 4]);
  const int thread = static_cast<int>(threadIdx.x), row = thread / 16 * kOwn, column = thread % 16 * kOwn;
  const int64_t columnTiles = (n + kTile - 1) / kTile, tiles = (m + kTile - 1) / kTile * columnTiles;
  for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    const int64_t i0 = tile / columnTiles * kTile, j0 = tile % columnTiles * kTile;
    float sum[kOwn][kOwn] = {};
    for (int64_t k0 = 0; k0 < k; k0 += kDepth) {
      for (int at = thread; at < kTile * kDepth; at += kThreads) {
        // neighbours in memory go to neighbouring threads
        const int ai = transposeA ? at % kTile : at / kDepth, ak = transposeA ? at / kTile : at % kDepth;
        const int64_t i = i0 + ai, ka = k0 + ak;
        left[ak][ai] = i < m && ka < k ? (transposeA ? a[ka * m + i] : a[i * k + ka]) : 0.f;
        const int bj = transposeB ? at / kDepth : at % kTile, bk = transposeB ? at % kDepth : at / kTile;
        const int64_t j = j0 + bj, kb = k0 + bk;
        right[bk][bj] = j < n && kb < k ? (transposeB ? b[j * k + kb] : b[kb * n + j]) : 0.f;
      }
      __syncthreads();
#pragma unroll
      for (int d = 0; d < kDepth; d++) {
        float p[kOwn], q[kOwn];
#pragma unroll
        for (int e = 0; e < kOwn; e++) p[e] = left[d][row + e], q[e] = right[d][column + e];
#pragma unroll
        for (int e = 0; e < kOwn; e++)
#pragma unroll
          for (int f = 0; f < kOwn; f++) sum[e][f] += p[e] * q[f];
      }
      __syncthreads();
    }
#pragma unroll
    for (int e = 0; e < kOwn; e++)
#pragma unroll
      for (int f = 0; f < kOwn; f++) {
        const int64_t i = i0 + row + e, j = j0 + column + f;
        if (i < m && j < n) result.put(i, j, sum[e][f]);
      }
  }
}

template <class C> __global__ void addBiasKernel(int64_t count, int64_t n, const float* bias, C* c) {
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < count; i += int64_t{gridDim.x} * kThreads) c[i] = fromFloat<C>(toFloat(c[i]) + bias[i % n]);
}

}  // namespace

void matmul(Gpu& gpu, const Matmul& call) {
  const Matmul o = placed(call);
  if (!o.m || !o.n) return;
  if (matmulFewRows(gpu, o)) return;
  if (o.a.dtype != o.b.dtype || (o.c.dtype != o.a.dtype && o.c.dtype != DType::f32) || !allOf(DType::f32, o.bias)) return inF32(gpu, matmul, o);
  if (gpu.libraryMatmul(o)) {
    if (o.bias.data)
      withType(o.c.dtype, [&](auto zero) {
        using C = decltype(zero);
        LAUNCH((addBiasKernel<C>), gridX(least(divideUp(o.m * o.n, kThreads), gpu.multiprocessors * 32)), kThreads, 0, gpu.stream, o.m * o.n, o.n, as<float>(o.bias),
               as<C>(o.c));
      });
    return;
  }
  if (matmulTensorCores(gpu, o)) return;
  LAUNCH(matmulKernel, gridX(divideUp(o.m, kTile) * divideUp(o.n, kTile)), kThreads, 0, gpu.stream, o.m, o.n, o.k, o.transposeA, o.transposeB, as<float>(o.a),
         as<float>(o.b), MatmulResult<float>{o.n, o.accumulate, as<float>(o.bias), as<float>(o.c)});
}

}  // namespace ha::gpu
