// Rows of the table by their numbers.
#include "cuda_parts.h"

namespace ha::gpu {
namespace {

constexpr int kThreads = 256;

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

}  // namespace

void embedding(Gpu& gpu, const Embedding& o) {
  if (o.count * o.width == 0) return;
  if (!allOf(o.table.dtype, o.y)) return inF32(gpu, embedding, o);
  Fault* fault = gpu.fault(explainEmbedding, o.vocabulary);
  withType(o.table.dtype, [&](auto zero) {
    using T = decltype(zero);
    LAUNCH((embeddingKernel<T>), gridX(o.count), kThreads, 0, gpu.stream, o.count, o.vocabulary, o.width, o.ids, as<T>(o.table), as<T>(o.y), fault);
  });
}

}  // namespace ha::gpu
