// A number a thread, in turns.
#include <cstdio>
#include "../../device/gpu/numbers.h"

namespace ha::gpu {
namespace {

constexpr int kThreads = 256;
unsigned blocksFor(Gpu& gpu, int64_t count) { return gridX(least(divideUp(count, kThreads), gpu.multiprocessors * 32)); }

__global__ void idsKernel(int64_t count, int64_t length, const float* past, int32_t* ids) {
  for (int64_t n = blockIdx.x * int64_t{kThreads} + threadIdx.x; n < count; n += int64_t{gridDim.x} * kThreads)
    ids[n] = static_cast<int32_t>((past ? static_cast<int64_t>(past[n / length]) : 0) + n % length);
}

void explain(char* text, size_t size, int32_t row, int32_t past, int64_t capacity) {
  std::snprintf(text, size, "appendPositions: row %d goes on from position %d; the cache has room for %d", row, past, static_cast<int>(capacity));
}

/// T: numbers of 4 bytes or of 2, whatever they mean.
template <class T>
__global__ void appendKernel(int64_t count, int64_t length, int64_t capacity, int64_t width, const float* past, const int32_t* lengths, const T* source, T* cache,
                             Fault* fault) {
  for (int64_t n = blockIdx.x * int64_t{kThreads} + threadIdx.x; n < count; n += int64_t{gridDim.x} * kThreads) {
    const int64_t i = n / width % length, b = n / width / length, at = static_cast<int64_t>(past[b]) + i;
    if (lengths && i >= lengths[b]) continue;
    if (at < 0 || at >= capacity) report(fault, static_cast<int32_t>(b), static_cast<int32_t>(past[b]));
    else cache[(b * capacity + at) * width + n % width] = source[n];
  }
}

/// Two numbers of a pair a thread, or one of those that stay.
__global__ void rotateKernel(Rotate o, int64_t count, const float* past, const float* x, float* y) {
  const int64_t each = o.width - o.pairs;  // threads to a head
  for (int64_t n = blockIdx.x * int64_t{kThreads} + threadIdx.x; n < count; n += int64_t{gridDim.x} * kThreads) {
    const int64_t c = n % each, head = n / each, position = head / o.heads, at = head * o.width + c;
    if (c >= o.pairs) {
      y[at + o.pairs] = x[at + o.pairs];
      continue;
    }
    const double number = (past ? static_cast<double>(past[position / o.length]) : 0) + static_cast<double>(position % o.length);
    const double halfTurns = number * exp2(-static_cast<double>(c) / static_cast<double>(o.pairs) * log2(static_cast<double>(o.base))) / 3.14159265358979323846;
    float sine, cosine;
    sincospif(static_cast<float>(halfTurns - 2 * floor(halfTurns / 2)), &sine, &cosine);
    if (o.inverse) sine = -sine;
    const float a = x[at], b = x[at + o.pairs];
    y[at] = a * cosine - b * sine;
    y[at + o.pairs] = b * cosine + a * sine;
  }
}

}  // namespace

void positionIds(Gpu& gpu, const PositionIds& o) {
  const int64_t count = o.batch * o.length;
  if (count) LAUNCH(idsKernel, blocksFor(gpu, count), kThreads, 0, gpu.stream, count, o.length, as<float>(o.past), o.ids);
}

void appendPositions(Gpu& gpu, const AppendPositions& o) {
  const int64_t count = o.batch * o.length * o.width;
  if (!count) return;
  if (o.source.dtype != o.cache.dtype || o.past.dtype != DType::f32) return inF32(gpu, appendPositions, o);
  Fault* fault = gpu.fault(explain, o.capacity);
  const auto append = [&](auto zero) {
    using T = decltype(zero);
    LAUNCH((appendKernel<T>), blocksFor(gpu, count), kThreads, 0, gpu.stream, count, o.length, o.capacity, o.width, as<float>(o.past), o.lengths, as<T>(o.source),
           as<T>(o.cache), fault);
  };
  if (bytesOf(o.source.dtype) == 2) append(uint16_t{});
  else append(uint32_t{});
}

void rotate(Gpu& gpu, const Rotate& o) {
  const int64_t count = o.batch * o.length * o.heads * (o.width - o.pairs);
  if (count) LAUNCH(rotateKernel, blocksFor(gpu, count), kThreads, 0, gpu.stream, o, count, as<float>(o.past), as<float>(o.x), as<float>(o.y));
}

}  // namespace ha::gpu
