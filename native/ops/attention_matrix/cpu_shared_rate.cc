// The matrices of the hidden attention where all states of a channel have one decay, as a head of Mamba-2 has (math.md section 4):
//
//   α[i,j] = (C_i·B_j)·exp(A·(S_i − S_j))·Δ_j
//
// C·Bᵀ is one product for all channels of a group. Decay and Δ are positive, so that the mean over channels of α, of |α| or of
// max(α, 0) is C·Bᵀ, or that of it, times the mean of the decays; and in a rectangle the sum of the decays over channels is a product
// of small matrices by itself, with the position before the first row as reference. Scales of rows and columns, of a mean of α, count
// with the decays.
#include "../ssd_scan/parts.h"
#include "pieces.h"

namespace ha::HA_ISA {
namespace {

using Reduced = AttentionMatrixReduced;
constexpr int64_t kHeads = 64;  // channels whose decays are summed at a time
static_assert(kTriangle <= Q);

struct Workspace {
  float *scores, *decays;  // [rows][kPieceColumns]: C·Bᵀ; decays times Δ, summed over channels
  float *until, *from;     // [rows][kHeads], [kHeads][kPieceColumns]: from the reference to a row, from a column to the reference times Δ
  static int64_t floats() { return 2 * kPieceRows * kPieceColumns + kPieceRows * kHeads + kHeads * kPieceColumns; }
  explicit Workspace(float* memory) {
    scores = memory, decays = scores + kPieceRows * kPieceColumns, until = decays + kPieceRows * kPieceColumns, from = until + kPieceRows * kHeads;
  }
};

int64_t columnsOf(const Piece& piece) { return piece.columns ? piece.columns : piece.rows; }

/// scores = C·Bᵀ of one group.
void makeScores(const Attention& a, int64_t row, const Piece& piece, int64_t group, const Workspace& w) {
  const float* C = a.C + ((row * a.length + piece.row) * a.groups + group) * a.state;
  const float* keys = a.keys + (row * a.groups + group) * a.state * a.keyPitch() + piece.column;
  product({C, a.groups * a.state, 1, keys, a.keyPitch(), w.scores, kPieceColumns, false}, piece.rows, padded(columnsOf(piece)), a.state);
}

/// decays (+)= those of channels first…end−1 (kHeads at most) over a rectangle.
void addRectangle(const Attention& a, int64_t row, const Piece& piece, int64_t first, int64_t end, bool add, const Workspace& w) {
  const int64_t at = row * a.length;
  for (int64_t channel = first; channel < end; channel += W) {
    const int lanes = (int)minimum(W, end - channel);
    const vf between = sumDelta(a, row, piece.column + piece.columns, piece.row, channel, lanes);
    vf rates = splat(0), local = splat(0);
    for (int k = 0; k < lanes; k++) rates[k] = a.A[(channel + k) * a.state] * kLog2e;
    for (int64_t i = 0; i < piece.rows; i++) {
      local = local + loadDelta(a, at + piece.row + i, channel, lanes);
      const vf scale = loadScale(a, a.rowScale, at + piece.row + i, channel, lanes);
      storePart(w.until + i * kHeads + channel - first, exp2Flushed(rates * local) * scale, lanes);
    }
    local = splat(0);
    for (int64_t j = (piece.columns - 1) / W * W; j >= 0; j -= W) {
      vf from[W];
      for (int64_t k = W - 1; k >= 0; k--) {
        const bool there = j + k < piece.columns;
        const int64_t position = at + piece.column + j + k;
        const vf delta = there ? loadDelta(a, position, channel, lanes) : splat(0);
        from[k] = exp2Flushed(rates * (local + between)) * delta;
        if (a.columnScale && there) from[k] = from[k] * loadScale(a, a.columnScale, position, channel, lanes);
        local = local + delta;
      }
      transposeTile(from);
      for (int k = 0; k < lanes; k++) store(w.from + (channel - first + k) * kPieceColumns + j, from[k]);
    }
  }
  product({w.until, kHeads, 1, w.from, kPieceColumns, w.decays, kPieceColumns, add}, piece.rows, padded(piece.columns), end - first);
}

/// decays (+)= those of channels first…end−1 over a triangle.
void addTriangle(const Attention& a, int64_t row, const Piece& piece, int64_t first, int64_t end, bool add, const Workspace& w) {
  vi lane;
  for (int k = 0; k < W; k++) lane[k] = k;
  ChunkDecays d;
  float columnScale[kTriangle];
  for (int64_t channel = first; channel < end; channel++, add = true) {
    const auto scaleAt = [&](const float* scale, int64_t i) {
      return scale && i < piece.rows ? scale[(row * a.length + piece.row + i) * a.channels + channel] : 1;
    };
    for (int64_t j = 0; j < padded(piece.rows); j++) columnScale[j] = scaleAt(a.columnScale, j);
    d.read(a.delta + (row * a.length + piece.row) * a.channels + channel, a.channels, a.A[channel * a.state], nullptr, 0, piece.rows);
    for (int64_t i = 0; i < piece.rows; i++)
      for (int64_t j = 0; j < padded(piece.rows); j += W) {
        const vf decay = exp2Flushed((splat(d.high[i]) - load(d.high + j)) + (splat(d.low[i]) - load(d.low + j))) * load(d.delta + j);
        const vf own = select(lane + (int32_t)j <= (int32_t)i, decay * load(columnScale + j) * splat(scaleAt(a.rowScale, i)), splat(0));
        float* to = w.decays + i * kPieceColumns + j;
        store(to, add ? load(to) + own : own);
      }
  }
}

/// The sum of the decays of channels first…end−1, all of one group.
void makeDecays(const Attention& a, int64_t row, const Piece& piece, int64_t first, int64_t end, const Workspace& w) {
  for (int64_t channel = first; channel < end; channel += kHeads)
    (piece.columns ? addRectangle : addTriangle)(a, row, piece, channel, minimum(end, channel + kHeads), channel > first, w);
}

/// out (+)= scale·f(scores)·decays, zeros behind a triangle; `out` is row rowStart of one matrix.
void combine(const Attention& a, const Piece& piece, int32_t reduce, float scale, bool add, const Workspace& w, float* out) {
  const int64_t columns = columnsOf(piece);
  for (int64_t i = 0; i < piece.rows; i++) {
    float* to = out + (piece.row - a.rowStart + i) * a.length + piece.column;
    eachVector(0, columns, [&](int64_t j, int lanes) HA_INLINED {
      const vf score = load(w.scores + i * kPieceColumns + j);
      const vf own = reduce == Reduced::kMeanAbs ? vabs(score) : reduce == Reduced::kMeanPositive ? vmax(score, splat(0)) : score;
      const vf value = own * load(w.decays + i * kPieceColumns + j) * splat(scale);
      storePart(to + j, add ? loadPart(to + j, lanes) + value : value, lanes);
    });
    if (!piece.columns && !add) zero(to + columns, a.length - piece.column - columns);
  }
}

/// body(group, first, end) for each run of channels of one group.
template <class F>
HA_INLINE void eachGroup(const Attention& a, const F& body) {
  for (int64_t first = 0, end; first < a.channels; first = end) {
    for (end = first + 1; end < a.channels && a.groupOf[end] == a.groupOf[first];) end++;
    body(a.groupOf[first], first, end);
  }
}

}  // namespace

void sharedRateMatrices(Context& context, const Attention& a, const Pieces& pieces, float* out) {
  const int64_t count = a.batch * pieces.count;
  const ScanMemory memory(context, Workspace::floats(), count);
  parallel(context, count, [&](int64_t chunk) {
    const int64_t row = chunk / pieces.count;
    const Piece& piece = pieces.list[chunk % pieces.count];
    const Workspace w(memory.of(chunk));
    eachGroup(a, [&](int64_t group, int64_t first, int64_t end) {
      makeScores(a, row, piece, group, w);
      for (int64_t channel = first; channel < end; channel++) {
        makeDecays(a, row, piece, channel, channel + 1, w);
        combine(a, piece, Reduced::kMean, 1, false, w, out + (row * a.channels + channel) * a.rows * a.length);
      }
    });
  });
}

void sharedRateMean(Context& context, const Attention& a, const Pieces& pieces, int32_t reduce, float* out) {
  const int64_t count = a.batch * pieces.count;
  const ScanMemory memory(context, Workspace::floats(), count);
  parallel(context, count, [&](int64_t chunk) {
    const int64_t row = chunk / pieces.count;
    const Piece& piece = pieces.list[chunk % pieces.count];
    const Workspace w(memory.of(chunk));
    eachGroup(a, [&](int64_t group, int64_t first, int64_t end) {
      makeScores(a, row, piece, group, w);
      makeDecays(a, row, piece, first, end, w);
      combine(a, piece, reduce, 1.0f / a.channels, first > 0, w, out + row * a.rows * a.length);
    });
  });
}

}  // namespace ha::HA_ISA
