// The hidden attention as a matrix (math.md section 3): α[i,j] = Σ_n U_i[n]·V_j[n] in each channel, cut into pieces.
//
// A rectangle, all its columns before its rows, has the position r before its first row as reference:
//   U_i[n] = C_i[n]·exp(A[n]·(S_i − S_r));   V_j[n] = exp(A[n]·(S_r − S_j))·Δ_j·B_j[n]      both factors in (0, 1]
// A row's scale goes into U, a column's into V.
// V of W columns stays in registers while the rows go by: one multiply-add for each state of each entry, in every channel.
// So |α| and max(α, 0) can be taken on the way, and nothing is gained by a matrix product over all channels at once.
// The triangle on the diagonal is halved down to small ones, where V is carried along the rows. Where all states of a channel have
// one decay, C·Bᵀ and the decays come apart (cpu_shared_rate.cc).
#include "pieces.h"

namespace ha::HA_ISA {
namespace {

using Reduced = AttentionMatrixReduced;
constexpr float kNothing = -150;             // 2^x = 0 from here on
constexpr int64_t kAtOnce = int64_t{1} << 18;  // numbers of a matrix that is made in the cache and then written as a whole

/// Where a piece is added up: W columns of a row stand together, rows and columns some numbers apart.
struct Total {
  float* first;
  int64_t rowPitch, columnPitch;
  float* at(int64_t column) const { return first + column * columnPitch; }
};

/// What one thread works with on one piece.
struct Workspace {
  float* piece;             // [columns/W][rows][W]: the sum over channels
  float *after, *delta;     // [W][kPieceColumns]: for each channel and column, S_r − S_j and Δ_j times the column's scale
  float* since;             // [rows][W]: S_i − S_r of each channel; of a triangle Δ_i
  float *scale, *input;     // [rows][W]: of each channel the row's scale; of a triangle Δ_i times the column's scale
  float* factors;           // [rows][padded()]: U or the decays of one channel
  float* logA;              // [padded()]: A·log2(e) of one channel
  float* partial;           // [rows][W]: sum over some of the states
  static int64_t floats(const Attention& a) {
    return kPieceRows * kPieceColumns + 2 * W * kPieceColumns + 4 * kPieceRows * W + (kPieceRows + 1) * a.padded();
  }
  Workspace(float* memory, const Attention& a) {
    piece = memory, after = piece + kPieceRows * kPieceColumns, delta = after + W * kPieceColumns, since = delta + W * kPieceColumns;
    partial = since + kPieceRows * W, scale = partial + kPieceRows * W, input = scale + kPieceRows * W;
    factors = input + kPieceRows * W, logA = factors + kPieceRows * a.padded();
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

/// factors[i][n] = exp(A[n]·spans[i]), times C_i[n]·scale[i] if there is a C; also A·log2(e).
void makeFactors(const Attention& a, int64_t channel, const float* spans, int64_t rows, const float* C, const float* scale, const Workspace& w) {
  for (int64_t n = 0; n < a.state; n += W) {
    const int lanes = (int)minimum(W, a.state - n);
    const vf logA = loadPart(a.A + channel * a.state + n, lanes) * splat(kLog2e);
    store(w.logA + n, logA);
    for (int64_t i = 0; i < rows; i++) {
      const vf decay = exp2Flushed(logA * splat(spans[i * W]));
      store(w.factors + i * a.padded() + n, C ? decay * (loadPart(C + i * a.groups * a.state + n, lanes) * splat(scale[i * W])) : decay);
    }
  }
}

/// One channel of a rectangle: total[i] += Σ_n U_i[n]·V[n], for S states of W columns.
template <int32_t reduce, int S>
HA_INLINE void rectangleStates(const float* U, int64_t pitch, int64_t rows, const vf* V, bool first, bool last, float* partial, float* total, int64_t rowPitch) {
  for (int64_t i = 0; i < rows; i++, U += pitch) {
    vf even = collected<reduce>(first, partial + i * W), odd = splat(0);
#pragma GCC unroll 16
    for (int n = 0; n < S; n++) (n % 2 ? odd : even) = fma(splat(U[n]), V[n], n % 2 ? odd : even);
    collect<reduce>(even + odd, last, partial + i * W, total + i * rowPitch);
  }
}

/// Adds the channels from `channel` on (at most W, all of one group) to a rectangle.
template <int32_t reduce>
void addRectangle(const Attention& a, int64_t row, const Piece& piece, int64_t channel, int lanes, int64_t group, const Workspace& w, const Total& total) {
  const int64_t N = a.state, stride = a.groups * N, first = row * a.length;
  const vf between = sumDelta(a, row, piece.column + piece.columns, piece.row, channel, lanes);
  float gap[W];
  store(gap, between);
  vf local = splat(0);
  for (int64_t j = (piece.columns - 1) / W * W; j >= 0; j -= W) {
    vf delta[W], after[W];
    for (int64_t k = W - 1; k >= 0; k--) {
      after[k] = local + between;
      const int64_t position = first + piece.column + j + k;
      const vf own = j + k < piece.columns ? loadDelta(a, position, channel, lanes) : splat(0);
      local = local + own;
      delta[k] = a.columnScale && j + k < piece.columns ? own * loadScale(a, a.columnScale, position, channel, lanes) : own;
    }
    transposeTile(delta), transposeTile(after);
    for (int k = 0; k < lanes; k++) store(w.delta + k * kPieceColumns + j, delta[k]), store(w.after + k * kPieceColumns + j, after[k]);
  }
  local = splat(0);
  for (int64_t i = 0; i < piece.rows; i++) {
    local = local + loadDelta(a, first + piece.row + i, channel, lanes);
    store(w.since + i * W, local), store(w.scale + i * W, loadScale(a, a.rowScale, first + piece.row + i, channel, lanes));
  }

  for (int k = 0; k < lanes; k++) {
    // states that have decayed to nothing before the rows begin are left out: they would add exact zeros
    int64_t states = N;
    while (states > 0 && a.A[(channel + k) * N + states - 1] * gap[k] * kLog2e < kNothing) states--;
    if (states == 0) continue;
    makeFactors(a, channel + k, w.since + k, piece.rows, a.C + (first + piece.row) * stride + group * N, w.scale + k, w);
    const float* keys = a.keys + (row * a.groups + group) * N * a.keyPitch() + piece.column;
    for (int64_t j = 0; j < piece.columns; j += W) {
      const vf delta = load(w.delta + k * kPieceColumns + j), after = load(w.after + k * kPieceColumns + j);
      forStates(states, [&]<int S>(int64_t n) {
        vf V[S];
        for (int s = 0; s < S; s++) V[s] = exp2Flushed(splat(w.logA[n + s]) * after) * delta * load(keys + (n + s) * a.keyPitch() + j);
        rectangleStates<reduce, S>(w.factors + n, a.padded(), piece.rows, V, n == 0, n + S == states, w.partial, total.at(j), total.rowPitch);
      });
    }
  }
}

/// One channel of a triangle, for S states of W columns from column `first` on: V decays from row to row, and row i starts column i
/// with input_i·B_i.
template <int32_t reduce, int S>
HA_INLINE void triangleStates(const Attention& a, const float* decays, const float* input, const float* scale, int64_t rows, int64_t first,
                              const float* B, const float* C, bool start, bool last, float* partial, float* total, int64_t rowPitch) {
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
      if (i < first + W) V[n] = select(here, splat(input[i * W] * b[n]), V[n]);
      (n % 2 ? odd : even) = fma(splat(c[n]), V[n], n % 2 ? odd : even);
    }
    vf alpha = even + odd;
    if (reduce == Reduced::kMean || last) alpha = alpha * splat(scale[i * W]);
    collect<reduce>(alpha, last, partial + i * W, total + i * rowPitch);
  }
}

/// Adds the channels from `channel` on (at most W, all of one group) to a triangle.
template <int32_t reduce>
void addTriangle(const Attention& a, int64_t row, const Piece& piece, int64_t channel, int lanes, int64_t group, const Workspace& w, const Total& total) {
  const int64_t N = a.state, stride = a.groups * N, first = row * a.length + piece.row;
  const float *B = a.B + first * stride + group * N, *C = a.C + first * stride + group * N;
  for (int64_t i = 0; i < piece.rows; i++) {
    const vf delta = loadDelta(a, first + i, channel, lanes);
    store(w.since + i * W, delta), store(w.input + i * W, delta * loadScale(a, a.columnScale, first + i, channel, lanes));
    store(w.scale + i * W, loadScale(a, a.rowScale, first + i, channel, lanes));
  }
  for (int k = 0; k < lanes; k++) {
    makeFactors(a, channel + k, w.since + k, piece.rows, nullptr, nullptr, w);
    for (int64_t j = 0; j < piece.rows; j += W)
      forStates(N, [&]<int S>(int64_t n) {
        triangleStates<reduce, S>(a, w.factors + n, w.input + k, w.scale + k, piece.rows, j, B + n, C + n, n == 0, n + S == N, w.partial,
                                  total.at(j), total.rowPitch);
      });
  }
}

/// Adds channels first…end−1 of one piece to `total`; to columns past the piece's last, up to a multiple of W, zeros.
template <int32_t reduce>
void addPiece(const Attention& a, int64_t row, const Piece& piece, int64_t first, int64_t end, const Workspace& w, const Total& total) {
  for (int64_t channel = first; channel < end;) {
    int lanes = 1;
    while (lanes < W && channel + lanes < end && a.groupOf[channel + lanes] == a.groupOf[channel]) lanes++;
    (piece.columns == 0 ? addTriangle<reduce> : addRectangle<reduce>)(a, row, piece, channel, lanes, a.groupOf[channel], w, total);
    channel += lanes;
  }
}

/// Writes scale·Σ over channels first…end−1 of one piece; `out` is row rowStart of one matrix.
void computePiece(const Attention& a, int64_t row, const Piece& piece, int64_t first, int64_t end, int32_t reduce, float scale, const Workspace& w,
                  float* out) {
  const bool triangle = piece.columns == 0;
  const int64_t columns = triangle ? piece.rows : piece.columns;
  const Total total{w.piece, W, piece.rows};
  zero(w.piece, (columns + W - 1) / W * W * piece.rows);
  if (reduce == Reduced::kMeanAbs) addPiece<Reduced::kMeanAbs>(a, row, piece, first, end, w, total);
  else if (reduce == Reduced::kMeanPositive) addPiece<Reduced::kMeanPositive>(a, row, piece, first, end, w, total);
  else addPiece<Reduced::kMean>(a, row, piece, first, end, w, total);
  for (int64_t i = 0; i < piece.rows; i++) {
    float* to = out + (piece.row - a.rowStart + i) * a.length + piece.column;
    for (int64_t j = 0; j < columns; j += W)
      storePart(to + j, load(total.at(j) + i * W) * splat(scale), (int)minimum(W, columns - j));
    if (triangle) zero(to + columns, a.length - piece.column - columns);
  }
}

void checkPieceRows(const char* op, int64_t rowStart, int64_t rows, int64_t length) {
  if (rowStart + rows > length) fail("%s: rows %d…%d of a sequence of length %d", op, (int)rowStart, (int)(rowStart + rows - 1), (int)length);
}

/// Whether all states of each channel decay alike, as in Mamba-2.
bool sharedRate(const Attention& a) {
  for (int64_t i = 0; i < a.channels * a.state; i++)
    if (a.A[i] != a.A[i / a.state * a.state]) return false;
  return true;
}

}  // namespace

void attentionMatrix(Context& context, const AttentionMatrix& m) {
  checkPieceRows("attentionMatrix", m.rowStart, m.rows, m.length);
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
  Attention a{m.batch, m.length, m.selected, m.state, m.groups, m.rowStart, m.rows, delta, A, m.B, m.C, nullptr, nullptr, groupOf, nullptr, nullptr};
  prepare(context, a);
  const Pieces pieces = cut(context, a);
  if (sharedRate(a)) return sharedRateMatrices(context, a, pieces, m.out);
  const int64_t matrices = m.batch * m.selected, size = m.rows * m.length;
  if (size <= kAtOnce && matrices >= context.threads()) {
    const ScanMemory memory(context, Workspace::floats(a) + size + W, matrices);
    return parallel(context, matrices, [&](int64_t matrix) {
      const int64_t channel = matrix % m.selected;
      float* own = memory.of(matrix);
      const Workspace w(own + size + W, a);
      zero(own, size + W);  // and what the last row's last columns reach behind it
      for (int64_t i = 0; i < pieces.count; i++) {
        const Piece& piece = pieces.list[i];
        const Total total{own + (piece.row - m.rowStart) * m.length + piece.column, m.length, 1};
        addPiece<Reduced::kMean>(a, matrix / m.selected, piece, channel, channel + 1, w, total);
      }
      storePastCaches(m.out + matrix * size, own, size);
    });
  }
  const ScanMemory memory(context, Workspace::floats(a), matrices * pieces.count);
  parallel(context, m.batch * m.selected * pieces.count, [&](int64_t chunk) {
    const int64_t matrix = chunk / pieces.count, channel = matrix % m.selected;
    computePiece(a, matrix / m.selected, pieces.list[chunk % pieces.count], channel, channel + 1, Reduced::kMean, 1,
                 Workspace(memory.of(chunk), a), m.out + matrix * m.rows * m.length);
  });
}

void attentionMatrixReduced(Context& context, const AttentionMatrixReduced& m) {
  checkPieceRows("attentionMatrixReduced", m.rowStart, m.rows, m.length);
  int32_t* groupOf = (int32_t*)context.scratch(m.channels * sizeof(int32_t));
  for (int64_t d = 0; d < m.channels; d++) groupOf[d] = (int32_t)(d * m.groups / m.channels);
  Attention a{m.batch, m.length, m.channels, m.state,  m.groups,      m.rowStart, m.rows,  m.delta,
              m.A,     m.B,      m.C,        m.rowScale, m.columnScale, groupOf,    nullptr, nullptr};
  prepare(context, a);
  const Pieces pieces = cut(context, a);
  const bool scaled = m.rowScale || m.columnScale;  // the sign of a channel's scales then counts in |α| and max(α, 0)
  if ((m.reduce == Reduced::kMean || !scaled) && sharedRate(a)) return sharedRateMean(context, a, pieces, m.reduce, m.out);
  const ScanMemory memory(context, Workspace::floats(a), m.batch * pieces.count);
  parallel(context, m.batch * pieces.count, [&](int64_t chunk) {
    const int64_t row = chunk / pieces.count;
    computePiece(a, row, pieces.list[chunk % pieces.count], 0, m.channels, m.reduce, 1.0f / m.channels, Workspace(memory.of(chunk), a),
                 m.out + row * m.rows * m.length);
  });
}

}  // namespace ha::HA_ISA
