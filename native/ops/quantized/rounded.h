// The product with activations that are rounded to 8 bits (`rounded` of MatmulInt8), in whole numbers: in tiles of a weight that is
// packed with some numbers of the inner axis in a lane, or, for very few rows, as dot products along that axis.
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
  parallelParts(context, groups, 8, [&](int64_t first, int64_t last) {
    for (int64_t group = first; group < last; group++) {
      const RoundedGroup rounded = roundGroup(o.a + group * kGroup, a.q + group * kGroup);
      a.scales[group] = rounded.scale, a.starts[group] = -Kind::kShift * rounded.sum;
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
  HA_INLINED vf at(int64_t row, int64_t p) const { return (vf)Kind::weight(q + row * pitch + p * Kind::kTogether); }
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

template <class Kind>
static void multiplyRounded(Context& context, const MatmulInt8& o) {
  const RoundedProduct<Kind> p{o, roundRows<Kind>(context, o), {o.m, kRoundedRows}, {(o.n + W - 1) / W, kRoundedVectors}, Slabs(o.k)};
  const int64_t wanted = context.threads() == 1 ? 1 : (4 * context.threads() + p.columns.count - 1) / p.columns.count;
  const int64_t blocks = maximum((o.m + kRoundedBlock - 1) / kRoundedBlock, minimum(wanted, o.m / kRoundedWorthwhile));
  multiplyByPanels(context, p, blocks, p.packedBytes(), o.k * kRoundedColumns * (kNanoseconds / 2 * o.m / blocks + 0.3));
}

}  // namespace ha::HA_ISA
