// What the matrices of the hidden attention are cut into: rectangles before the diagonal, triangles on it; and sums of Δ between them.
#pragma once
#include "../selective_scan/parts.h"

namespace ha::HA_ISA {

constexpr int kPieceRows = 128, kPieceColumns = 256, kTriangle = 32;  // the largest pieces
constexpr int kSumOf = 64;                                  // positions whose Δ is summed up once for all pieces

/// What both ops have in common.
struct Attention {
  int64_t batch, length, channels, state, groups, rowStart, rows;
  const float *delta, *A, *B, *C;  // [b l d], [d n], [b l g n], [b l g n]
  const float *rowScale, *columnScale;  // [b l d]; null: 1
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
    const int64_t high = (rows + kPieceRows - 1) / kPieceRows, wide = (columns + kPieceColumns - 1) / kPieceColumns;
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

HA_INLINE Pieces cut(Context& context, const Attention& a) {
  Pieces pieces{nullptr, 0};
  pieces.addAll(a);
  pieces.list = (Piece*)context.scratch(pieces.count * sizeof(Piece));
  pieces.addAll(a);
  return pieces;
}

HA_INLINE void prepare(Context& context, Attention& a) {
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
/// A scale of one position, of the channels from `channel` on.
HA_INLINE vf loadScale(const Attention& a, const float* scale, int64_t position, int64_t channel, int lanes) {
  return scale ? loadPart(scale + position * a.channels + channel, lanes) : splat(1);
}
/// Σ Δ over positions first…end−1, of the channels from `channel` on.
HA_INLINE vf sumDelta(const Attention& a, int64_t row, int64_t first, int64_t end, int64_t channel, int lanes) {
  vf total = splat(0);
  for (int64_t i = first; i < end;) {
    const bool whole = i % kSumOf == 0 && i + kSumOf <= end;
    const float* from = whole ? a.sums + row * a.sumBlocks() * a.channels + i / kSumOf * a.channels : a.delta + (row * a.length + i) * a.channels;
    total = total + loadPart(from + channel, lanes);
    i += whole ? kSumOf : 1;
  }
  return total;
}

/// Sets out to the matrices, or their mean, where all states of a channel have one decay (cpu_shared_rate.cc).
void sharedRateMatrices(Context& context, const Attention& a, const Pieces& pieces, float* out);
void sharedRateMean(Context& context, const Attention& a, const Pieces& pieces, int32_t reduce, float* out);

}  // namespace ha::HA_ISA
