// Sums over a warp and over a block, always in the same order.
#pragma once
#include "dialect.h"

namespace ha::gpu {

/// f over all 32 lanes, the same result in each.
template <class T, class F> __device__ __forceinline__ T warpReduce(T x, F f) {
#pragma unroll
  for (int w = 16; w; w /= 2) x = f(x, __shfl_xor_sync(~0u, x, w));
  return x;
}
template <class T> __device__ __forceinline__ T warpSum(T x) {
  return warpReduce(x, [](T a, T b) { return a + b; });
}

/// f over all threads of the block (a multiple of 32, at most 1024), the same result in each. `rest`: what changes nothing.
/// May be called again at once.
template <class T, class F> __device__ __forceinline__ T blockReduce(T x, T rest, F f) {
  SHARED(parts, T[32]);
  const int warps = static_cast<int>(blockDim.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  x = warpReduce(x, f);
  if (warps == 1) return x;
  if (lane == 0) parts[threadIdx.x / 32] = x;
  __syncthreads();
  x = warpReduce(lane < warps ? parts[lane] : rest, f);
  __syncthreads();
  return x;
}
template <class T> __device__ __forceinline__ T blockSum(T x) {
  return blockReduce(x, T(0), [](T a, T b) { return a + b; });
}

}  // namespace ha::gpu
