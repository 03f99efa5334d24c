// What the kernels of the causal convolution share: where rows and texts end, and what a thread has of it.
#pragma once
#include <type_traits>
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

/// The filter of V channels, of four taps.
template <int V> struct FourTaps {
  float weight[V][4], bias[V];
  __device__ __forceinline__ FourTaps(const In& taps, const In& biases, int64_t d) {
#pragma unroll
    for (int c = 0; c < V; c++) {
      bias[c] = biases.data ? numberOf(biases, d + c) : 0;
#pragma unroll
      for (int k = 0; k < 4; k++) weight[c][k] = numberOf(taps, (d + c) * 4 + k);
    }
  }
  /// The convolution at position i from the inputs of i − 3 … i, of which those from `start` on count.
  __device__ __forceinline__ void convolve(float (&sum)[V], const float (&window)[4][V], int64_t i, int64_t start) const {
#pragma unroll
    for (int c = 0; c < V; c++) {
      sum[c] = bias[c];
#pragma unroll
      for (int k = 0; k < 4; k++)
        if (i - 3 + k >= start) sum[c] = fmaf(weight[c][k], window[k][c], sum[c]);
    }
  }
};

/// Input i ≥ −carried of channel d, and the convolution at position i: of any width, in any type.
template <class Arguments> __device__ __forceinline__ float inputAt(const Arguments& o, int64_t b, int64_t i, int64_t d) {
  if (i >= 0) return numberOf(o.x, (b * o.length + i) * o.channels + d);
  return o.initial.data ? numberOf(o.initial, (b * o.channels + d) * (o.width - 1) + i + o.width - 1) : 0;
}
template <class Arguments> __device__ __forceinline__ float convolvedAt(const Arguments& o, int64_t b, int64_t i, int64_t d) {
  const int64_t first = i - o.width + 1, start = textStart(o, b, i);
  float total = o.bias.data ? numberOf(o.bias, d) : 0;
  for (int64_t k = 0; k < o.width; k++)
    if (first + k >= start) total = fmaf(numberOf(o.weight, d * o.width + k), inputAt(o, b, first + k, d), total);
  return total;
}

/// body(T, V, silu): the type of the long operands, the channels that are read at once and whether SiLU follows, as constants.
template <class F, class... Pointers> void withConvVectors(DType dtype, int64_t channels, bool silu, const F& body, Pointers... pointers) {
  withType(dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto ofVectors = [&](auto vector) { silu ? body(zero, vector, std::true_type()) : body(zero, vector, std::false_type()); };
    if (packable(channels, 4, sizeof(T), pointers...)) ofVectors(std::integral_constant<int, 4>());
    else ofVectors(std::integral_constant<int, 1>());
  });
}

constexpr int64_t kConvRun = 16;  // positions of a run: the three before it are read twice

}  // namespace ha::gpu
