// Dot products, where both factors run along the inner axis and one of them has few rows (decoding: one position at a time times
// a weight that comes from memory).
#pragma once
#include "../rows.h"

namespace ha::HA_ISA {

constexpr double kDotNanoseconds = 0.2 / W;  // of one multiply-add

/// Numbers 0…2·W−1 as two vectors. Of bf16 those at even places and those at odd ones: each is the upper half of an f32, so that a
/// shift or a mask is all it takes.
HA_INLINE void loadPair(const float* p, vf& first, vf& second) { first = load(p), second = load(p + W); }
HA_INLINE void loadPair(const bf16* p, vf& evens, vf& odds) {
  typedef uint32_t vuu __attribute__((vector_size(W * 4), aligned(2), may_alias));
  const vu both = *(const vuu*)p;
  evens = (vf)(both << 16), odds = (vf)(both & 0xffff0000u);
}
/// What numbers of bf16 are multiplied with, laid out alike: the evens and the odds of each 2·W; a rest shorter than that stays as it is.
HA_INLINE void separate(const float* from, int64_t count, float* to) {
  int64_t p = 0;
  for (; p + 2 * W <= count; p += 2 * W) {
    const vf a = load(from + p), b = load(from + p + W);
    store(to + p, evens(a, b)), store(to + p + W, odds(a, b));
  }
  for (; p < count; p++) to[p] = from[p];
}

/// out(s,h) (+)= streamed_s·held_h + bias: `streamed` has many rows, of T, `held` few; both run along k.
template <class T>
struct Dots {
  int64_t k;
  const T* streamed;
  const float* held;
  float* out;
  int64_t outStreamed, outHeld;                // strides of out
  const float *biasOfStreamed, *biasOfHeld;  // one of them, or none
  bool add;
};

/// The sums of the lanes of some vectors: W of them together, since each by itself would take as long as many a dot product.
template <int Count>
HA_INLINE void sumsOf(const vf* vectors, float* totals) {
#pragma GCC unroll 4
  for (int i = 0; i + W <= Count; i += W) store(totals + i, sumEach((const float*)(vectors + i)));
#pragma GCC unroll 16
  for (int i = Count / W * W; i < Count; i++) totals[i] = sum(vectors[i]);
}

template <int S, int H, class T>
static void dotTile(const Dots<T>& t, int64_t firstStreamed, int64_t firstHeld) {
  constexpr int kChains = S * H <= 4 ? 2 : 1;
  const int64_t ahead = S * t.k <= 8192 ? S * t.k : 16 * W;  // prefetch the next tile, or this one where rows are long
  vf sums[kChains][S][H] = {};
  const T* streamed = t.streamed + firstStreamed * t.k;
  const float* held = t.held + firstHeld * t.k;
  int64_t p = 0;
  for (; p + 2 * W <= t.k; p += 2 * W) {
    vf x[2][H];
#pragma GCC unroll 8
    for (int h = 0; h < H; h++) x[0][h] = load(held + h * t.k + p), x[1][h] = load(held + h * t.k + p + W);
#pragma GCC unroll 4
    for (int s = 0; s < S; s++) {
      const T* row = streamed + s * t.k + p;
      __builtin_prefetch(row + ahead);
      if (2 * W * sizeof(T) > 64) __builtin_prefetch(row + ahead + W);
      vf w[2];
      loadPair(row, w[0], w[1]);
#pragma GCC unroll 2
      for (int half = 0; half < 2; half++)
#pragma GCC unroll 8
        for (int h = 0; h < H; h++) {
          vf& to = sums[kChains == 2 ? half : 0][s][h];
          to = fma(w[half], x[half][h], to);
        }
    }
  }
  for (; p < t.k; p += W) {
    const int lanes = (int)minimum(W, t.k - p);
#pragma GCC unroll 4
    for (int s = 0; s < S; s++) {
      const vf w = loadPart(streamed + s * t.k + p, lanes);
#pragma GCC unroll 8
      for (int h = 0; h < H; h++) sums[0][s][h] = fma(w, loadPart(held + h * t.k + p, lanes), sums[0][s][h]);
    }
  }
  vf ends[S * H];  // a copy: the sums themselves stay in registers
#pragma GCC unroll 4
  for (int s = 0; s < S; s++)
#pragma GCC unroll 8
    for (int h = 0; h < H; h++) ends[s * H + h] = kChains == 2 ? sums[0][s][h] + sums[kChains - 1][s][h] : sums[0][s][h];
  float totals[S * H];
  sumsOf<S * H>(ends, totals);
  for (int s = 0; s < S; s++)
    for (int h = 0; h < H; h++) {
      float* out = t.out + (firstStreamed + s) * t.outStreamed + (firstHeld + h) * t.outHeld;
      float total = totals[s * H + h];
      if (t.biasOfStreamed) total += t.biasOfStreamed[firstStreamed + s];
      if (t.biasOfHeld) total += t.biasOfHeld[firstHeld + h];
      *out = t.add ? *out + total : total;
    }
}

constexpr int kStreamed = 4, kHeld = W == 16 ? 6 : 3;  // of a tile of dot products
constexpr int kHeldTogether = W == 16 ? 8 : 3;         // held beside two streamed ones, so that these are widened once

template <int S, class T>
HA_INLINE void dotPanel(const Dots<T>& t, int64_t streamed, int64_t held, int64_t count) {
  switch (count) {
    case 1: return dotTile<S, 1>(t, streamed, held);
    case 2: return dotTile<S, 2>(t, streamed, held);
    case 3: return dotTile<S, 3>(t, streamed, held);
    case 4: return dotTile<S, kHeld == 6 ? 4 : 1>(t, streamed, held);
    case 5: return dotTile<S, kHeld == 6 ? 5 : 1>(t, streamed, held);
    case 7: return dotTile<S, kHeldTogether == 8 && S <= 2 ? 7 : 1>(t, streamed, held);
    case 8: return dotTile<S, kHeldTogether == 8 && S <= 2 ? 8 : 1>(t, streamed, held);
    default: return dotTile<S, kHeld>(t, streamed, held);
  }
}

/// Rows first…last−1 of `streamed`, S at a time, by all of `held` in panels.
template <int S, class T>
HA_INLINE void dotRows(const Dots<T>& t, int64_t first, int64_t last, int64_t held, int64_t panels) {
  for (int64_t s = first; s < last; s += S)
    for (int64_t i = 0; i < panels; i++) {
      const Span panel = share(held, i, panels);
      if (s + S <= last) dotPanel<S>(t, s, panel.first, panel.last - panel.first);
      else
        for (int64_t one = s; one < last; one++) dotPanel<1>(t, one, panel.first, panel.last - panel.first);
    }
}

template <class T>
static void multiplyDots(Context& context, const Dots<T>& t, int64_t streamed, int64_t held) {
  const bool together = held > kHeld && held <= kHeldTogether;
  const double cost = maximum(1, held) * kDotNanoseconds + 0.02 * sizeof(T);
  parallelParts(context, (streamed + kStreamed - 1) / kStreamed, cost * t.k * kStreamed, [&](int64_t first, int64_t last) {
    const int64_t end = minimum(streamed, last * kStreamed);
    if (together) dotRows<2>(t, first * kStreamed, end, held, 1);
    else dotRows<kStreamed>(t, first * kStreamed, end, held, (held + kHeld - 1) / kHeld);
  });
}

}  // namespace ha::HA_ISA
