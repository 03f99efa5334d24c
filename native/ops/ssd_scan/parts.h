// How the scan in chunks shares its work, what a chunk's decays are, and the products of small matrices it is made of.
#pragma once
#include "../../device/fail.h"
#include "../matmul/tiles.h"
#include "../rows.h"
#include "../selective_scan/parts.h"
#include "ssd_scan.h"

namespace ha::HA_ISA {

constexpr int64_t Q = kSsdChunk;  // a multiple of W

/// Rows of `count` numbers, filled up with zeros to whole vectors.
HA_INLINE int64_t padded(int64_t count) { return (count + W - 1) / W * W; }

/// Heads first…end−1 of one batch row, all of one group of B and C; part number `part` of that group.
struct SsdPart {
  int64_t row, group, part, first, end, length;
  const int32_t* starts;  // of the row
  int64_t heads() const { return end - first; }
};

/// A part is one batch row, one group, and one of `parts` ranges of that group's heads. The cut depends on the shape and the
/// number of threads only.
struct SsdParts {
  int64_t length, heads, groups, parts, count;
  int64_t most;  // heads of the largest part
  const int32_t *lengths, *starts;

  int64_t groupStart(int64_t group) const { return (group * heads + groups - 1) / groups; }
  SsdPart at(int64_t index) const {
    const int64_t part = index % parts, group = index / parts % groups, row = index / parts / groups;
    const int64_t start = groupStart(group), own = groupStart(group + 1) - start;
    return {row, group, part, start + own * part / parts, start + own * (part + 1) / parts, lengths ? lengths[row] : length,
            starts ? starts + row * length : nullptr};
  }
};

template <class Arguments>
HA_INLINE SsdParts ssdParts(const char* op, Context& context, const Arguments& s) {
  for (int64_t row = 0; s.lengths && row < s.batch; row++)
    if (s.lengths[row] < 0 || s.lengths[row] > s.length)
      fail("%s: lengths[%d] is %d; it must lie in 0…%d", op, (int)row, (int)s.lengths[row], (int)s.length);
  const int64_t rows = maximum(1, s.batch * s.groups), widest = (s.heads + s.groups - 1) / maximum(1, s.groups);
  const int64_t fitting = maximum(1, (512 << 10) / maximum(1, 4 * s.state * padded(s.width)));  // heads whose states stay in the cache
  const bool tiny = s.length * s.heads * s.width * s.state < 200000;                             // not worth a second thread
  const int64_t wanted = tiny ? 1 : (2 * context.threads() + rows - 1) / rows;
  const int64_t parts = maximum(1, minimum(widest, maximum(wanted, (widest + fitting - 1) / fitting)));
  return {s.length, s.heads, s.groups, parts, s.heads > 0 ? s.batch * s.groups * parts : 0, (widest + parts - 1) / parts, s.lengths, s.starts};
}

/// The decays of one head over one chunk of `count` positions, in powers of 2. Sums of delta·A are kept as two f32 each, so that
/// their differences are as exact as an f32 can be.
struct alignas(64) ChunkDecays {
  float high[Q], low[Q];  // S_i = high + low; past the last position: as there
  float delta[Q];         // zeros behind
  float entering[Q];      // exp(S_i): what is left of the state before the chunk, 0 where a text has begun since
  float leaving[Q];       // exp(S_last − S_j): what is left of position j after the chunk
  int32_t begin[Q];       // the first position of the chunk that i sees: 0, or where its text begins
  float total;            // exp(S_last)
  int64_t count;

  void read(const float* steps, int64_t stride, float A, const int32_t* starts, int64_t first, int64_t positions) {
    count = positions;
    const double rate = (double)A * 1.4426950408889634;
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
      const int64_t start = starts && starts[first + i] > 0 ? starts[first + i] - first : -1;  // ≥ 0: in this chunk
      delta[i] = steps[i * stride];
      begin[i] = (int32_t)maximum(0, start);
      if (start != i) sum += rate * delta[i];
      high[i] = (float)sum, low[i] = (float)(sum - high[i]);
      entering[i] = start < 0;
    }
    const float lastHigh = high[count - 1], lastLow = low[count - 1];
    for (int64_t i = count; i < Q; i++) high[i] = lastHigh, low[i] = lastLow, delta[i] = entering[i] = 0, begin[i] = (int32_t)Q;
    const int32_t seen = begin[count - 1];
    for (int64_t i = 0; i < Q; i += W) {
      const vf sums = load(high + i) + load(low + i);
      store(entering + i, load(entering + i) * exp2Flushed(sums));
      store(leaving + i, exp2Flushed((splat(lastHigh) - load(high + i)) + (splat(lastLow) - load(low + i))));
    }
    for (int64_t i = 0; i < seen; i++) leaving[i] = 0;
    for (int64_t i = count; i < Q; i++) leaving[i] = 0;
    total = entering[count - 1];
  }
  /// exp(S_i − S_j) for the W positions i from `i` on, whatever their order to j.
  HA_INLINED inline vf fromTo(int64_t j, int64_t i) const {
    return exp2Flushed((load(high + i) - splat(high[j])) + (load(low + i) - splat(low[j])));
  }
};

/// c (+)= a·b over `depth`: a(i,k) = a[i·aRow + k·aStep], rows of b and c side by side in whole vectors but for the last.
struct SmallProduct {
  const float* a;
  int64_t aRow, aStep;
  const float* b;
  int64_t bStep;
  float* c;
  int64_t cRow;
  bool add;
};
/// Rows row…row+rows−1 (six at most), columns from…to−1 of a product.
HA_INLINE void productRows(const SmallProduct& o, int64_t row, int64_t rows, int64_t from, int64_t to, int64_t depth) {
  Tile tile;
  tile.depth = depth;
  tile.a = o.a + row * o.aRow, tile.aRow = o.aRow, tile.aStep = o.aStep;
  tile.bStep = o.bStep, tile.cRow = o.cRow, tile.bias = nullptr, tile.add = o.add;
  for (int64_t column = from; column < to; column += kColumns) {
    const int64_t wide = minimum(kColumns, to - column), vectors = (wide + W - 1) / W;
    tile.b = o.b + column, tile.c = o.c + row * o.cRow + column;
    tile.lanes = (int)(wide - (vectors - 1) * W);
    tileFunction<Tile>(rows, (int)vectors)(tile);
  }
}
/// All rows of a product, columns 0…columns−1.
HA_INLINE void product(const SmallProduct& o, int64_t rows, int64_t columns, int64_t depth) {
  for (int64_t row = 0; row < rows; row += kRows) productRows(o, row, minimum(kRows, rows - row), 0, columns, depth);
}

/// to[c][r] = from[r][c], the rows of `to` filled up with zeros to `toRow` numbers, a multiple of W.
HA_INLINE void turn(const float* from, int64_t fromRow, int64_t rows, int64_t columns, float* to, int64_t toRow) {
  for (int64_t r = 0; r < toRow; r += W)
    for (int64_t c = 0; c < columns; c += W) {
      const int lanes = (int)minimum(W, columns - c);
      vf tile[W];
#pragma GCC unroll 16
      for (int i = 0; i < W; i++) tile[i] = r + i < rows ? loadPart(from + (r + i) * fromRow + c, lanes) : splat(0);
      transposeTile(tile);
      if (lanes == W) {
#pragma GCC unroll 16
        for (int i = 0; i < W; i++) store(to + (c + i) * toRow + r, tile[i]);
      } else {
        for (int i = 0; i < lanes; i++) store(to + (c + i) * toRow + r, tile[i]);
      }
    }
}

/// A state [p n] in memory as [n][P] for the products, and back.
HA_INLINE void takeState(const float* from, int64_t width, int64_t state, float* to) {
  if (from) turn(from, state, width, state, to, padded(width));
  else zero(to, state * padded(width));
}
HA_INLINE void giveState(const float* from, int64_t width, int64_t state, float* to) {
  const int64_t P = padded(width);
  for (int64_t n = 0; n < state; n += W)
    for (int64_t p = 0; p < width; p += W) {
      vf tile[W];
      for (int i = 0; i < W; i++) tile[i] = n + i < state ? load(from + (n + i) * P + p) : splat(0);
      transposeTile(tile);
      for (int i = 0; i < minimum(W, width - p); i++) storePart(to + (p + i) * state + n, tile[i], (int)minimum(W, state - n));
    }
}

/// to[i][P] = factors[i]·from_i, zeros behind `width`; without factors as they are.
HA_INLINE void takeRows(const float* from, int64_t stride, int64_t count, int64_t width, const float* factors, const float* more, float* to) {
  const int64_t P = padded(width);
  for (int64_t i = 0; i < count; i++) {
    const vf factor = splat((factors ? factors[i] : 1.0f) * (more ? more[i] : 1.0f));
    eachVector(0, width, [&](int64_t p, int lanes) HA_INLINED { store(to + i * P + p, factor * loadPart(from + i * stride + p, lanes)); });
  }
}

/// state [n][P] = total·state + Σ_j keys_j[n]·values_j[P]
HA_INLINE void updateState(float* state, int64_t n, int64_t P, float total, const float* keys, int64_t keyStride, const float* values, int64_t count) {
  for (int64_t i = 0; i < n * P; i += W) store(state + i, splat(total) * load(state + i));
  product({keys, 1, keyStride, values, P, state, P, true}, n, P, count);
}

/// weights[j][i] = scores[j][i]·exp(S_i − S_j) for i ≥ j, zeros from the beginning of each six rows' triangle on.
HA_INLINE void anticausalWeights(const ChunkDecays& d, const float* scores, float* weights) {
  vi lane;
  for (int k = 0; k < W; k++) lane[k] = k;
  for (int64_t j = 0; j < d.count; j++)
    for (int64_t i = j / kRows * kRows / W * W; i < Q; i += W) {
      const vi position = lane + (int32_t)i, begin = *(const vi*)(d.begin + i);
      const vi seen = (position >= (int32_t)j) & (begin <= (int32_t)j);
      store(weights + j * Q + i, select(seen, load(scores + j * Q + i) * d.fromTo(j, i), splat(0)));
    }
}

/// out_j = exp(S_last − S_j)·B_j·dState + Σ_i weights[j][i]·values_i, then out_j = finish(j, c, out_j, lanes). `o` is B·dState into out.
template <class F>
HA_INLINE void transposedRows(const ChunkDecays& d, const SmallProduct& o, const float* weights, const float* values, int64_t width, int64_t state,
                              const F& finish) {
  const int64_t P = padded(width);
  for (int64_t j = 0; j < d.count; j += kRows) {
    const int64_t rows = minimum(kRows, d.count - j);
    productRows(o, j, rows, 0, width, state);
    for (int64_t k = j; k < j + rows; k++)
      eachVector(0, width, [&](int64_t c, int lanes) HA_INLINED {
        float* to = o.c + k * o.cRow + c;
        storePart(to, splat(d.leaving[k]) * loadPart(to, lanes), lanes);
      });
    productRows({weights + j, Q, 1, values + j * P, P, o.c, o.cRow, true}, j, rows, 0, width, d.count - j);
    for (int64_t k = j; k < j + rows; k++)
      eachVector(0, width, [&](int64_t c, int lanes) HA_INLINED {
        float* to = o.c + k * o.cRow + c;
        storePart(to, finish(k, c, loadPart(to, lanes), lanes), lanes);
      });
  }
}

}  // namespace ha::HA_ISA
