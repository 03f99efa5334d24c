// The hidden attention as a matrix (math.md section 3): α[i,j] = Σ_n U_i[n]·V_j[n] in each channel, cut into pieces.
//
// A rectangle, all its columns before its rows, has the position r before its first row as reference:
//   U_i[n] = C_i[n]·exp(A[n]·(S_i − S_r));   V_j[n] = exp(A[n]·(S_r − S_j))·Δ_j·B_j[n]      both factors in (0, 1]
// V of W columns stays in registers while the rows go by: one multiply-add for each state of each entry, in every channel.
// So |α| and max(α, 0) can be taken on the way, and nothing is gained by a matrix product over all channels at once.
// The triangle on the diagonal is halved down to small ones, where V is carried along the rows.
#include "../selective_scan/parts.h"

namespace ha::HA_ISA {
namespace {

using Reduced = AttentionMatrixReduced;
constexpr int kRows = 128, kColumns = 256, kTriangle = 32;  // the largest pieces
constexpr int kSumOf = 64;                                  // positions whose Δ is summed up once for all pieces
constexpr float kNothing = -150;                            // 2^x = 0 from here on

/// What both ops have in common.
struct Attention {
  int64_t batch, length, channels, state, groups, rowStart, rows;
  const float *delta, *A, *B, *C;  // [b l d], [d n], [b l g n], [b l g n]
  const int32_t* groupOf;          // [d]
  float* keys;                     // [b g n keyPitch]: B with the positions last
  float* sums;                     // [b ⌈l/kSumOf⌉ d]: Δ over kSumOf positions
  int64_t keyPitch() const { return length + W; }
  int64_t padded() const { return (state + W - 1) / W * W; }
  int64_t sumBlocks() const { return (length + kSumOf - 1) / kSumOf; }
};

/// Rows row…row+rows−1 of columns column…column+columns−1, all before the rows; without columns: the triangle of the rows.
struct Piece {
  int64_t row, rows, column, columns;
};

/// The pieces of a row range; counts them only while there is no list.
struct Pieces {
  Piece* list;
  int64_t count;

  void add(const Piece& piece) {
    if (list) list[count] = piece;
    count++;
  }
  void addRectangle(int64_t row, int64_t rows, int64_t column, int64_t columns) {
    const int64_t high = (rows + kRows - 1) / kRows, wide = (columns + kColumns - 1) / kColumns;
    for (int64_t i = 0; i < high; i++)
      for (int64_t j = 0; j < wide; j++) {
        const int64_t top = rows * i / high, left = columns * j / wide;
        add({row + top, rows * (i + 1) / high - top, column + left, columns * (j + 1) / wide - left});
      }
  }
  void addTriangle(int64_t first, int64_t rows) {
    if (rows <= kTriangle) return add({first, rows, first, 0});
    const int64_t half = (rows / 2 + W - 1) / W * W;
    addRectangle(first + half, rows - half, first, half);
    addTriangle(first, half);
    addTriangle(first + half, rows - half);
  }
  void addAll(const Attention& a) {
    count = 0;
    if (a.rows == 0) return;
    addRectangle(a.rowStart, a.rows, 0, a.rowStart);
    addTriangle(a.rowStart, a.rows);
  }
};

Pieces cut(Context& context, const Attention& a) {
  Pieces pieces{nullptr, 0};
  pieces.addAll(a);
  pieces.list = (Piece*)context.scratch(pieces.count * sizeof(Piece));
  pieces.addAll(a);
  return pieces;
}

void prepare(Context& context, Attention& a) {
  a.keys = (float*)context.scratch(a.batch * a.groups * a.state * a.keyPitch() * sizeof(float));
  a.sums = (float*)context.scratch(a.batch * a.sumBlocks() * a.channels * sizeof(float));
  parallel(context, a.batch * a.sumBlocks(), [&](int64_t chunk) {
    const int64_t row = chunk / a.sumBlocks(), block = chunk % a.sumBlocks(), keys = a.groups * a.state;
    const int64_t first = block * kSumOf, end = minimum(a.length, first + kSumOf);
    for (int64_t i = first; i < end; i++)
      for (int64_t k = 0; k < keys; k++) a.keys[(row * keys + k) * a.keyPitch() + i] = a.B[(row * a.length + i) * keys + k];
    for (int64_t k = 0; end == a.length && k < keys; k++) zero(a.keys + (row * keys + k) * a.keyPitch() + end, W);
    for (int64_t d = 0; d < a.channels; d += W) {
      const int lanes = (int)minimum(W, a.channels - d);
      vf total = splat(0);
      for (int64_t i = first; i < end; i++) total = total + loadPart(a.delta + (row * a.length + i) * a.channels + d, lanes);
      storePart(a.sums + chunk * a.channels + d, total, lanes);
    }
  });
}

/// Δ of one position, of the channels from `channel` on; those behind them will be asked for next.
HA_INLINE vf loadDelta(const Attention& a, int64_t position, int64_t channel, int lanes) {
  const float* delta = a.delta + position * a.channels + channel;
  __builtin_prefetch(delta + W);
  return loadPart(delta, lanes);
}
/// Σ Δ over positions first…end−1, of the channels from `channel` on.
vf sumDelta(const Attention& a, int64_t row, int64_t first, int64_t end, int64_t channel, int lanes) {
  vf total = splat(0);
  for (int64_t i = first; i < end;) {
    const bool whole = i % kSumOf == 0 && i + kSumOf <= end;
    const float* from = whole ? a.sums + row * a.sumBlocks() * a.channels + i / kSumOf * a.channels : a.delta + (row * a.length + i) * a.channels;
    total = total + loadPart(from + channel, lanes);
    i += whole ? kSumOf : 1;
  }
  return total;
}

/// What one thread works with on one piece.
struct Workspace {
  float* total;             // [columns/W][rows][W]: the piece
  float *after, *delta;     // [W][kColumns]: for each channel and column, S_r − S_j and Δ_j
  float* since;             // [rows][W]: S_i − S_r of each channel
  float* factors;           // [rows][padded()]: U or the decays of one channel
  float* logA;              // [padded()]: A·log2(e) of one channel
  float* partial;           // [rows][W]: sum over some of the states
  static int64_t floats(const Attention& a) {
    return kRows * kColumns + 2 * W * kColumns + 2 * kRows * W + (kRows + 1) * a.padded();
  }
  Workspace(float* memory, const Attention& a) {
    total = memory, after = total + kRows * kColumns, delta = after + W * kColumns, since = delta + W * kColumns;
    partial = since + kRows * W, factors = partial + kRows * W, logA = factors + kRows * a.padded();
  }
};

/// Adds the sum over S states to what an entry has so far: to the total at once where only the sum over everything counts,
/// else to `partial` until the last states are in.
template <int32_t reduce>
HA_INLINE void collect(vf alpha, bool last, float* partial, float* total) {
  if (reduce == Reduced::kMean) return store(total, load(total) + alpha);
  if (!last) return store(partial, alpha);
  store(total, load(total) + (reduce == Reduced::kMeanAbs ? vabs(alpha) : vmax(alpha, splat(0))));
}
template <int32_t reduce>
HA_INLINE vf collected(bool first, const float* partial) {
  return reduce == Reduced::kMean || first ? splat(0) : load(partial);
}

/// factors[i][n] = exp(A[n]·spans[i]), times C_i[n] if there is a C; also A·log2(e).
void makeFactors(const Attention& a, int64_t channel, const float* spans, int64_t rows, const float* C, const Workspace& w) {
  for (int64_t n = 0; n < a.state; n += W) {
    const int lanes = (int)minimum(W, a.state - n);
    const vf logA = loadPart(a.A + channel * a.state + n, lanes) * splat(kLog2e);
    store(w.logA + n, logA);
    for (int64_t i = 0; i < rows; i++) {
      const vf decay = exp2Flushed(logA * splat(spans[i * W]));
      store(w.factors + i * a.padded() + n, C ? decay * loadPart(C + i * a.groups * a.state + n, lanes) : decay);
    }
  }
}

/// One channel of a rectangle: total[i] += Σ_n U_i[n]·V[n], for S states of W columns.
template <int32_t reduce, int S>
HA_INLINE void rectangleStates(const float* U, int64_t pitch, int64_t rows, const vf* V, bool first, bool last, float* partial, float* total) {
  for (int64_t i = 0; i < rows; i++, U += pitch) {
    vf even = collected<reduce>(first, partial + i * W), odd = splat(0);
#pragma GCC unroll 16
    for (int n = 0; n < S; n++) (n % 2 ? odd : even) = fma(splat(U[n]), V[n], n % 2 ? odd : even);
    collect<reduce>(even + odd, last, partial + i * W, total + i * W);
  }
}

/// Adds the channels from `channel` on (at most W, all of one group) to a rectangle.
template <int32_t reduce>
void addRectangle(const Attention& a, int64_t row, const Piece& piece, int64_t channel, int lanes, int64_t group, const Workspace& w) {
  const int64_t N = a.state, stride = a.groups * N, first = row * a.length;
  const vf between = sumDelta(a, row, piece.column + piece.columns, piece.row, channel, lanes);
  float gap[W];
  store(gap, between);
  vf local = splat(0);
  for (int64_t j = (piece.columns - 1) / W * W; j >= 0; j -= W) {
    vf delta[W], after[W];
    for (int64_t k = W - 1; k >= 0; k--) {
      after[k] = local + between;
      delta[k] = j + k < piece.columns ? loadDelta(a, first + piece.column + j + k, channel, lanes) : splat(0);
      local = local + delta[k];
    }
    transposeTile(delta), transposeTile(after);
    for (int k = 0; k < lanes; k++) store(w.delta + k * kColumns + j, delta[k]), store(w.after + k * kColumns + j, after[k]);
  }
  local = splat(0);
  for (int64_t i = 0; i < piece.rows; i++) {
    local = local + loadDelta(a, first + piece.row + i, channel, lanes);
    store(w.since + i * W, local);
  }

  for (int k = 0; k < lanes; k++) {
    // states that have decayed to nothing before the rows begin are left out: they would add exact zeros
    int64_t states = N;
    while (states > 0 && a.A[(channel + k) * N + states - 1] * gap[k] * kLog2e < kNothing) states--;
    if (states == 0) continue;
    makeFactors(a, channel + k, w.since + k, piece.rows, a.C + (first + piece.row) * stride + group * N, w);
    const float* keys = a.keys + (row * a.groups + group) * N * a.keyPitch() + piece.column;
    for (int64_t j = 0; j < piece.columns; j += W) {
      const vf delta = load(w.delta + k * kColumns + j), after = load(w.after + k * kColumns + j);
      forStates(states, [&]<int S>(int64_t n) {
        vf V[S];
        for (int s = 0; s < S; s++) V[s] = exp2Flushed(splat(w.logA[n + s]) * after) * delta * load(keys + (n + s) * a.keyPitch() + j);
        rectangleStates<reduce, S>(w.factors + n, a.padded(), piece.rows, V, n == 0, n + S == states, w.partial, w.total + j * piece.rows);
      });
    }
  }
}

/// One channel of a triangle, for S states of W columns from column `first` on: V decays from row to row, and row i starts column i.
template <int32_t reduce, int S>
HA_INLINE void triangleStates(const Attention& a, const float* decays, const float* delta, int64_t rows, int64_t first, const float* B, const float* C,
                              bool start, bool last, float* partial, float* total) {
  vf V[S] = {};
  vi column;
  for (int k = 0; k < W; k++) column[k] = (int32_t)first + k;
  for (int64_t i = first; i < rows; i++) {
    const float *decay = decays + i * a.padded(), *b = B + i * a.groups * a.state, *c = C + i * a.groups * a.state;
    const vi here = column == (int32_t)i - (vi){};
    vf even = collected<reduce>(start, partial + i * W), odd = splat(0);
#pragma GCC unroll 16
    for (int n = 0; n < S; n++) {
      V[n] = V[n] * splat(decay[n]);
      if (i < first + W) V[n] = select(here, splat(delta[i * W] * b[n]), V[n]);
      (n % 2 ? odd : even) = fma(splat(c[n]), V[n], n % 2 ? odd : even);
    }
    collect<reduce>(even + odd, last, partial + i * W, total + i * W);
  }
}

/// Adds the channels from `channel` on (at most W, all of one group) to a triangle.
template <int32_t reduce>
void addTriangle(const Attention& a, int64_t row, const Piece& piece, int64_t channel, int lanes, int64_t group, const Workspace& w) {
  const int64_t N = a.state, stride = a.groups * N, first = row * a.length + piece.row;
  const float *B = a.B + first * stride + group * N, *C = a.C + first * stride + group * N;
  for (int64_t i = 0; i < piece.rows; i++) store(w.since + i * W, loadDelta(a, first + i, channel, lanes));
  for (int k = 0; k < lanes; k++) {
    makeFactors(a, channel + k, w.since + k, piece.rows, nullptr, w);
    for (int64_t j = 0; j < piece.rows; j += W)
      forStates(N, [&]<int S>(int64_t n) {
        triangleStates<reduce, S>(a, w.factors + n, w.since + k, piece.rows, j, B + n, C + n, n == 0, n + S == N, w.partial,
                                  w.total + j * piece.rows);
      });
  }
}

/// Sets w.total to the sum over channels first…end−1 of one piece.
template <int32_t reduce>
void sumPiece(const Attention& a, int64_t row, const Piece& piece, int64_t first, int64_t end, const Workspace& w) {
  const bool triangle = piece.columns == 0;
  zero(w.total, ((triangle ? piece.rows : piece.columns) + W - 1) / W * W * piece.rows);
  for (int64_t channel = first; channel < end;) {
    int lanes = 1;
    while (lanes < W && channel + lanes < end && a.groupOf[channel + lanes] == a.groupOf[channel]) lanes++;
    (triangle ? addTriangle<reduce> : addRectangle<reduce>)(a, row, piece, channel, lanes, a.groupOf[channel], w);
    channel += lanes;
  }
}

/// Writes scale·Σ over channels first…end−1 of one piece; `out` is row rowStart of one matrix.
void computePiece(const Attention& a, int64_t row, const Piece& piece, int64_t first, int64_t end, int32_t reduce, float scale, const Workspace& w,
                  float* out) {
  if (reduce == Reduced::kMeanAbs) sumPiece<Reduced::kMeanAbs>(a, row, piece, first, end, w);
  else if (reduce == Reduced::kMeanPositive) sumPiece<Reduced::kMeanPositive>(a, row, piece, first, end, w);
  else sumPiece<Reduced::kMean>(a, row, piece, first, end, w);
  const bool triangle = piece.columns == 0;
  const int64_t columns = triangle ? piece.rows : piece.columns;
  for (int64_t i = 0; i < piece.rows; i++) {
    float* to = out + (piece.row - a.rowStart + i) * a.length + piece.column;
    for (int64_t j = 0; j < columns; j += W)
      storePart(to + j, load(w.total + j * piece.rows + i * W) * splat(scale), (int)minimum(W, columns - j));
    if (triangle) zero(to + columns, a.length - piece.column - columns);
  }
}

void checkRows(const char* op, int64_t rowStart, int64_t rows, int64_t length) {
  if (rowStart + rows > length) fail("%s: rows %d…%d of a sequence of length %d", op, (int)rowStart, (int)(rowStart + rows - 1), (int)length);
}

}  // namespace

void attentionMatrix(Context& context, const AttentionMatrix& m) {
  checkRows("attentionMatrix", m.rowStart, m.rows, m.length);
  for (int64_t c = 0; c < m.selected; c++)
    if (m.selection[c] < 0 || m.selection[c] >= m.channels)
      fail("attentionMatrix: selection[%d] is %d; there are %d channels", (int)c, (int)m.selection[c], (int)m.channels);
  // the chosen channels side by side, as if there were no others
  float* delta = (float*)context.scratch(m.batch * m.length * m.selected * sizeof(float));
  float* A = (float*)context.scratch(m.selected * m.state * sizeof(float));
  int32_t* groupOf = (int32_t*)context.scratch(m.selected * sizeof(int32_t));
  for (int64_t c = 0; c < m.selected; c++) {
    groupOf[c] = (int32_t)(m.selection[c] * m.groups / m.channels);
    for (int64_t i = 0; i < m.batch * m.length; i++) delta[i * m.selected + c] = m.delta[i * m.channels + m.selection[c]];
    for (int64_t n = 0; n < m.state; n++) A[c * m.state + n] = m.A[m.selection[c] * m.state + n];
  }
  Attention a{m.batch, m.length, m.selected, m.state, m.groups, m.rowStart, m.rows, delta, A, m.B, m.C, groupOf, nullptr, nullptr};
  prepare(context, a);
  const Pieces pieces = cut(context, a);
  const ScanMemory memory(context, Workspace::floats(a), m.batch * m.selected * pieces.count);
  parallel(context, m.batch * m.selected * pieces.count, [&](int64_t chunk) {
    const int64_t matrix = chunk / pieces.count, channel = matrix % m.selected;
    computePiece(a, matrix / m.selected, pieces.list[chunk % pieces.count], channel, channel + 1, Reduced::kMean, 1,
                 Workspace(memory.of(chunk), a), m.out + matrix * m.rows * m.length);
  });
}

void attentionMatrixReduced(Context& context, const AttentionMatrixReduced& m) {
  checkRows("attentionMatrixReduced", m.rowStart, m.rows, m.length);
  int32_t* groupOf = (int32_t*)context.scratch(m.channels * sizeof(int32_t));
  for (int64_t d = 0; d < m.channels; d++) groupOf[d] = (int32_t)(d * m.groups / m.channels);
  Attention a{m.batch, m.length, m.channels, m.state, m.groups, m.rowStart, m.rows, m.delta, m.A, m.B, m.C, groupOf, nullptr, nullptr};
  prepare(context, a);
  const Pieces pieces = cut(context, a);
  const ScanMemory memory(context, Workspace::floats(a), m.batch * pieces.count);
  parallel(context, m.batch * pieces.count, [&](int64_t chunk) {
    const int64_t row = chunk / pieces.count;
    computePiece(a, row, pieces.list[chunk % pieces.count], 0, m.channels, m.reduce, 1.0f / m.channels, Workspace(memory.of(chunk), a),
                 m.out + row * m.rows * m.length);
  });
}

}  // namespace ha::HA_ISA
