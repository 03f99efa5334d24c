// The gradient of a table of rows: positions are sorted by their ids, eight bits at a time and keeping their order, then each id's rows
// are added up in the order of their positions. Linear in the number of positions, and no sum depends on timing.
#include <utility>
#include "cuda_parts.h"

namespace ha::gpu {
namespace {

constexpr int kThreads = 256, kBits = 8, kDigits = 1 << kBits;
static_assert(kThreads == kDigits, "a thread a digit");

struct Sorted {
  int32_t *keys, *positions;
};

/// Ids out of range get the number behind the last: they come last and are passed over.
__global__ void keysKernel(int64_t count, int64_t vocabulary, const int32_t* ids, Sorted to, Fault* fault) {
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < count; i += int64_t{gridDim.x} * kThreads) {
    const int32_t id = ids[i];
    const bool known = id >= 0 && id < vocabulary;
    if (!known) report(fault, static_cast<int32_t>(i), id);
    to.keys[i] = known ? id : static_cast<int32_t>(vocabulary), to.positions[i] = static_cast<int32_t>(i);
  }
}

/// counts[digit][block]: how often a digit occurs among the block's 256 keys.
__global__ void countKernel(int64_t count, int shift, const int32_t* keys, int32_t* counts) {
  SHARED(own, int[kDigits]);
  const int thread = static_cast<int>(threadIdx.x);
  own[thread] = 0;
  __syncthreads();
  const int64_t i = blockIdx.x * int64_t{kThreads} + thread;
  if (i < count) atomicAdd(&own[keys[i] >> shift & (kDigits - 1)], 1);
  __syncthreads();
  counts[thread * int64_t{gridDim.x} + blockIdx.x] = own[thread];
}

/// Each number becomes the sum of those before it. One block.
__global__ __launch_bounds__(1024) void sumBeforeKernel(int64_t count, int32_t* numbers) {
  SHARED(totals, int32_t[32]);
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  int32_t before = 0;
  for (int64_t first = 0; first < count; first += 1024) {
    const int64_t i = first + threadIdx.x;
    const int32_t own = i < count ? numbers[i] : 0;
    int32_t sum = own;
    for (int w = 1; w < 32; w *= 2) {
      const int32_t other = __shfl_up_sync(~0u, sum, static_cast<unsigned>(w));
      if (lane >= w) sum += other;
    }
    if (lane == 31) totals[warp] = sum;
    __syncthreads();
    int32_t all = 0;
    for (int w = 0; w < 32; w++) {
      if (w < warp) sum += totals[w];
      all += totals[w];
    }
    if (i < count) numbers[i] = before + sum - own;
    before += all;
    __syncthreads();
  }
}

/// A key goes behind those of smaller digits, of its digit in earlier blocks, and of its digit earlier in the block.
__global__ void placeKernel(int64_t count, int shift, Sorted from, const int32_t* places, Sorted to) {
  SHARED(digits, uint8_t[kThreads]);
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t i = blockIdx.x * int64_t{kThreads} + thread;
  const int32_t key = i < count ? from.keys[i] : 0, digit = key >> shift & (kDigits - 1);
  digits[thread] = static_cast<uint8_t>(digit);
  __syncthreads();
  if (i >= count) return;
  int rank = 0;
  for (int other = 0; other < thread; other++) rank += digits[other] == digit;
  const int64_t at = places[digit * int64_t{gridDim.x} + blockIdx.x] + rank;
  to.keys[at] = key, to.positions[at] = from.positions[i];
}

/// A block a run of one id, found by where it begins.
__global__ void addRowsKernel(int64_t count, int64_t vocabulary, int64_t width, Sorted sorted, const float* dy, float* dtable) {
  for (int64_t first = blockIdx.x; first < count; first += gridDim.x) {
    const int32_t key = sorted.keys[first];
    if (key == vocabulary || (first > 0 && sorted.keys[first - 1] == key)) continue;
    int64_t end = first + 1, beyond = count;  // the first place behind the run lies in end … beyond
    while (end < beyond) {
      const int64_t middle = (end + beyond) / 2;
      if (sorted.keys[middle] == key) end = middle + 1;
      else beyond = middle;
    }
    for (int64_t c = threadIdx.x; c < width; c += kThreads) {
      float total = 0;
#pragma unroll 8
      for (int64_t at = first; at < end; at++) total += dy[sorted.positions[at] * width + c];
      dtable[key * width + c] = total;
    }
  }
}

}  // namespace

void embeddingBackward(Gpu& gpu, const EmbeddingBackward& o) {
  if (o.vocabulary > 0 && o.width > 0) cudaMemsetAsync(o.dtable.data, 0, static_cast<size_t>(o.vocabulary * o.width) * 4, gpu.stream);
  if (o.count * o.width == 0) return;
  const int64_t blocks = divideUp(o.count, kThreads);
  Sorted sorted{scratch<int32_t>(gpu, o.count), scratch<int32_t>(gpu, o.count)}, other{scratch<int32_t>(gpu, o.count), scratch<int32_t>(gpu, o.count)};
  int32_t* places = scratch<int32_t>(gpu, kDigits * blocks);
  LAUNCH(keysKernel, gridX(blocks), kThreads, 0, gpu.stream, o.count, o.vocabulary, o.ids, sorted, gpu.fault(explainEmbedding, o.vocabulary));
  for (int shift = 0; o.vocabulary >> shift; shift += kBits) {
    LAUNCH(countKernel, gridX(blocks), kThreads, 0, gpu.stream, o.count, shift, sorted.keys, places);
    LAUNCH(sumBeforeKernel, 1, 1024, 0, gpu.stream, kDigits * blocks, places);
    LAUNCH(placeKernel, gridX(blocks), kThreads, 0, gpu.stream, o.count, shift, sorted, places, other);
    std::swap(sorted, other);
  }
  LAUNCH(addRowsKernel, gridX(o.count), kThreads, 0, gpu.stream, o.count, o.vocabulary, o.width, sorted, as<float>(o.dy), as<float>(o.dtable));
}

}  // namespace ha::gpu
