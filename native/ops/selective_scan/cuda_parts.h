// How the scans share their work on a GPU: G lanes hold the states of one channel, S states each (state n = lane + j·G), a
// block holds neighbouring channels of one group of B and C, and all of them walk through the positions together.
#pragma once
#include <cstdio>
#include <stdexcept>
#include <string>
#include <type_traits>
#include "../../device/gpu/numbers.h"
#include "selective_scan.h"

namespace ha::gpu {

constexpr int kScanThreads = 128;

struct ScanShape {
  int64_t batch, length, channels, state, groups;
  int lanes;                // G, a power of two up to 32
  int64_t blocksOfGroup;    // blocks that share a group's channels
  const int32_t *lengths, *starts;

  template <class Arguments> static ScanShape of(const Arguments& a) {
    int lanes = 1;
    while (lanes < a.state && lanes < 32) lanes *= 2;
    const int64_t widest = divideUp(a.channels, a.groups);
    return {a.batch, a.length, a.channels, a.state, a.groups, lanes, divideUp(widest, kScanThreads / lanes), a.lengths, a.starts};
  }
  dim3 grid() const { return dim3(gridX(blocksOfGroup * groups), gridY(batch)); }
  int64_t empty() const { return batch * channels * state == 0; }
  __device__ int64_t groupStart(int64_t group) const { return (group * channels + groups - 1) / groups; }
  __device__ int64_t lengthOf(int64_t b) const {
    const int64_t own = lengths ? lengths[b] : length;
    return own < 0 ? 0 : own > length ? length : own;
  }
  /// Whether a text begins at position i of row b, so that nothing of the state before is left.
  __device__ bool beginsAt(int64_t b, int64_t i) const { return starts && i > 0 && starts[b * length + i] == i; }
};

/// What a thread works on; `on` is false where the block is wider than the rest of its group.
struct ScanPlace {
  int64_t group, block, channel;
  int lane;
  bool on;
  __device__ explicit ScanPlace(const ScanShape& s)
      : group(blockIdx.x / s.blocksOfGroup),
        block(blockIdx.x % s.blocksOfGroup),
        channel(s.groupStart(group) + block * (kScanThreads / s.lanes) + static_cast<int>(threadIdx.x) / s.lanes),
        lane(static_cast<int>(threadIdx.x) % s.lanes),
        on(channel < s.groupStart(group + 1)) {}
};

__device__ __forceinline__ int64_t scanTilesOnDevice(int64_t length) { return (length + kScanTile - 1) / kScanTile; }

/// Σ over the lanes of a channel, the same in each.
__device__ __forceinline__ float channelSum(float x, int lanes) {
  for (int w = lanes / 2; w; w /= 2) x += __shfl_xor_sync(~0u, x, w);
  return x;
}

/// Σ over a team of G neighbouring lanes of each of G numbers, with G − 1 exchanges: lane g of the team gets that of x[g].
template <int w, int G> __device__ __forceinline__ void halve(float (&x)[G], int lane) {
  const bool upper = lane & w;
#pragma unroll
  for (int j = 0; j < w; j++) {
    const float sent = upper ? x[j] : x[j + w], kept = upper ? x[j + w] : x[j];
    x[j] = kept + __shfl_xor_sync(~0u, sent, w);
  }
  if constexpr (w > 1) halve<w / 2>(x, lane);
}
template <int G> __device__ __forceinline__ float reduceScatter(float (&x)[G], int lane) {
  if constexpr (G > 1) halve<G / 2>(x, lane);
  return x[0];
}

/// In place of delta' where a decay is to be 0: exp(delta'·A) is, for any A of a model.
constexpr float kForgetAll = 1e30f;

/// Reports a row whose length does not fit; such a row is cut to what does.
static __global__ void checkLengthsKernel(int64_t batch, int64_t length, const int32_t* lengths, Fault* fault) {
  for (int64_t b = threadIdx.x; b < batch; b += blockDim.x)
    if (lengths[b] < 0 || lengths[b] > length) report(fault, static_cast<int32_t>(b), lengths[b]);
}
template <class Arguments> void checkLengths(Gpu& gpu, const Arguments& a, Explain explain) {
  if (a.lengths) LAUNCH(checkLengthsKernel, 1, 128, 0, gpu.stream, a.batch, a.length, a.lengths, gpu.fault(explain, a.length));
}
#define HA_EXPLAIN_LENGTHS(op)                                                                               \
  [](char* text, size_t size, int32_t row, int32_t length, int64_t limit) {                                   \
    std::snprintf(text, size, op ": lengths[%d] is %d; it must lie in 0…%d", row, length, static_cast<int>(limit)); \
  }

/// body(S) with S states a lane as a constant.
template <class F> void withStates(const ScanShape& s, const F& body) {
  const int64_t each = divideUp(s.state, s.lanes);
  if (each <= 1) body(std::integral_constant<int, 1>());
  else if (each <= 2) body(std::integral_constant<int, 2>());
  else if (each <= 4) body(std::integral_constant<int, 4>());
  else if (each <= 8) body(std::integral_constant<int, 8>());
  else if (each <= 16) body(std::integral_constant<int, 16>());
  else throw std::runtime_error("selectiveScan: " + std::to_string(s.state) + " states; a GPU takes up to 512");
}

}  // namespace ha::gpu
