// What the kernels of the causal convolution share: where rows and texts end, and what a thread has of it.
#pragma once
#include "../../device/gpu/numbers.h"

namespace ha::gpu {

constexpr int kConvThreads = 256;
inline unsigned convBlocks(Gpu& gpu, int64_t count) { return gridX(least(divideUp(count, kConvThreads), gpu.multiprocessors * 32)); }

template <class Arguments> __device__ __forceinline__ int64_t endOf(const Arguments& o, int64_t b) {
  const int64_t own = o.lengths ? o.lengths[b] : o.length;
  return own < 0 ? 0 : own > o.length ? o.length : own;
}
/// Where the text of position i begins: nothing before it counts. The first of a row goes on from what was carried in.
template <class Arguments> __device__ __forceinline__ int64_t textStart(const Arguments& o, int64_t b, int64_t i) {
  const int64_t start = o.starts ? o.starts[b * o.length + i] : 0;
  return start > 0 ? start : -o.width;
}

/// A vector of V channels at a run of positions.
struct ConvPlace {
  int64_t d, run, b;
  __device__ ConvPlace(int64_t at, int64_t vectors, int64_t runs, int V) : d(at % vectors * V), run(at / vectors % runs), b(at / vectors / runs) {}
};
/// V channels of x at position i ≥ −3 of a row; before 0 what was carried in.
template <class T, int V> __device__ __forceinline__ void inputs(float (&to)[V], const T* x, const In& initial, int64_t b, int64_t i, int64_t d, int64_t length, int64_t channels) {
  if (i >= 0) return load<T, V>(to, x + (b * length + i) * channels + d);
#pragma unroll
  for (int c = 0; c < V; c++) to[c] = initial.data ? numberOf(initial, (b * channels + d + c) * 3 + i + 3) : 0;
}

/// body(T, V): the type of the long operands and the channels that are read at once, as constants.
template <class F, class... Pointers> void withConvVectors(DType dtype, int64_t channels, const F& body, Pointers... pointers) {
  withType(dtype, [&](auto zero) {
    using T = decltype(zero);
    if (packable(channels, 4, sizeof(T), pointers...)) body(zero, std::integral_constant<int, 4>());
    else body(zero, std::integral_constant<int, 1>());
  });
}

constexpr int64_t kConvRun = 16;  // positions of a run: the three before it are read twice

}  // namespace ha::gpu
