// The product with activations that are rounded to 8 bits (`rounded` of MatmulInt8), in whole numbers: in tiles of a weight that is
// packed with some numbers of the inner axis in a lane, or, for one row or two, as dot products along that axis.
#pragma once
#include "../matmul/tiles.h"
#include "whole_numbers.h"

namespace ha::HA_ISA {

/// a in whole numbers [m k], with a scale a group [m k/32]; `starts`: what takes the shift of the weight out of a group's sum.
template <class Kind>
struct RoundedRows {
  typename Kind::Number* q;
  float* scales;
  int32_t* starts;
};

template <class Kind>
HA_INLINE RoundedRows<Kind> roundRows(Context& context, const MatmulInt8& o) {
  const int64_t groups = o.m * (o.k / kGroup);
  RoundedRows<Kind> a;
  a.q = static_cast<typename Kind::Number*>(context.scratch(groups * kGroup * sizeof *a.q));
  a.scales = static_cast<float*>(context.scratch(groups * sizeof *a.scales));
  a.starts = static_cast<int32_t*>(context.scratch(groups * sizeof *a.starts));
  parallelParts(context, (groups + W - 1) / W, 6 * W, [&](int64_t first, int64_t last) {
    for (int64_t group = first * W; group < minimum(groups, last * W); group += W) {
      const int count = (int)minimum(W, groups - group);
      vi sums;
      roundGroups(o.a + group * kGroup, count, a.q + group * kGroup, a.scales + group, sums);
      storePart((float*)(a.starts + group), (vf)(sums * -Kind::kShift), count);
    }
  });
  return a;
}

// --- tiles: sums of whole numbers of a group, and those in f32 of all groups, in registers

#if defined(__x86_64__) && !defined(__AVX512F__)
constexpr int kRoundedRows = 3;  // 16 registers
#else
constexpr int kRoundedRows = 6;
#endif
constexpr int kRoundedVectors = 2;
constexpr int64_t kRoundedColumns = kRoundedVectors * W;
constexpr int64_t kRoundedBlock = 1024;     // rows of a that stay in the second cache
constexpr int64_t kRoundedWorthwhile = 96;  // of them, for which a panel is packed again

/// The weight as a right factor of lanes of 32 bits, for packTurned.
template <class Kind>
struct Lanes {
  const int8_t* q;
  int64_t pitch;
  HA_INLINED vf at(int64_t row, int64_t p) const {
    const int8_t* place = q + row * pitch + p * Kind::kTogether;
    __builtin_prefetch(place + kRoundedColumns * pitch, 0, 2);  // the next panel, while this one is multiplied with
    return (vf)Kind::weight(place);
  }
  HA_INLINED vf part(int64_t row, int64_t p, int lanes) const { return (vf)Kind::weightPart(q + row * pitch + p * Kind::kTogether, lanes); }
};

/// One tile: c (+)= a·b + bias over `groups`; `b` is packed as [k/kTogether][columns] lanes, its scales as [k/32][columns].
template <class Kind>
struct RoundedTile {
  int64_t groups;
  RoundedRows<Kind> a;
  int64_t aRow, aGroups;  // from row to row, of numbers and of groups
  const float *b, *scales;
  float* c;
  int64_t cRow;
  const float* bias;
  bool add;
  int lanes;  // of the last vector
  static constexpr int kRows = kRoundedRows, kVectors = kRoundedVectors;
  template <int R, int V>
  static void multiply(const RoundedTile& t);
};

template <class Kind>
template <int R, int V>
void RoundedTile<Kind>::multiply(const RoundedTile& t) {
  vf sum[R][V] = {};
  const auto *a = t.a.q, *a3 = a + 3 * t.aRow;
  const float *b = t.b, *scales = t.a.scales, *scales3 = scales + 3 * t.aGroups, *columnScales = t.scales;
  const int32_t *starts = t.a.starts, *starts3 = starts + 3 * t.aGroups;
  const int64_t aRow = t.aRow, aGroups = t.aGroups;
#pragma GCC unroll 6
  for (int i = 0; i < R; i++)
#pragma GCC unroll 2
    for (int j = 0; j < V; j++) __builtin_prefetch(t.c + i * t.cRow + j * W, 1);
  for (int64_t group = 0; group < t.groups; group++) {
    vi whole[R][V];
#pragma GCC unroll 6
    for (int i = 0; i < R; i++)
#pragma GCC unroll 2
      for (int j = 0; j < V; j++) whole[i][j] = Kind::kShift ? splatWhole(i < 3 ? starts[i * aGroups] : starts3[(i - 3) * aGroups]) : vi{};
#pragma GCC unroll 16
    for (int step = 0; step < kGroup / Kind::kTogether; step++, b += V * W) {
      vi right[V];
#pragma GCC unroll 2
      for (int j = 0; j < V; j++) right[j] = (vi)load(b + j * W);
#pragma GCC unroll 6
      for (int i = 0; i < R; i++) {
        const vi left = splatBits((i < 3 ? a + i * aRow : a3 + (i - 3) * aRow) + step * Kind::kTogether);
#pragma GCC unroll 2
        for (int j = 0; j < V; j++) whole[i][j] = Kind::add(whole[i][j], right[j], left);
      }
    }
#pragma GCC unroll 6
    for (int i = 0; i < R; i++) {
      const vf scale = splat(i < 3 ? scales[i * aGroups] : scales3[(i - 3) * aGroups]);
#pragma GCC unroll 2
      for (int j = 0; j < V; j++)
        sum[i][j] = fma(__builtin_convertvector(whole[i][j], vf), load(columnScales + j * W) * scale, sum[i][j]);
    }
    a += kGroup, a3 += kGroup, scales++, scales3++, starts++, starts3++, columnScales += V * W;
  }
#pragma GCC unroll 6
  for (int i = 0; i < R; i++)
#pragma GCC unroll 2
    for (int j = 0; j < V; j++) {
      float* c = t.c + i * t.cRow + j * W;
      const int lanes = j == V - 1 ? t.lanes : W;
      vf total = sum[i][j];
      if (t.bias) total += loadPart(t.bias + j * W, lanes);
      if (t.add) total += loadPart(c, lanes);
      storePart(c, total, lanes);
    }
}

/// The product in tiles: the slab of the inner axis at hand, and how a panel of it is packed and multiplied.
template <class Kind>
struct RoundedProduct {
  const MatmulInt8& o;
  RoundedRows<Kind> a;
  Panels rows, columns;
  Slabs slabs;
  Span slab;  // in numbers

  static constexpr int64_t kLanes = kGroup / Kind::kTogether;  // of a group
  void setSlab(int64_t index) { slab = slabs[index]; }
  int64_t packedBytes() const { return slabs.longest() / kGroup * (kLanes + 1) * kRoundedColumns * sizeof(float); }
  float* packedScales(float* packed, int64_t width) const { return packed + (slab.last - slab.first) / Kind::kTogether * width * W; }

  void packColumnPanel(int64_t index, float* packed) const {
    const Span panel = columns[index];
    const int width = (int)(panel.last - panel.first);
    packTurned(Lanes<Kind>{o.q, o.k}, o.n, panel.first * W, width, slab.first / Kind::kTogether, slab.last / Kind::kTogether, packed);
    packTurned(Numbers<float>{o.scales, o.k / kGroup}, o.n, panel.first * W, width, slab.first / kGroup, slab.last / kGroup, packedScales(packed, width));
  }
  void multiplyPanel(Span rowPanels, int64_t j, float* packed) const {
    const Span panel = columns[j];
    const int64_t width = panel.last - panel.first, column = panel.first * W, groups = o.k / kGroup, before = slab.first / kGroup;
    RoundedTile<Kind> tile{(slab.last - slab.first) / kGroup, a, o.k, groups, packed, packedScales(packed, width)};
    tile.cRow = o.n;
    tile.bias = o.bias && slab.first == 0 ? o.bias + column : nullptr;
    tile.add = slab.first > 0;
    tile.lanes = (int)(minimum(o.n, panel.last * W) - (panel.last - 1) * W);
    for (int64_t i = rowPanels.first; i < rowPanels.last; i++) {
      const int64_t row = rows[i].first, at = row * groups + before;
      tile.a = {a.q + row * o.k + slab.first, a.scales + at, a.starts + at};
      tile.c = o.c + row * o.n + column;
      tileFunction<RoundedTile<Kind>>(rows[i].last - row, (int)width)(tile);
    }
  }
};

// --- one row or two: dot products along the inner axis, of a weight that is read once, as it is stored

constexpr int kStreamedRounded = W == 16 ? 4 : 2;  // rows of the weight at a time

/// Each group's scale in the lanes of a vector of its numbers.
template <class Kind>
HA_INLINE vf scalesInLanes(const float* scales, int lanes) {
  constexpr int kLanes = kGroup / Kind::kTogether;
  return kLanes >= W || lanes < W ? splat(scales[0]) : firstLanes(splat(scales[0]), kLanes, splat(scales[1]));
}

/// The sum of each of Count vectors, a power of two up to W.
template <int Count>
HA_INLINE void sumLanes(vf (&v)[Count], float* totals) {
  int count = Count;
#pragma GCC unroll 4
  for (int width = W; width > 1; width /= 2) {
    const int half = count > 1 ? count / 2 : 1;
#pragma GCC unroll 8
    for (int i = 0; i < half; i++) {
      const vf first = v[count > 1 ? 2 * i : 0], then = v[count > 1 ? 2 * i + 1 : 0];
      v[i] = evens(first, then) + odds(first, then);
    }
    count = half;
  }
  memcpy(totals, v, Count * sizeof(float));
}

/// c of S rows of the weight by all rows of a, which are H.
template <class Kind, int S, int H>
HA_INLINE void dotRounded(const MatmulInt8& o, const RoundedRows<Kind>& a, int64_t column) {
  constexpr int64_t kNumbers = W * Kind::kTogether, kStep = kNumbers > kGroup ? kNumbers : kGroup;
  constexpr int kParts = kStep / kNumbers;
  const int64_t groups = o.k / kGroup;
  vf sums[S * H] = {};
  const auto step = [&](int64_t p, int lanes) HA_INLINED {
    vi x[H][kParts], start[H];
    vf xScale[H];
#pragma GCC unroll 4
    for (int h = 0; h < H; h++) {
      const auto* from = a.q + h * o.k + p;
#pragma GCC unroll 4
      for (int part = 0; part < kParts; part++) x[h][part] = (vi)loadPart((const float*)(const void*)(from + part * kNumbers), lanes);
      start[h] = Kind::kShift ? -Kind::add(vi{}, Kind::shifted(vi{}), x[h][0]) : vi{};
      xScale[h] = scalesInLanes<Kind>(a.scales + h * groups + p / kGroup, lanes);
    }
#pragma GCC unroll 4
    for (int s = 0; s < S; s++) {
      const int8_t* q = o.q + (column + s) * o.k + p;
      __builtin_prefetch(q + S * o.k);
      vi w[kParts];
#pragma GCC unroll 4
      for (int part = 0; part < kParts; part++) w[part] = lanes == W ? Kind::weight(q + part * kNumbers) : Kind::weightPart(q, lanes);
      const vf scale = scalesInLanes<Kind>(o.scales + (column + s) * groups + p / kGroup, lanes);
#pragma GCC unroll 4
      for (int h = 0; h < H; h++) {
        vi whole = start[h];
#pragma GCC unroll 4
        for (int part = 0; part < kParts; part++) whole = Kind::add(whole, w[part], x[h][part]);
        sums[s * H + h] = fma(__builtin_convertvector(whole, vf), scale * xScale[h], sums[s * H + h]);
      }
    }
  };
  int64_t p = 0;
  for (; p + kStep <= o.k; p += kStep) step(p, W);
  if (p < o.k) step(p, (int)(kGroup / Kind::kTogether));
  float totals[S * H];
  sumLanes(sums, totals);
  for (int s = 0; s < S; s++)
    for (int h = 0; h < H; h++) o.c[h * o.n + column + s] = totals[s * H + h] + (o.bias ? o.bias[column + s] : 0);
}

template <class Kind, int H>
static void multiplyRoundedDots(Context& context, const MatmulInt8& o, const RoundedRows<Kind>& a) {
  constexpr int S = kStreamedRounded;
  parallelParts(context, (o.n + S - 1) / S, S * o.k * (kReadNanoseconds + 0.05 * H / W), [&](int64_t first, int64_t last) {
    const int64_t end = minimum(o.n, last * S);
    int64_t column = first * S;
    for (; column + S <= end; column += S) dotRounded<Kind, S, H>(o, a, column);
    for (; column < end; column++) dotRounded<Kind, 1, H>(o, a, column);
  });
}

template <class Kind>
static void multiplyRounded(Context& context, const MatmulInt8& o) {
  const RoundedRows<Kind> a = roundRows<Kind>(context, o);
  if (o.m == 1) return multiplyRoundedDots<Kind, 1>(context, o, a);
  if (o.m == 2) return multiplyRoundedDots<Kind, 2>(context, o, a);
  const RoundedProduct<Kind> p{o, a, {o.m, kRoundedRows}, {(o.n + W - 1) / W, kRoundedVectors}, Slabs(o.k)};
  const int64_t wanted = context.threads() == 1 ? 1 : (4 * context.threads() + p.columns.count - 1) / p.columns.count;
  const int64_t blocks = maximum((o.m + kRoundedBlock - 1) / kRoundedBlock, minimum(wanted, o.m / kRoundedWorthwhile));
  multiplyByPanels(context, p, blocks, p.packedBytes(), o.k * kRoundedColumns * (kNanoseconds / 2 * o.m / blocks + 0.3));
}

}  // namespace ha::HA_ISA
