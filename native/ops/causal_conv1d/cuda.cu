// The depthwise causal convolution. Filters of four taps, as models have them: a thread a run of positions of up to four channels,
// the last inputs in registers. Any other width: one number a thread. One position, as generation has it: one kernel moves the window too.
#include "cuda_parts.h"

namespace ha::gpu {
namespace {

constexpr int kThreads = kConvThreads;

template <class T, int V, bool Silu> __global__ __launch_bounds__(kThreads) void fourTapsKernel(CausalConv1d o, const T* x, T* y) {
  const int64_t vectors = o.channels / V, runs = (o.length + kConvRun - 1) / kConvRun, count = o.batch * runs * vectors;
  for (int64_t at = blockIdx.x * int64_t{kThreads} + threadIdx.x; at < count; at += int64_t{gridDim.x} * kThreads) {
    const ConvPlace p(at, vectors, runs, V);
    const int64_t first = p.run * kConvRun, last = first + kConvRun < o.length ? first + kConvRun : o.length, end = endOf(o, p.b);
    const FourTaps<V> taps(o.weight, o.bias, p.d);
    float window[4][V];  // the newest input last
#pragma unroll
    for (int k = 0; k < 3; k++) inputs<T, V>(window[k + 1], x, o.initial, p.b, first - 3 + k, p.d, o.length, o.channels);
#pragma unroll 4
    for (int64_t i = first; i < last; i++) {
#pragma unroll
      for (int k = 0; k < 3; k++)
#pragma unroll
        for (int c = 0; c < V; c++) window[k][c] = window[k + 1][c];
      load<T, V>(window[3], x + (p.b * o.length + i) * o.channels + p.d);
      float sum[V];
      taps.convolve(sum, window, i, textStart(o, p.b, i));
#pragma unroll
      for (int c = 0; c < V; c++) sum[c] = i >= end ? 0 : Silu ? silu(sum[c]) : sum[c];
      store<T, V>(y + (p.b * o.length + i) * o.channels + p.d, sum);
    }
  }
}

__device__ __forceinline__ float resultAt(const CausalConv1d& o, int64_t b, int64_t i, int64_t d) {
  if (i >= endOf(o, b)) return 0;
  const float c = convolvedAt(o, b, i, d);
  return o.silu ? silu(c) : c;
}

__global__ void anyTapsKernel(CausalConv1d o) {
  const int64_t count = o.batch * o.length * o.channels;
  for (int64_t at = blockIdx.x * int64_t{kThreads} + threadIdx.x; at < count; at += int64_t{gridDim.x} * kThreads)
    putNumber(o.y, at, resultAt(o, at / o.channels / o.length, at / o.channels % o.length, at % o.channels));
}

/// `final` may be initial's own memory: each thread moves its channel's numbers forwards. Of one position also y, before they move.
__global__ void carryKernel(CausalConv1d o, bool withY) {
  const int64_t carried = o.width - 1;
  for (int64_t at = blockIdx.x * int64_t{kThreads} + threadIdx.x; at < o.batch * o.channels; at += int64_t{gridDim.x} * kThreads) {
    const int64_t d = at % o.channels, b = at / o.channels, end = endOf(o, b), start = end > 0 ? textStart(o, b, end - 1) : -o.width;
    if (withY) putNumber(o.y, at, resultAt(o, b, 0, d));
    for (int64_t k = 0; k < carried; k++) {
      const int64_t from = end - carried + k;
      putNumber(o.final, at * carried + k, from < start ? 0 : inputAt(o, b, from, d));
    }
  }
}

}  // namespace

void causalConv1d(Gpu& gpu, const CausalConv1d& o) {
  const int64_t rows = o.batch * o.channels;
  if (rows == 0) return;
  const bool oneKernel = o.length == 1 && o.final.data;
  if (!oneKernel && o.length) {
    if (o.width == 4 && o.x.dtype == o.y.dtype)
      withConvVectors(o.x.dtype, o.channels, o.silu, [&](auto zero, auto vector, auto silu) {
        using T = decltype(zero);
        constexpr int V = decltype(vector)::value;
        constexpr bool Silu = decltype(silu)::value;
        LAUNCH((fourTapsKernel<T, V, Silu>), convBlocks(gpu, o.batch * divideUp(o.length, kConvRun) * (o.channels / V)), kThreads, 0, gpu.stream, o, as<T>(o.x), as<T>(o.y));
      }, o.x.data, o.y.data);
    else LAUNCH(anyTapsKernel, convBlocks(gpu, rows * o.length), kThreads, 0, gpu.stream, o);
  }
  if (o.final.data) LAUNCH(carryKernel, convBlocks(gpu, rows), kThreads, 0, gpu.stream, o, oneKernel);
}

}  // namespace ha::gpu
