// The gradients of the causal convolution; those of filter and bias are summed over runs of positions, then over the runs in order.
// With SiLU behind it, each kernel computes the convolution again where it reads dy: dc = dy·SiLU′(c) is what it goes on with.
#include "cuda_parts.h"

namespace ha::gpu {
namespace {

constexpr int kThreads = kConvThreads;
constexpr int64_t kPositions = 128;  // of a part of the sums

/// dx of four taps: the filter turned round, over the dc that follow. A thread goes from the last position of its run to the first.
template <class T, int V, bool Silu> __global__ __launch_bounds__(kThreads) void fourTapsInputKernel(CausalConv1dBackward o, const T* x, const T* dy, T* dx) {
  const int64_t vectors = o.channels / V, runs = (o.length + kConvRun - 1) / kConvRun, count = o.batch * runs * vectors;
  for (int64_t at = blockIdx.x * int64_t{kThreads} + threadIdx.x; at < count; at += int64_t{gridDim.x} * kThreads) {
    const ConvPlace p(at, vectors, runs, V);
    const int64_t first = p.run * kConvRun, last = first + kConvRun < o.length ? first + kConvRun : o.length, end = endOf(o, p.b);
    const int64_t lastStart = end > 0 ? textStart(o, p.b, end - 1) : 0;
    const FourTaps<V> taps(o.weight, o.bias, p.d);
    float window[4][V];       // dc of i, i + 1, …
    int64_t start[4];         // and where the texts of these positions begin
    float before[4][V] = {};  // with SiLU: x of i − 3 … i
    const auto fetch = [&](float(&to)[V], int64_t i) {
      if constexpr (Silu) {
#pragma unroll
        for (int k = 3; k > 0; k--)
#pragma unroll
          for (int c = 0; c < V; c++) before[k][c] = before[k - 1][c];
        if (i - 3 < end) inputs<T, V>(before[0], x, o.initial, p.b, i - 3, p.d, o.length, o.channels);
      }
      if (i >= end) {
#pragma unroll
        for (int c = 0; c < V; c++) to[c] = 0;
        return o.length;
      }
      const int64_t start = textStart(o, p.b, i);
      load<T, V>(to, dy + (p.b * o.length + i) * o.channels + p.d);
      if constexpr (Silu) {
        float sum[V];
        taps.convolve(sum, before, i, start);
#pragma unroll
        for (int c = 0; c < V; c++) to[c] *= siluGradient(sum[c]);
      }
      return start;
    };
    if constexpr (Silu) {
#pragma unroll
      for (int k = 0; k < 3; k++)
        if (last + k < end) inputs<T, V>(before[k], x, o.initial, p.b, last + k, p.d, o.length, o.channels);
    }
#pragma unroll
    for (int k = 2; k >= 0; k--) start[k] = fetch(window[k], last + k);
    for (int64_t i = last - 1; i >= first; i--) {
#pragma unroll
      for (int k = 3; k > 0; k--) {
        start[k] = start[k - 1];
#pragma unroll
        for (int c = 0; c < V; c++) window[k][c] = window[k - 1][c];
      }
      start[0] = fetch(window[0], i);
      const int64_t carried = i - (end - 3);
      const bool leaves = o.dFinal.data && carried >= 0 && i < end && i >= lastStart;
      float sum[V];
#pragma unroll
      for (int c = 0; c < V; c++) {
        sum[c] = leaves ? numberOf(o.dFinal, (p.b * o.channels + p.d + c) * 3 + carried) : 0;
#pragma unroll
        for (int k = 3; k >= 0; k--)
          if (i >= start[k] && i + k < end) sum[c] = fmaf(taps.weight[c][3 - k], window[k][c], sum[c]);
        if (i >= end) sum[c] = 0;
      }
      store<T, V>(dx + (p.b * o.length + i) * o.channels + p.d, sum);
    }
  }
}

/// dc at position i.
__device__ __forceinline__ float beforeActivation(const CausalConv1dBackward& o, int64_t b, int64_t i, int64_t d) {
  const float dy = numberOf(o.dy, (b * o.length + i) * o.channels + d);
  return o.silu ? dy * siluGradient(convolvedAt(o, b, i, d)) : dy;
}
/// The gradient of the input at position i ≥ −carried.
__device__ __forceinline__ float gradientAt(const CausalConv1dBackward& o, int64_t b, int64_t i, int64_t d) {
  const int64_t carried = o.width - 1, end = endOf(o, b), last = i - (end - carried);
  const bool leaves = o.dFinal.data && last >= 0 && last < carried && !(end > 0 && i < textStart(o, b, end - 1));
  float total = leaves ? numberOf(o.dFinal, (b * o.channels + d) * carried + last) : 0;
  for (int64_t k = 0; k < o.width; k++) {
    const int64_t to = i + carried - k;
    if (to >= 0 && to < end && i >= textStart(o, b, to)) total = fmaf(numberOf(o.weight, d * o.width + k), beforeActivation(o, b, to, d), total);
  }
  return total;
}
__global__ void anyTapsInputKernel(CausalConv1dBackward o) {
  for (int64_t at = blockIdx.x * int64_t{kThreads} + threadIdx.x; at < o.batch * o.length * o.channels; at += int64_t{gridDim.x} * kThreads) {
    const int64_t d = at % o.channels, i = at / o.channels % o.length, b = at / o.channels / o.length;
    putNumber(o.dx, at, i < endOf(o, b) ? gradientAt(o, b, i, d) : 0);
  }
}
__global__ void initialGradientKernel(CausalConv1dBackward o) {
  const int64_t carried = o.width - 1;
  for (int64_t at = blockIdx.x * int64_t{kThreads} + threadIdx.x; at < o.batch * o.channels * carried; at += int64_t{gridDim.x} * kThreads)
    putNumber(o.dInitial, at, gradientAt(o, at / carried / o.channels, at % carried - carried, at / carried % o.channels));
}

/// partial[b, part, k, d] = Σ dc_i·x_{i+k−3} over the part's positions; k = 4: Σ dc_i. Of four taps, all five sums in one thread.
template <class T, int V, bool Silu> __global__ __launch_bounds__(kThreads) void fourTapsWeightKernel(CausalConv1dBackward o, int64_t parts, const T* x, const T* dy, float* partial) {
  const int64_t vectors = o.channels / V, count = o.batch * parts * vectors;
  for (int64_t at = blockIdx.x * int64_t{kThreads} + threadIdx.x; at < count; at += int64_t{gridDim.x} * kThreads) {
    const ConvPlace p(at, vectors, parts, V);
    const int64_t first = p.run * kPositions, end = endOf(o, p.b), last = first + kPositions < end ? first + kPositions : end;
    const FourTaps<V> taps(o.weight, o.bias, p.d);
    float sum[5][V] = {}, window[4][V] = {};
    if (first < last && x)
#pragma unroll
      for (int k = 0; k < 3; k++) inputs<T, V>(window[k + 1], x, o.initial, p.b, first - 3 + k, p.d, o.length, o.channels);
#pragma unroll 2
    for (int64_t i = first; i < last; i++) {
      float given[V];
      load<T, V>(given, dy + (p.b * o.length + i) * o.channels + p.d);
#pragma unroll
      for (int k = 0; k < 3; k++)
#pragma unroll
        for (int c = 0; c < V; c++) window[k][c] = window[k + 1][c];
      if (x) load<T, V>(window[3], x + (p.b * o.length + i) * o.channels + p.d);
      const int64_t start = textStart(o, p.b, i);
      if constexpr (Silu) {
        float convolved[V];
        taps.convolve(convolved, window, i, start);
#pragma unroll
        for (int c = 0; c < V; c++) given[c] *= siluGradient(convolved[c]);
      }
#pragma unroll
      for (int c = 0; c < V; c++) {
#pragma unroll
        for (int k = 0; k < 4; k++)
          if (i - 3 + k >= start) sum[k][c] = fmaf(given[c], window[k][c], sum[k][c]);
        sum[4][c] += given[c];
      }
    }
#pragma unroll
    for (int k = 0; k < 5; k++) store<float, V>(partial + ((p.b * parts + p.run) * 5 + k) * o.channels + p.d, sum[k]);
  }
}
__global__ void anyTapsWeightKernel(CausalConv1dBackward o, int64_t parts, float* partial) {
  const int64_t carried = o.width - 1, count = o.batch * parts * (o.width + 1) * o.channels;
  for (int64_t at = blockIdx.x * int64_t{kThreads} + threadIdx.x; at < count; at += int64_t{gridDim.x} * kThreads) {
    const int64_t d = at % o.channels, k = at / o.channels % (o.width + 1), part = at / o.channels / (o.width + 1), b = part / parts;
    const int64_t first = part % parts * kPositions, end = endOf(o, b);
    float total = 0;
    for (int64_t i = first; i < end && i < first + kPositions; i++) {
      const int64_t from = i + k - carried;
      if (k < o.width && (from < textStart(o, b, i) || !o.x.data)) continue;
      const float given = beforeActivation(o, b, i, d);
      total += k == o.width ? given : given * inputAt(o, b, from, d);
    }
    partial[at] = total;
  }
}

__global__ void addPartsKernel(CausalConv1dBackward o, int64_t parts, const float* partial) {
  for (int64_t at = blockIdx.x * int64_t{kThreads} + threadIdx.x; at < (o.width + 1) * o.channels; at += int64_t{gridDim.x} * kThreads) {
    const int64_t d = at % o.channels, k = at / o.channels;
    float total = 0;
    for (int64_t part = 0; part < parts; part++) total += partial[part * (o.width + 1) * o.channels + at];
    if (k < o.width && o.dweight.data) putNumber(o.dweight, d * o.width + k, total);
    if (k == o.width && o.dbias.data) putNumber(o.dbias, d, total);
  }
}

}  // namespace

void causalConv1dBackward(Gpu& gpu, const CausalConv1dBackward& o) {
  if (o.channels == 0) return;
  const int64_t count = o.batch * o.length * o.channels, carried = o.batch * o.channels * (o.width - 1);
  const bool fourTaps = o.width == 4 && allOf(o.dy.dtype, o.x, o.dx);
  if (o.dx.data && count) {
    if (fourTaps)
      withConvVectors(o.dy.dtype, o.channels, o.silu, [&](auto zero, auto vector, auto silu) {
        using T = decltype(zero);
        constexpr int V = decltype(vector)::value;
        constexpr bool Silu = decltype(silu)::value;
        LAUNCH((fourTapsInputKernel<T, V, Silu>), convBlocks(gpu, o.batch * divideUp(o.length, kConvRun) * (o.channels / V)), kThreads, 0, gpu.stream, o, as<T>(o.x), as<T>(o.dy), as<T>(o.dx));
      }, o.x.data, o.dy.data, o.dx.data);
    else LAUNCH(anyTapsInputKernel, convBlocks(gpu, count), kThreads, 0, gpu.stream, o);
  }
  if (o.dInitial.data && carried) LAUNCH(initialGradientKernel, convBlocks(gpu, carried), kThreads, 0, gpu.stream, o);
  if (!o.dweight.data && !o.dbias.data) return;
  const int64_t each = divideUp(o.length, kPositions), parts = o.batch * each, sums = (o.width + 1) * o.channels;
  float* partial = parts ? scratch<float>(gpu, parts * sums) : nullptr;
  if (parts && fourTaps)
    withConvVectors(o.dy.dtype, o.channels, o.silu, [&](auto zero, auto vector, auto silu) {
      using T = decltype(zero);
      constexpr int V = decltype(vector)::value;
      constexpr bool Silu = decltype(silu)::value;
      LAUNCH((fourTapsWeightKernel<T, V, Silu>), convBlocks(gpu, parts * (o.channels / V)), kThreads, 0, gpu.stream, o, each, as<T>(o.x), as<T>(o.dy), partial);
    }, o.x.data, o.dy.data);
  else if (parts) LAUNCH(anyTapsWeightKernel, convBlocks(gpu, parts * sums), kThreads, 0, gpu.stream, o, each, partial);
  LAUNCH(addPartsKernel, convBlocks(gpu, sums), kThreads, 0, gpu.stream, o, parts, partial);
}

}  // namespace ha::gpu
