// A weight is widened while it is packed for the tiles of the matrix product; for a few rows of a it is read once, as it is stored.
#include "../../device/fail.h"
#include "rounded.h"

namespace ha::HA_ISA {

constexpr int kGroupVectors = kGroup / W;
constexpr int kWeights = 4;           // rows of a weight of a tile of dot products
constexpr int kFew = W == 16 ? 4 : 2;  // rows of a beside them, at most
constexpr int64_t kFewRows = 8;       // of a, for which a weight is not widened ahead

/// The weight as the right factor of a product in tiles.
struct Groups {
  static constexpr bool kWide = false;
  const int8_t* q;
  const float* scales;
  int64_t pitch;  // of a row
  HA_INLINED vf at(int64_t row, int64_t p) const {
    const int64_t place = row * pitch + p;
    return load(q + place) * splat(scales[place / kGroup]);
  }
  HA_INLINED vf part(int64_t row, int64_t p, int) const { return at(row, p); }  // rows are whole groups
  HA_INLINED const float* place(int64_t, int64_t) const { return nullptr; }
};

/// c of S rows of the weight by H rows of a, from `column` and `row` on: the sum over a group, times its scale.
template <int S, int H>
static void multiplyStored(const MatmulInt8& o, int64_t column, int64_t row) {
  vf sums[S][H] = {};
  const int64_t groups = o.k / kGroup;
  const float *a = o.a + row * o.k, *scales = o.scales + column * groups;
  const int8_t* q = o.q + column * o.k;
  for (int64_t group = 0; group < groups; group++, a += kGroup, q += kGroup)
#pragma GCC unroll 4
    for (int s = 0; s < S; s++) {
      __builtin_prefetch(q + s * o.k + S * o.k);
      vf part[H];
#pragma GCC unroll 8
      for (int v = 0; v < kGroupVectors; v++) {
        const vf w = load(q + s * o.k + v * W);
#pragma GCC unroll 4
        for (int h = 0; h < H; h++) {
          const vf x = load(a + h * o.k + v * W);
          part[h] = v == 0 ? w * x : fma(w, x, part[h]);
        }
      }
      const vf scale = splat(scales[s * groups + group]);
#pragma GCC unroll 4
      for (int h = 0; h < H; h++) sums[s][h] = fma(part[h], scale, sums[s][h]);
    }
  for (int s = 0; s < S; s++)
    for (int h = 0; h < H; h++) o.c[(row + h) * o.n + column + s] = sum(sums[s][h]) + (o.bias ? o.bias[column + s] : 0);
}

/// S rows of the weight by all rows of a.
template <int S>
HA_INLINE void multiplyColumns(const MatmulInt8& o, int64_t column) {
  int64_t row = 0;
  for (; row + kFew <= o.m; row += kFew) multiplyStored<S, kFew>(o, column, row);
  if (o.m - row == 3) multiplyStored<S, kFew == 4 ? 3 : 1>(o, column, row);
  else if (o.m - row == 2) multiplyStored<S, kFew == 4 ? 2 : 1>(o, column, row);
  else if (o.m - row == 1) multiplyStored<S, 1>(o, column, row);
}

void matmulInt8(Context& context, const MatmulInt8& call) {
  if (call.m * call.n == 0) return;
  const MatmulInt8 o = placed(call);
  if (o.rounded) {
#if defined(HA_BYTES)
    if (int8Dots(W * 4)) return multiplyRounded<Bytes>(context, o);
#endif
    return multiplyRounded<Halves>(context, o);
  }
  if (o.m > kFewRows) {
    const Matmul product{o.m, o.n, o.k, false, true, false, o.a, In{}, o.bias, o.c};
    return multiplyInTiles(context, product, Groups{o.q, o.scales, o.k});
  }
  parallelParts(context, (o.n + kWeights - 1) / kWeights, kWeights * o.k * (kReadNanoseconds + 0.1 * o.m / W), [&](int64_t first, int64_t last) {
    const int64_t end = minimum(o.n, last * kWeights);
    int64_t column = first * kWeights;
    for (; column + kWeights <= end; column += kWeights) multiplyColumns<kWeights>(o, column);
    for (; column < end; column++) multiplyColumns<1>(o, column);
  });
}

HA_INLINE void widen(const int8_t* q, const float* scales, int64_t groups, float* to) {
  for (int64_t group = 0; group < groups; group++)
    for (int v = 0; v < kGroupVectors; v++) store(to + group * kGroup + v * W, load(q + group * kGroup + v * W) * splat(scales[group]));
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
  const int64_t groups = o.count / kGroup;
  parallelParts(context, (groups + W - 1) / W, 6 * W, [&](int64_t first, int64_t last) {
    for (int64_t group = first * W; group < minimum(groups, last * W); group += W) {
      vi sums;
      roundGroups(o.x + group * kGroup, (int)minimum(W, groups - group), o.q + group * kGroup, o.scales + group, sums);
    }
  });
}

}  // namespace ha::HA_ISA
