// Loops over a row of numbers, a vector at a time, and cutting the work of an op into chunks.
#pragma once
#include "../device/simd.h"

/// For the lambdas given to these loops: `lanes` is then a constant in all but the last turn.
#define HA_INLINED __attribute__((always_inline))

namespace ha::HA_ISA {

/// Items first…last−1.
struct Span {
  int64_t first, last;
};
/// The part of `count` items that falls to a chunk.
HA_INLINE Span share(int64_t count, int64_t chunk, int64_t chunks) { return {count * chunk / chunks, count * (chunk + 1) / chunks}; }

/// Into how many chunks to cut items that cost about so many nanoseconds each: one below 50 µs of work, else some more than
/// there are threads, so that a thread which loses its core does not hold up the rest.
HA_INLINE int64_t chunkCount(Context& context, int64_t items, double nanoseconds) {
  const double total = items * nanoseconds;
  if (total < 50e3 || context.threads() == 1) return 1;
  return minimum(items, minimum(4 * context.threads(), (int64_t)(total / 10e3)));
}

/// body(first, last) for parts of 0…items−1, on the device's threads if that pays.
template <class F>
HA_INLINE void parallelParts(Context& context, int64_t items, double nanoseconds, const F& body) {
  const int64_t chunks = chunkCount(context, items, nanoseconds);
  parallel(context, chunks, [&](int64_t chunk) {
    const Span part = share(items, chunk, chunks);
    body(part.first, part.last);
  });
}

/// body(at, lanes) for each vector of the numbers first…last−1; lanes = W in all but the last.
template <class F>
HA_INLINE void eachVector(int64_t first, int64_t last, const F& body) {
  int64_t at = first;
  for (; at + W <= last; at += W) body(at, W);
  if (at < last) body(at, (int)(last - at));
}

/// The first `lanes` of v, `rest` behind them.
HA_INLINE vf firstLanes(vf v, int lanes, vf rest) {
  vi lane;
  for (int i = 0; i < W; i++) lane[i] = i;
  return select(lane < lanes, v, rest);
}

/// Σ term(at, lanes) over the vectors of 0…count−1, in an order that depends on `count` alone: four chains of f32 in each
/// block of 4096 numbers, f64 between blocks. Lanes past the end do not count.
template <class F>
HA_INLINE double sumOver(int64_t count, const F& term) {
  constexpr int64_t kBlock = 4096;
  double total = 0;
  for (int64_t start = 0; start < count; start += kBlock) {
    const int64_t end = minimum(count, start + kBlock);
    vf chain[4] = {};
    int64_t at = start;
    for (; at + 4 * W <= end; at += 4 * W)
#pragma GCC unroll 4
      for (int j = 0; j < 4; j++) chain[j] += term(at + j * W, W);
    for (; at + W <= end; at += W) chain[0] += term(at, W);
    if (at < end) chain[1] += firstLanes(term(at, (int)(end - at)), (int)(end - at), splat(0));
    total += sum((chain[0] + chain[1]) + (chain[2] + chain[3]));
  }
  return total;
}

}  // namespace ha::HA_ISA
