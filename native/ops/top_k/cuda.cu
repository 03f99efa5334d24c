// One block a row. The entries stand in one order without ties (rankOf), so the next one is the largest below the one before:
// k passes over the row, which lies in the cache.
#include "../../device/gpu/numbers.h"
#include "../../device/gpu/sums.h"

namespace ha::gpu {
namespace {

constexpr int kThreads = 256;

__global__ __launch_bounds__(kThreads, 4) void topKKernel(TopK o, const float* x, const float* heldValues, float* values) {
  for (int64_t r = blockIdx.x; r < o.rows; r += gridDim.x) {
    const int64_t end = o.lengths ? min(o.columns, static_cast<int64_t>(o.lengths[r]) - o.offset) : o.columns, list = r * o.k;
    const float* row = x + r * o.columns;
    uint64_t before = ~uint64_t{0};
    for (int64_t slot = 0; slot < o.k; slot++) {
      uint64_t best = 0;
      float value = 0;
      const auto offer = [&](float candidate, int64_t index) {
        const uint64_t rank = rankOf(candidate, index, o.magnitude);
        if (rank < before && rank > best) best = rank, value = candidate;
      };
      for (int64_t c = threadIdx.x; c < end; c += kThreads) offer(row[c], o.offset + c);
      for (int64_t s = threadIdx.x; o.heldIndices && s < o.k; s += kThreads)
        if (o.heldIndices[list + s] >= 0) offer(heldValues[list + s], o.heldIndices[list + s]);
      before = blockReduce(best, uint64_t{0}, [](uint64_t a, uint64_t b) { return a > b ? a : b; });
      if (before == 0 ? threadIdx.x == 0 : before == best) {
        values[list + slot] = value;
        o.indices[list + slot] = before ? static_cast<int32_t>(0xffffffffu - static_cast<uint32_t>(before)) : -1;
      }
    }
  }
}

}  // namespace

void topK(Gpu& gpu, const TopK& o) {
  if (o.rows * o.k == 0) return;
  LAUNCH(topKKernel, gridX(o.rows), kThreads, 0, gpu.stream, o, as<float>(o.x), as<float>(o.heldValues), as<float>(o.values));
}

}  // namespace ha::gpu
