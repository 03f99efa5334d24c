// The depthwise causal convolution, one number a thread; sums over positions in chunks, then over the chunks in order.
#include "../../device/gpu/numbers.h"

namespace ha::gpu {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kPositions = 256;  // of a chunk
unsigned blocksFor(Gpu& gpu, int64_t count) { return gridX(least(divideUp(count, kThreads), gpu.multiprocessors * 32)); }

__device__ __forceinline__ int64_t lengthOf(const int32_t* lengths, int64_t b, int64_t length) {
  const int64_t own = lengths ? lengths[b] : length;
  return own < 0 ? 0 : own > length ? length : own;
}

/// Whether positions `from` ≤ i of row b belong to two texts.
__device__ __forceinline__ bool parted(const int32_t* starts, int64_t b, int64_t length, int64_t from, int64_t i) {
  const int64_t start = starts ? starts[b * length + i] : 0;
  return start > 0 && from < start;
}

/// x of channel d at position i ≥ −carried: before 0 what was carried in.
__device__ __forceinline__ float inputAt(const float* x, const float* initial, int64_t b, int64_t i, int64_t d, int64_t length, int64_t channels, int64_t carried) {
  if (i >= 0) return x[(b * length + i) * channels + d];
  return initial ? initial[(b * channels + d) * carried + i + carried] : 0;
}

__global__ void convolveKernel(CausalConv1d o, const float* x, const float* weight, const float* bias, const float* initial, float* y) {
  const int64_t count = o.batch * o.length * o.channels, carried = o.width - 1;
  for (int64_t at = blockIdx.x * int64_t{kThreads} + threadIdx.x; at < count; at += int64_t{gridDim.x} * kThreads) {
    const int64_t d = at % o.channels, i = at / o.channels % o.length, b = at / o.channels / o.length;
    float total = 0;
    if (i < lengthOf(o.lengths, b, o.length)) {
      total = bias ? bias[d] : 0;
      for (int64_t k = 0; k < o.width; k++)
        if (!parted(o.starts, b, o.length, i - carried + k, i))
          total = fmaf(weight[d * o.width + k], inputAt(x, initial, b, i - carried + k, d, o.length, o.channels, carried), total);
    }
    y[at] = total;
  }
}

/// `final` may be initial's own memory: each thread moves its channel's numbers forwards.
__global__ void carryKernel(CausalConv1d o, const float* x, const float* initial, float* final) {
  const int64_t carried = o.width - 1;
  for (int64_t at = blockIdx.x * int64_t{kThreads} + threadIdx.x; at < o.batch * o.channels; at += int64_t{gridDim.x} * kThreads) {
    const int64_t d = at % o.channels, b = at / o.channels, end = lengthOf(o.lengths, b, o.length);
    for (int64_t k = 0; k < carried; k++) {
      const int64_t from = end - carried + k;
      const bool other = end > 0 && parted(o.starts, b, o.length, from, end - 1);
      final[at * carried + k] = other ? 0 : inputAt(x, initial, b, from, d, o.length, o.channels, carried);
    }
  }
}

/// The gradient of the input at position i ≥ −carried.
__device__ __forceinline__ float gradientAt(const CausalConv1dBackward& o, const float* weight, const float* dy, const float* dFinal, int64_t b, int64_t i, int64_t d) {
  const int64_t carried = o.width - 1, end = lengthOf(o.lengths, b, o.length), last = i - (end - carried);
  const bool leaves = dFinal && last >= 0 && last < carried && !(end > 0 && parted(o.starts, b, o.length, i, end - 1));
  float total = leaves ? dFinal[(b * o.channels + d) * carried + last] : 0;
  for (int64_t k = 0; k < o.width; k++) {
    const int64_t to = i + carried - k;
    if (to >= 0 && to < end && !parted(o.starts, b, o.length, i, to)) total = fmaf(weight[d * o.width + k], dy[(b * o.length + to) * o.channels + d], total);
  }
  return total;
}

__global__ void inputGradientKernel(CausalConv1dBackward o, const float* weight, const float* dy, const float* dFinal, float* dx) {
  for (int64_t at = blockIdx.x * int64_t{kThreads} + threadIdx.x; at < o.batch * o.length * o.channels; at += int64_t{gridDim.x} * kThreads) {
    const int64_t d = at % o.channels, i = at / o.channels % o.length, b = at / o.channels / o.length;
    dx[at] = i < lengthOf(o.lengths, b, o.length) ? gradientAt(o, weight, dy, dFinal, b, i, d) : 0;
  }
}

__global__ void initialGradientKernel(CausalConv1dBackward o, const float* weight, const float* dy, const float* dFinal, float* dInitial) {
  const int64_t carried = o.width - 1;
  for (int64_t at = blockIdx.x * int64_t{kThreads} + threadIdx.x; at < o.batch * o.channels * carried; at += int64_t{gridDim.x} * kThreads)
    dInitial[at] = gradientAt(o, weight, dy, dFinal, at / carried / o.channels, at % carried - carried, at / carried % o.channels);
}

/// partial[b, chunk, k, d] = Σ dy_i·x_{i+k−carried} over the chunk's positions; k = width: Σ dy_i.
__global__ void weightGradientKernel(CausalConv1dBackward o, int64_t chunks, const float* x, const float* initial, const float* dy, float* partial) {
  const int64_t carried = o.width - 1, count = o.batch * chunks * (o.width + 1) * o.channels;
  for (int64_t at = blockIdx.x * int64_t{kThreads} + threadIdx.x; at < count; at += int64_t{gridDim.x} * kThreads) {
    const int64_t d = at % o.channels, k = at / o.channels % (o.width + 1), part = at / o.channels / (o.width + 1), b = part / chunks;
    const int64_t first = part % chunks * kPositions, end = lengthOf(o.lengths, b, o.length);
    float total = 0;
    for (int64_t i = first; i < end && i < first + kPositions; i++) {
      const float given = dy[(b * o.length + i) * o.channels + d];
      if (k < o.width && parted(o.starts, b, o.length, i + k - carried, i)) continue;
      total += k == o.width ? given : x ? given * inputAt(x, initial, b, i + k - carried, d, o.length, o.channels, carried) : 0.f;
    }
    partial[at] = total;
  }
}

__global__ void addChunksKernel(int64_t parts, int64_t width, int64_t channels, const float* partial, float* dweight, float* dbias) {
  for (int64_t at = blockIdx.x * int64_t{kThreads} + threadIdx.x; at < (width + 1) * channels; at += int64_t{gridDim.x} * kThreads) {
    const int64_t d = at % channels, k = at / channels;
    float total = 0;
    for (int64_t part = 0; part < parts; part++) total += partial[part * (width + 1) * channels + at];
    if (k < width && dweight) dweight[d * width + k] = total;
    if (k == width && dbias) dbias[d] = total;
  }
}

}  // namespace

void causalConv1d(Gpu& gpu, const CausalConv1d& o) {
  if (o.batch * o.channels == 0) return;
  const int64_t count = o.batch * o.length * o.channels;
  if (count)
    LAUNCH(convolveKernel, blocksFor(gpu, count), kThreads, 0, gpu.stream, o, as<float>(o.x), as<float>(o.weight), as<float>(o.bias), as<float>(o.initial), as<float>(o.y));
  if (o.final.data)
    LAUNCH(carryKernel, blocksFor(gpu, o.batch * o.channels), kThreads, 0, gpu.stream, o, as<float>(o.x), as<float>(o.initial), as<float>(o.final));
}

void causalConv1dBackward(Gpu& gpu, const CausalConv1dBackward& o) {
  if (o.channels == 0) return;
  const float *weight = o.weight, *dy = o.dy, *dFinal = o.dFinal;
  const int64_t count = o.batch * o.length * o.channels, carried = o.batch * o.channels * (o.width - 1);
  if (o.dx.data && count) LAUNCH(inputGradientKernel, blocksFor(gpu, count), kThreads, 0, gpu.stream, o, weight, dy, dFinal, as<float>(o.dx));
  if (o.dInitial.data && carried) LAUNCH(initialGradientKernel, blocksFor(gpu, carried), kThreads, 0, gpu.stream, o, weight, dy, dFinal, as<float>(o.dInitial));
  if (!o.dweight.data && !o.dbias.data) return;
  const int64_t chunks = divideUp(o.length, kPositions), parts = o.batch * chunks, sums = (o.width + 1) * o.channels;
  float* partial = parts ? scratch<float>(gpu, parts * sums) : nullptr;
  if (parts)
    LAUNCH(weightGradientKernel, blocksFor(gpu, parts * sums), kThreads, 0, gpu.stream, o, chunks, as<float>(o.x), as<float>(o.initial), dy, partial);
  LAUNCH(addChunksKernel, blocksFor(gpu, sums), kThreads, 0, gpu.stream, parts, o.width, o.channels, partial, as<float>(o.dweight), as<float>(o.dbias));
}

}  // namespace ha::gpu
