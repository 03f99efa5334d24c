// Dot products along k, a few rows of the weight by a few of a. Where a has many rows, some rows of the weight are widened once
// and multiplied with all of them; where it has few, a weight is read once, as it is stored. Both give the same bits.
#include "../../device/fail.h"
#include "../rows.h"

namespace ha::HA_ISA {

constexpr int kVectors = kGroup / W;                // of a group: two at least, one for each chain of sums
constexpr int kWeights = W == 16 ? 4 : 2, kRows = 3;  // of a tile: two chains of sums each fill most registers
constexpr int64_t kFewRows = 8;                     // of a, for which a weight is not widened ahead
constexpr int64_t kWideBytes = 256 << 10;           // of the weights widened at a time

/// Rows of a weight as they are stored.
struct Stored {
  const int8_t* q;
  const float* scales;
  int64_t groups;
  HA_INLINED vf at(int64_t row, int64_t group, int vector) const {
    const int64_t place = row * groups + group;
    return load(q + place * kGroup + vector * W) * splat(scales[place]);
  }
};
/// Rows of a weight as numbers.
struct Widened {
  const float* numbers;
  int64_t groups;
  HA_INLINED vf at(int64_t row, int64_t group, int vector) const { return load(numbers + (row * groups + group) * kGroup + vector * W); }
};

/// c of S rows of the weight by H rows of a. `weights` begins at the first of these; each sum has one order, whatever the tile.
template <int S, int H, class Weights>
static void multiplyTile(const Weights& weights, const MatmulInt8& o, int64_t column, int64_t row) {
  vf sums[2][S][H] = {};
  const float* a = o.a + row * o.k;
  for (int64_t group = 0; group < weights.groups; group++, a += kGroup)
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; v++) {
      vf x[H];
#pragma GCC unroll 3
      for (int h = 0; h < H; h++) x[h] = load(a + h * o.k + v * W);
#pragma GCC unroll 4
      for (int s = 0; s < S; s++) {
        const vf w = weights.at(s, group, v);
#pragma GCC unroll 3
        for (int h = 0; h < H; h++) sums[v & 1][s][h] = fma(w, x[h], sums[v & 1][s][h]);
      }
    }
#pragma GCC unroll 4
  for (int s = 0; s < S; s++)
#pragma GCC unroll 3
    for (int h = 0; h < H; h++)
      o.c[(row + h) * o.n + column + s] = sum(sums[0][s][h] + sums[1][s][h]) + (o.bias ? o.bias[column + s] : 0);
}

/// S rows of the weight by all rows of a.
template <int S, class Weights>
HA_INLINE void multiplyBy(const Weights& weights, const MatmulInt8& o, int64_t column) {
  int64_t row = 0;
  for (; row + kRows <= o.m; row += kRows) multiplyTile<S, kRows>(weights, o, column, row);
  if (o.m - row == 2) multiplyTile<S, 2>(weights, o, column, row);
  else if (o.m - row == 1) multiplyTile<S, 1>(weights, o, column, row);
}
/// The same, `count` of them left, kWeights at most.
template <class Weights>
HA_INLINE void multiplyRows(int64_t count, const Weights& weights, const MatmulInt8& o, int64_t column) {
  if (count >= kWeights) return multiplyBy<kWeights>(weights, o, column);
  if (count == 3) return multiplyBy<kWeights == 4 ? 3 : 1>(weights, o, column);
  if (count == 2) return multiplyBy<kWeights == 4 ? 2 : 1>(weights, o, column);
  multiplyBy<1>(weights, o, column);
}

HA_INLINE void widen(const int8_t* q, const float* scales, int64_t groups, float* to) {
  for (int64_t group = 0; group < groups; group++)
    for (int v = 0; v < kVectors; v++) store(to + group * kGroup + v * W, load(q + group * kGroup + v * W) * splat(scales[group]));
}

void matmulInt8(Context& context, const MatmulInt8& o) {
  if (o.m * o.n == 0) return;
  const int64_t groups = o.k / kGroup, most = kWideBytes / 4 / maximum(1, o.k) / kWeights * kWeights;
  const bool widens = o.m > kFewRows && most > 0;
  // parts begin at whole tiles, but a sum has the same order in any tile
  parallelParts(context, (o.n + kWeights - 1) / kWeights, kWeights * o.k * (0.03 + 0.1 * o.m / W), [&](int64_t first, int64_t last) {
    const int64_t end = minimum(o.n, last * kWeights);
    float* wide = widens ? static_cast<float*>(context.chunkScratch(kWideBytes)) : nullptr;
    for (int64_t column = first * kWeights; column < end;) {
      const int64_t until = widens ? minimum(end, column + most) : end, from = column;
      if (widens) widen(o.q + from * o.k, o.scales + from * groups, (until - from) * groups, wide);
      for (; column < until; column += kWeights) {
        const int64_t count = until - column;
        if (widens) multiplyRows(count, Widened{wide + (column - from) * o.k, groups}, o, column);
        else multiplyRows(count, Stored{o.q + column * o.k, o.scales + column * groups, groups}, o, column);
      }
    }
  });
}

void embeddingInt8(Context& context, const EmbeddingInt8& o) {
  for (int64_t i = 0; o.ids && i < o.count; i++)
    if (o.ids[i] < 0 || o.ids[i] >= o.vocabulary)
      fail("embedding: id %d at position %lld is not in 0…%lld, the vocabulary is %lld", o.ids[i], (long long)i, (long long)o.vocabulary - 1,
           (long long)o.vocabulary);
  const int64_t groups = o.width / kGroup;
  parallelParts(context, o.count, 0.2 * o.width + 5, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i++) {
      const int64_t row = o.ids ? o.ids[i] : i;
      widen(o.q + row * o.width, o.scales + row * groups, groups, o.y + i * o.width);
    }
  });
}

void quantizeInt8(Context& context, const QuantizeInt8& o) {
  constexpr float kLargest = 3.4028235e38f, kSmallest = 1.1754944e-38f;  // of the normal numbers of f32
  parallelParts(context, o.count / kGroup, 40, [&](int64_t first, int64_t last) {
    for (int64_t group = first; group < last; group++) {
      const float* x = o.x + group * kGroup;
      int8_t* q = o.q + group * kGroup;
      float most = 0;
      bool finite = true;
      for (int64_t i = 0; i < kGroup; i++) {
        const float size = __builtin_fabsf(x[i]);
        finite &= size <= kLargest;
        most = size > most ? size : most;
      }
      // as ggml rounds: times the inverse of the scale
      const float scale = most / 127, inverse = finite && scale >= kSmallest ? 1 / scale : 0;
      for (int64_t i = 0; i < kGroup; i++) q[i] = (int8_t)__builtin_roundf((finite ? x[i] : 0) * inverse);
      o.scales[group] = !finite ? __builtin_nanf("") : inverse == 0 ? 0 : scale;
    }
  });
}

}  // namespace ha::HA_ISA
