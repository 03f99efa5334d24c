// Rows of the table by their numbers; the table's gradient row by row, in the order of the ids.
#include <cstdio>
#include "../../device/gpu/numbers.h"

namespace ha::gpu {
namespace {

constexpr int kThreads = 256;

void explain(char* text, size_t size, int32_t position, int32_t id, int64_t vocabulary) {
  std::snprintf(text, size, "embedding: id %d at position %d is not in 0…%d, the vocabulary is %d", id, position, static_cast<int>(vocabulary - 1),
                static_cast<int>(vocabulary));
}

template <class T> __global__ void embeddingKernel(int64_t count, int64_t vocabulary, int64_t width, const int32_t* ids, const T* table, T* y, Fault* fault) {
  for (int64_t i = blockIdx.x; i < count; i += gridDim.x) {
    const int32_t id = ids[i];
    if (id < 0 || id >= vocabulary) {
      if (threadIdx.x == 0) report(fault, static_cast<int32_t>(i), id);
      continue;
    }
    for (int64_t c = threadIdx.x; c < width; c += kThreads) y[i * width + c] = table[id * width + c];
  }
}

/// first[id]: the first position that names id; next[i]: the next position of the same id. Built backwards by one thread a
/// position: the order of the sums is that of the positions.
__global__ void linkKernel(int64_t count, int64_t vocabulary, const int32_t* ids, int32_t* next, uint8_t* isFirst, Fault* fault) {
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < count; i += int64_t{gridDim.x} * kThreads) {
    const int32_t id = ids[i];
    if (id < 0 || id >= vocabulary) report(fault, static_cast<int32_t>(i), id);
    int64_t later = i + 1, earlier = i - 1;
    while (later < count && ids[later] != id) later++;
    while (earlier >= 0 && ids[earlier] != id) earlier--;
    next[i] = later < count ? static_cast<int32_t>(later) : -1;
    isFirst[i] = earlier < 0 && id >= 0 && id < vocabulary;
  }
}

__global__ void embeddingBackwardKernel(int64_t count, int64_t width, const int32_t* ids, const int32_t* next, const uint8_t* isFirst, const float* dy, float* dtable) {
  for (int64_t i = blockIdx.x; i < count; i += gridDim.x) {
    if (!isFirst[i]) continue;
    for (int64_t c = threadIdx.x; c < width; c += kThreads) {
      float total = 0;
      for (int64_t at = i; at >= 0; at = next[at]) total += dy[at * width + c];
      dtable[ids[i] * width + c] = total;
    }
  }
}

}  // namespace

void embedding(Gpu& gpu, const Embedding& o) {
  if (o.count * o.width == 0) return;
  if (!allOf(o.table.dtype, o.y)) return inF32(gpu, embedding, o);
  Fault* fault = gpu.fault(explain, o.vocabulary);
  withType(o.table.dtype, [&](auto zero) {
    using T = decltype(zero);
    LAUNCH((embeddingKernel<T>), gridX(o.count), kThreads, 0, gpu.stream, o.count, o.vocabulary, o.width, o.ids, as<T>(o.table), as<T>(o.y), fault);
  });
}

void embeddingBackward(Gpu& gpu, const EmbeddingBackward& o) {
  if (o.vocabulary > 0 && o.width > 0) cudaMemsetAsync(o.dtable.data, 0, static_cast<size_t>(o.vocabulary * o.width) * 4, gpu.stream);
  if (o.count * o.width == 0) return;
  Fault* fault = gpu.fault(explain, o.vocabulary);
  int32_t* next = scratch<int32_t>(gpu, o.count);
  uint8_t* isFirst = scratch<uint8_t>(gpu, o.count);
  LAUNCH(linkKernel, gridX(divideUp(o.count, kThreads)), kThreads, 0, gpu.stream, o.count, o.vocabulary, o.ids, next, isFirst, fault);
  LAUNCH(embeddingBackwardKernel, gridX(o.count), kThreads, 0, gpu.stream, o.count, o.width, o.ids, next, isFirst, as<float>(o.dy), as<float>(o.dtable));
}

}  // namespace ha::gpu
