// Sums over an axis. Long axes are cut at fixed places, so that the order of the additions depends on the shape alone.
#include "../rows.h"

namespace ha::HA_ISA {

constexpr int64_t kSegment = 16384;  // columns of a row that one thread sums
constexpr int64_t kRows = 256;       // rows that one thread adds up
constexpr int64_t kColumns = 512;    // of so many columns

// --- over the last axis

/// Σ f(x) over `count` numbers.
template <class F>
HA_INLINE double sumOf(const float* x, int64_t count, const F& f) {
  return sumOver(count, [&](int64_t c, int lanes) HA_INLINED { return f(loadPart(x + c, lanes)); });
}

/// The largest of `count` numbers, or the smallest with `negative` = −1; NaN if one of them is NaN.
HA_INLINE double extreme(const float* x, int64_t count, float negative) {
  const vf flip = splat(negative), start = splat(-__builtin_inff());
  vf best[4] = {start, start, start, start};
  const auto take = [](vf& best, vf v) HA_INLINED { best = select((v > best) | (v != v), v, best); };
  int64_t i = 0;
  for (; i + 4 * W <= count; i += 4 * W)
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) take(best[j], flip * load(x + i + j * W));
  eachVector(i, count, [&](int64_t at, int lanes) HA_INLINED {
    take(best[0], firstLanes(flip * loadPart(x + at, lanes), lanes, start));
  });
  for (int j = 1; j < 4; j++) take(best[0], best[j]);
  float lane[W], result = -__builtin_inff();
  store(lane, best[0]);
  for (float value : lane)
    if (value > result || value != value) result = value;
  return negative * result;
}

HA_INLINE double reduceSegment(const float* x, int64_t count, int32_t kind) {
  switch (kind) {
    case ReduceLast::kSumAbs: return sumOf(x, count, [](vf v) HA_INLINED { return vabs(v); });
    case ReduceLast::kSumPositive: return sumOf(x, count, [](vf v) HA_INLINED { return vmax(splat(0), v); });
    case ReduceLast::kSumSquares: return sumOf(x, count, [](vf v) HA_INLINED { return v * v; });
    case ReduceLast::kMax: return extreme(x, count, 1);
    case ReduceLast::kMin: return extreme(x, count, -1);
    default: return sumOf(x, count, [](vf v) HA_INLINED { return v; });
  }
}

/// What two segments of one row give together.
HA_INLINE double together(double a, double b, int32_t kind) {
  if (kind == ReduceLast::kMax) return b > a || b != b ? b : a;
  if (kind == ReduceLast::kMin) return b < a || b != b ? b : a;
  return a + b;
}

void reduceLast(Context& context, const ReduceLast& o) {
  const int64_t segments = maximum(1, (o.columns + kSegment - 1) / kSegment);
  const auto segment = [&](int64_t r, int64_t s) HA_INLINED {
    return reduceSegment(o.x + r * o.columns + s * kSegment, minimum(kSegment, o.columns - s * kSegment), o.kind);
  };
  if (segments == 1) {
    return parallelParts(context, o.rows, 0.12 * o.columns + 5, [&](int64_t first, int64_t last) {
      for (int64_t r = first; r < last; r++) o.y[r] = (float)(o.scale * segment(r, 0));
    });
  }
  double* partial = static_cast<double*>(context.scratch(o.rows * segments * sizeof(double)));
  parallelParts(context, o.rows * segments, 0.12 * kSegment, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i++) partial[i] = segment(i / segments, i % segments);
  });
  for (int64_t r = 0; r < o.rows; r++) {
    double result = partial[r * segments];
    for (int64_t s = 1; s < segments; s++) result = together(result, partial[r * segments + s], o.kind);
    o.y[r] = (float)(o.scale * result);
  }
}

// --- over the first axis

/// y[c] = Σ_r weights[r]·x[r,c] (weights absent: 1) over the columns from…to−1, four rows at a time.
template <bool Weighted>
HA_INLINE void addRows(const float* x, const float* weights, int64_t rows, int64_t stride, int64_t from, int64_t to, float* y) {
  const auto term = [&](int64_t r, int64_t c, int lanes) HA_INLINED {
    const vf v = loadPart(x + r * stride + c, lanes);
    return Weighted ? v * splat(weights[r]) : v;
  };
  for (int64_t r = 0; r < rows; r += 4) {
    const int64_t count = minimum(4, rows - r);
    eachVector(from, to, [&](int64_t c, int lanes) HA_INLINED {
      vf total = r ? loadPart(y + c, lanes) : splat(0);
      if (count == 4) total += (term(r, c, lanes) + term(r + 1, c, lanes)) + (term(r + 2, c, lanes) + term(r + 3, c, lanes));
      else
        for (int64_t i = 0; i < count; i++) total += term(r + i, c, lanes);
      storePart(y + c, total, lanes);
    });
  }
}

/// y[b,c] = Σ_r weights[b,r]·x[b,r,c]: blocks of kRows rows first, then the blocks' sums.
template <bool Weighted>
HA_INLINE void sumRows(Context& context, int64_t batch, int64_t rows, int64_t columns, const float* x, const float* weights,
                       float* y) {
  if (batch * columns == 0) return;
  if (rows == 0) {
    memset(y, 0, batch * columns * sizeof(float));
    return;
  }
  const int64_t blocks = (rows + kRows - 1) / kRows, strips = (columns + kColumns - 1) / kColumns;
  float* partial = blocks == 1 ? y : static_cast<float*>(context.scratch(batch * blocks * columns * sizeof(float)));
  const double cost = 0.15 * minimum(rows, kRows) * minimum(columns, kColumns);
  parallelParts(context, batch * blocks * strips, cost, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i++) {
      const int64_t strip = i % strips, block = i / strips % blocks, b = i / strips / blocks, r = b * rows + block * kRows;
      addRows<Weighted>(x + r * columns, Weighted ? weights + r : nullptr, minimum(kRows, rows - block * kRows), columns,
                        strip * kColumns, minimum(columns, (strip + 1) * kColumns), partial + (b * blocks + block) * columns);
    }
  });
  if (blocks == 1) return;
  parallelParts(context, batch * strips, 0.15 * blocks * minimum(columns, kColumns), [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i++) {
      const int64_t strip = i % strips, b = i / strips;
      addRows<false>(partial + b * blocks * columns, nullptr, blocks, columns, strip * kColumns,
                     minimum(columns, (strip + 1) * kColumns), y + b * columns);
    }
  });
}

void reduceLeading(Context& context, const ReduceLeading& o) { sumRows<false>(context, 1, o.rows, o.columns, o.x, nullptr, o.y); }

void weightedSum(Context& context, const WeightedSum& o) {
  sumRows<true>(context, o.batch, o.length, o.channels, o.x, o.weights, o.y);
}

}  // namespace ha::HA_ISA
