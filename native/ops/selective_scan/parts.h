// How the scans share their work: into chunks for the threads, and a chunk into blocks of W channels, one channel a lane.
// A block holds the numbers of its N states as [n][W], so that a state of all its channels is one vector.
#pragma once
#include "../../device/fail.h"
#include "../../device/simd.h"
#include "selective_scan.h"

namespace ha::HA_ISA {

/// Channels first…end−1 of one batch row, all of one group of B and C. Part number `part` of that group.
struct ScanChunk {
  int64_t row, group, part, first, end, length;
  int64_t blocks() const { return (end - first + W - 1) / W; }
  int64_t channel(int64_t block) const { return first + block * W; }
  int lanes(int64_t block) const { return (int)(end - channel(block) < W ? end - channel(block) : W); }
};

/// A chunk is one batch row, one group, and one of `parts` ranges of that group's channel blocks. The cut depends on the
/// shape and the number of threads only.
struct ScanParts {
  int64_t length, channels, groups, parts, chunks;
  int64_t blocks;  // of the largest chunk
  const int32_t* lengths;

  int64_t groupStart(int64_t group) const { return (group * channels + groups - 1) / groups; }
  ScanChunk at(int64_t chunk) const {
    const int64_t part = chunk % parts, group = chunk / parts % groups, row = chunk / parts / groups;
    const int64_t start = groupStart(group), stop = groupStart(group + 1), blocks = (stop - start + W - 1) / W;
    return {row, group, part, start + blocks * part / parts * W, minimum(stop, start + blocks * (part + 1) / parts * W),
            lengths ? lengths[row] : length};
  }
};

template <class Arguments>
HA_INLINE ScanParts scanParts(const char* op, Context& context, const Arguments& s) {
  for (int64_t row = 0; s.lengths && row < s.batch; row++)
    if (s.lengths[row] < 0 || s.lengths[row] > s.length)
      fail("%s: lengths[%d] is %d; it must lie in 0…%d", op, (int)row, (int)s.lengths[row], (int)s.length);
  const int64_t rows = maximum(1, s.batch * s.groups), widest = (s.channels + s.groups - 1) / maximum(1, s.groups);
  const int64_t blocks = (widest + W - 1) / W;  // of the widest group
  const int64_t fitting = maximum(1, minimum(16, 16 * 128 / maximum(1, s.state)));  // blocks whose states stay in the cache
  const bool tiny = s.length * s.channels * s.state < 200000;                        // not worth a second thread
  const int64_t wanted = tiny ? 1 : (4 * context.threads() + rows - 1) / rows;
  const int64_t parts = maximum(1, minimum(blocks, maximum(wanted, (blocks + fitting - 1) / fitting)));
  return {s.length, s.channels, s.groups, parts, s.channels > 0 ? s.batch * s.groups * parts : 0, (blocks + parts - 1) / parts, s.lengths};
}

/// Working memory of every chunk: the thread's own while it is small, as it nearly always is.
struct ScanMemory {
  Context& context;
  int64_t floats;
  float* all;
  ScanMemory(Context& context, int64_t floats, int64_t chunks) : context(context), floats(floats) {
    const bool large = floats * sizeof(float) > Context::kChunkScratch;
    all = large ? (float*)context.scratch(floats * chunks * sizeof(float)) : nullptr;
  }
  float* of(int64_t chunk) const { return all ? all + chunk * floats : (float*)context.chunkScratch(floats * sizeof(float)); }
};

/// to[n][W] = scale·from[lane][n]; zeros in the lanes without a channel, which keeps everything computed there zero.
HA_INLINE void gatherStates(const float* from, int lanes, int64_t state, float scale, float* to) {
  for (int64_t n = 0; n < state; n++) {
    for (int lane = 0; lane < lanes; lane++) to[n * W + lane] = scale * from[lane * state + n];
    for (int lane = lanes; lane < W; lane++) to[n * W + lane] = 0;
  }
}
/// to[lane][n] = from[n][W]
HA_INLINE void scatterStates(const float* from, int lanes, int64_t state, float* to) {
  for (int lane = 0; lane < lanes; lane++)
    for (int64_t n = 0; n < state; n++) to[lane * state + n] = from[n * W + lane];
}
/// delta' of one position of one block.
HA_INLINE vf stepSize(const float* delta, vf bias, bool positive, int lanes) {
  const vf x = loadPart(delta, lanes) + bias;
  return positive ? softplus(x) : x;
}
/// Whether a text begins at position i of a row, so that nothing of the state before is left.
HA_INLINE bool beginsAt(const int32_t* starts, int64_t i) { return starts && i > 0 && starts[i] == i; }
/// In place of delta' where a decay is to be 0: exp(delta'·A) is, for any A of a model.
constexpr float kForgetAll = 1e30f;

HA_INLINE void zero(float* to, int64_t count) {
  if (count > 0) memset(to, 0, count * sizeof(float));
}

/// Whether all states of each channel have one rate, as in Mamba-2 (A of some blocks as [n][W]): one exponential then serves them all.
HA_INLINE bool sharedRates(const float* A, int64_t blocks, int64_t state) {
  for (int64_t block = 0; block < blocks; block++)
    for (int64_t n = 1; n < state; n++)
      if (memcmp(A + block * state * W, A + (block * state + n) * W, W * sizeof(float))) return false;
  return true;
}
/// Whether all numbers are ±0.
HA_INLINE bool allZero(const float* p, int64_t count) {
  for (int64_t i = 0; i < count; i += W) {
    if (sum(vabs(load(p + i))) != 0) return false;
  }
  return true;
}

/// to[i] (+)= Σ_k parts[k·count + i], in order; `to` holds the first summand already when `more`.
HA_INLINE void addUp(Context& context, const float* parts, int64_t terms, int64_t count, float* to, bool more) {
  constexpr int64_t kRange = 4096;
  if (!to || (more && terms == 0)) return;
  parallel(context, (count + kRange - 1) / kRange, [&](int64_t chunk) {
    const int64_t end = minimum(count, (chunk + 1) * kRange);
    for (int64_t i = chunk * kRange; i < end; i += W) {
      const int lanes = (int)minimum(W, end - i);
      vf total = more ? loadPart(to + i, lanes) : splat(0);
      for (int64_t k = 0; k < terms; k++) total = total + loadPart(parts + k * count + i, lanes);
      storePart(to + i, total, lanes);
    }
  });
}

/// Calls body.template operator()<S>(n) for consecutive runs n…n+S−1 of the states: as many at a time as `most` allows.
constexpr int kStates = W == 16 ? 16 : 8;  // that many states fit in registers
template <int most = kStates, class F>
HA_INLINE void forStates(int64_t state, const F& body) {
  int64_t n = 0;
  for (; n + most <= state; n += most) body.template operator()<most>(n);
  if (most > 8 && n + 8 <= state) body.template operator()<8>(n), n += 8;
  if (most > 4 && n + 4 <= state) body.template operator()<4>(n), n += 4;
  for (; n < state; n++) body.template operator()<1>(n);
}

}  // namespace ha::HA_ISA
