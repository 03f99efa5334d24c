// What the convolution and its backward share: positions, the filter over a tile of them, and texts that share a row. Along a tile the filter and the
// last inputs of a vector of channels stay in registers.
#pragma once
#include "../rows.h"

namespace ha::HA_ISA {

constexpr int kTile = 8;               // positions of a tile
constexpr int64_t kPositions = 1024;   // of a chunk, at most: each sums its own part of the weight's gradient

/// A row of positions −carried…length−1: what came before the sequence (absent: zeros), then the sequence.
struct Positions {
  const float *before, *sequence;  // [carried d], [length d]
  int64_t carried, channels;
  const float* operator[](int64_t i) const { return i < 0 ? before + (i + carried) * channels : sequence + i * channels; }
};

HA_INLINE int64_t lengthOf(const int32_t* lengths, int64_t b, int64_t length) {
  return lengths ? maximum(0, minimum(lengths[b], length)) : length;
}

/// [columns rows] of [rows columns]
HA_INLINE const float* transposed(Context& context, const float* x, int64_t rows, int64_t columns) {
  float* y = static_cast<float*>(context.scratch(rows * columns * sizeof(float)));
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < columns; c++) y[c * rows + r] = x[r * columns + c];
  return y;
}

/// What came before each sequence as [b k−1 d]; zeros when absent.
HA_INLINE const float* carriedInputs(Context& context, const float* initial, int64_t batch, int64_t channels, int64_t carried) {
  float* y = static_cast<float*>(context.scratch(batch * carried * channels * sizeof(float)));
  if (!initial) memset(y, 0, batch * carried * channels * sizeof(float));
  else
    for (int64_t b = 0; b < batch; b++)
      for (int64_t d = 0; d < channels; d++)
        for (int64_t k = 0; k < carried; k++) y[(b * carried + k) * channels + d] = initial[(b * channels + d) * carried + k];
  return y;
}

/// Positions are shared out as chunks of at most kPositions, and no fewer chunks than the work is worth.
struct Cut {
  int64_t parts, positions;  // parts of each sequence, of so many positions
};
HA_INLINE Cut cutPositions(Context& context, int64_t batch, int64_t length, int64_t channels, double nanoseconds) {
  const int64_t wanted = (chunkCount(context, batch * length, nanoseconds * channels) + batch - 1) / batch;
  const int64_t parts = maximum(maximum(wanted, 1), (length + kPositions - 1) / kPositions);
  return {parts, (length + parts - 1) / parts};
}

/// Σ_k taps[k]·x[first+k] (+ start) for the positions of one tile and one vector of channels; `Width` 0: any width. What is stored
/// is result(sum, i, lanes), i the position's number in the tile.
template <int Width, class F>
HA_INLINE void filterTile(const Positions& x, int64_t first, int count, const vf* taps, const float* weight, int64_t width, vf start,
                          int64_t d, int lanes, float* y, const F& result) {
  if (Width > 0) {
    vf window[Width > 0 ? Width : 1];
#pragma GCC unroll 4
    for (int k = 0; k < Width - 1; k++) window[k] = loadPart(x[first + k] + d, lanes);
#pragma GCC unroll 8
    for (int i = 0; i < count; i++) {
      window[Width - 1] = loadPart(x[first + i + Width - 1] + d, lanes);
      vf total = start;
#pragma GCC unroll 4
      for (int k = 0; k < Width; k++) total = fma(taps[k], window[k], total);
      storePart(y + i * x.channels + d, result(total, i, lanes), lanes);
#pragma GCC unroll 4
      for (int k = 0; k < Width - 1; k++) window[k] = window[k + 1];
    }
  } else {
    for (int i = 0; i < count; i++) {
      vf total = start;
      for (int64_t k = 0; k < width; k++)
        total = fma(loadPart(weight + k * x.channels + d, lanes), loadPart(x[first + i + k] + d, lanes), total);
      storePart(y + i * x.channels + d, result(total, i, lanes), lanes);
    }
  }
}

/// y_i = result(Σ_k weight[k]·x[i+k+offset] + bias, i, d, lanes) for positions first…last−1, weight as [k d].
template <int Width, class F>
HA_INLINE void filter(const Positions& x, int64_t offset, const float* weight, int64_t width, const float* bias, int64_t first,
                      int64_t last, float* y, const F& result) {
  for (int64_t i = first; i < last; i += kTile) {
    const int count = (int)minimum(kTile, last - i);
    eachVector(0, x.channels, [&](int64_t d, int lanes) HA_INLINED {
      vf taps[Width > 0 ? Width : 1];
      for (int k = 0; k < Width; k++) taps[k] = loadPart(weight + k * x.channels + d, lanes);
      const vf start = bias ? loadPart(bias + d, lanes) : splat(0);
      float* to = y + i * x.channels;
      const auto here = [&](vf sum, int at, int lanes) HA_INLINED { return result(sum, i + at, d, lanes); };
      if (count == kTile) filterTile<Width>(x, i + offset, kTile, taps, weight, width, start, d, lanes, to, here);
      else filterTile<Width>(x, i + offset, count, taps, weight, width, start, d, lanes, to, here);
    });
  }
}

template <class F>
HA_INLINE void filterAny(const Positions& x, int64_t offset, const float* weight, int64_t width, const float* bias, int64_t first,
                         int64_t last, float* y, const F& result) {
  switch (width) {
    case 2: return filter<2>(x, offset, weight, 2, bias, first, last, y, result);
    case 3: return filter<3>(x, offset, weight, 3, bias, first, last, y, result);
    case 4: return filter<4>(x, offset, weight, 4, bias, first, last, y, result);
    default: return filter<0>(x, offset, weight, width, bias, first, last, y, result);
  }
}

constexpr auto asItIs = [](vf sum, int64_t, int64_t, int) HA_INLINED { return sum; };

/// Where texts begin in one row of positions: the rows of a sequence that do not see one another.
struct Texts {
  const int32_t* starts;  // absent: one text
  /// Whether the input at position `from` belongs to another text than position i ≥ from.
  bool parted(int64_t from, int64_t i) const { return starts && starts[i] > 0 && from < starts[i]; }
  /// Whether some input of y_i belongs to another text, of `carried` inputs before position i.
  bool reachesBack(int64_t i, int64_t carried) const { return parted(i - carried, i); }
};

/// y_i again for those positions whose filter reaches into the text before: Σ_k weight[k]·x_{i−carried+k} + bias over their own.
template <class F>
HA_INLINE void filterWithin(const Texts& texts, const Positions& x, const float* weight, int64_t width, const float* bias, int64_t first,
                            int64_t last, float* y, const F& result) {
  for (int64_t i = first; texts.starts && i < last; i++) {
    if (!texts.reachesBack(i, width - 1)) continue;
    eachVector(0, x.channels, [&](int64_t d, int lanes) HA_INLINED {
      vf total = bias ? loadPart(bias + d, lanes) : splat(0);
      for (int64_t from = texts.starts[i]; from <= i; from++)
        total = fma(loadPart(weight + (from - i + width - 1) * x.channels + d, lanes), loadPart(x[from] + d, lanes), total);
      storePart(y + i * x.channels + d, result(total, i, d, lanes), lanes);
    });
  }
}

/// The convolution of positions first…last−1, each text by itself: y_i = result(sum, i, d, lanes), weight as [k d].
template <class F>
HA_INLINE void convolve(const Texts& texts, const Positions& x, const float* weight, int64_t width, const float* bias, int64_t first,
                        int64_t last, float* y, const F& result) {
  filterAny(x, 1 - width, weight, width, bias, first, last, y, result);
  filterWithin(texts, x, weight, width, bias, first, last, y, result);
}

}  // namespace ha::HA_ISA
