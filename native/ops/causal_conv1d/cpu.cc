// The depthwise causal convolution, a vector of channels at a time. Positions are cut into chunks and chunks into tiles: along
// a tile the filter and the last inputs of these channels stay in registers.
#include "../rows.h"

namespace ha::HA_ISA {

constexpr int kTile = 8;               // positions of a tile
constexpr int64_t kPositions = 1024;   // of a chunk, at most: each sums its own part of the weight's gradient
constexpr int64_t kBlock = 32;         // positions of the backward whose gradients before the activation are at hand at a time

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

/// dx_i again for those positions that filters of the text behind would reach: dx_i = Σ_k reversed[k]·dy_{i+k} within its own text.
HA_INLINE void gradientWithin(const Texts& texts, const float* dy, const float* reversed, int64_t width, int64_t channels, int64_t length,
                              int64_t first, int64_t last, float* dx) {
  for (int64_t i = first; texts.starts && i < last; i++) {
    const int64_t end = minimum(length, i + width);
    if (!texts.parted(i, end - 1)) continue;
    eachVector(0, channels, [&](int64_t d, int lanes) HA_INLINED {
      vf total = splat(0);
      for (int64_t to = i; to < end && !texts.parted(i, to); to++)
        total = fma(loadPart(reversed + (to - i) * channels + d, lanes), loadPart(dy + to * channels + d, lanes), total);
      storePart(dx + i * channels + d, total, lanes);
    });
  }
}

/// K numbers of each of W channels lie in K vectors, one channel behind the other: number k of every channel.
template <int K>
HA_INLINE vf numberOfEach(const vf* rows, int k) {
  vf picked = rows[0];
#pragma GCC unroll 4
  for (int row = 1; row < K; row++) {
    vi lanes;
#pragma GCC unroll 16
    for (int i = 0; i < W; i++) lanes[i] = (i * K + k) / W == row ? W + (i * K + k) % W : row == 1 ? (i * K + k) % W : i;
    picked = __builtin_shuffle(picked, rows[row], lanes);
  }
  return picked;
}
/// The other way round: one of those K vectors, from K that hold a number of every channel.
template <int K>
HA_INLINE vf rowOfChannels(const vf* numbers, int row) {
  vf picked = numbers[0];
#pragma GCC unroll 4
  for (int k = 1; k < K; k++) {
    vi lanes;
#pragma GCC unroll 16
    for (int i = 0; i < W; i++) lanes[i] = (row * W + i) % K == k ? W + (row * W + i) / K : k == 1 ? (row * W + i) / K : i;
    picked = __builtin_shuffle(picked, numbers[k], lanes);
  }
  return picked;
}

/// One position alone, as in generation, of W channels from d on: what is carried is turned around in registers.
template <int Width>
HA_INLINE void singleStep(const CausalConv1d& o, int64_t d) {
  constexpr int kCarried = Width - 1;
  vf rows[Width], taps[Width], window[Width];
#pragma GCC unroll 4
  for (int k = 0; k < Width; k++) rows[k] = load(o.weight + d * Width + k * W);
#pragma GCC unroll 4
  for (int k = 0; k < Width; k++) taps[k] = numberOfEach<Width>(rows, k);
  for (int64_t b = 0; b < o.batch; b++) {
    const int64_t at = b * o.channels + d;
#pragma GCC unroll 4
    for (int k = 0; k < kCarried; k++) rows[k] = o.initial ? load(o.initial + at * kCarried + k * W) : splat(0);
#pragma GCC unroll 4
    for (int k = 0; k < kCarried; k++) window[k] = numberOfEach<kCarried>(rows, k);
    window[kCarried] = load(o.x + at);
    vf total = o.bias ? load(o.bias + d) : splat(0);
#pragma GCC unroll 4
    for (int k = 0; k < Width; k++) total = fma(taps[k], window[k], total);
    store(o.y + at, o.silu ? silu(total) : total);
    if (!o.final) continue;
#pragma GCC unroll 4
    for (int k = 0; k < kCarried; k++) store(o.final + at * kCarried + k * W, rowOfChannels<kCarried>(window + 1, k));
  }
}
template <int Width>
static void singleSteps(Context& context, const CausalConv1d& o) {
  parallelParts(context, o.channels / W, 15 * o.batch, [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; block++) singleStep<Width>(o, block * W);
  });
}

void causalConv1d(Context& context, const CausalConv1d& o) {
  const int64_t carried = o.width - 1, size = o.length * o.channels;
  if (o.batch * o.channels == 0) return;
  if (o.length == 1 && !o.lengths && o.channels % W == 0) {
    if (o.width == 4) return singleSteps<4>(context, o);
    if (o.width == 3) return singleSteps<3>(context, o);
    if (o.width == 2) return singleSteps<2>(context, o);
  }
  const float* weight = transposed(context, o.weight, o.channels, o.width);
  const float* before = carriedInputs(context, o.initial, o.batch, o.channels, carried);
  const auto inputs = [&](int64_t b) { return Positions{before + b * carried * o.channels, o.x + b * size, carried, o.channels}; };

  const Cut cut = cutPositions(context, o.batch, o.length, o.channels, o.silu ? 0.5 : 0.25);
  parallel(context, o.batch * cut.parts, [&](int64_t chunk) {
    const int64_t b = chunk / cut.parts, first = minimum(o.length, chunk % cut.parts * cut.positions);
    const int64_t end = minimum(o.length, first + cut.positions);
    const int64_t last = maximum(first, minimum(end, lengthOf(o.lengths, b, o.length)));
    float* y = o.y + b * size;
    const Texts texts{o.starts ? o.starts + b * o.length : nullptr};
    if (o.silu) convolve(texts, inputs(b), weight, o.width, o.bias, first, last, y, [](vf c, int64_t, int64_t, int) HA_INLINED { return silu(c); });
    else convolve(texts, inputs(b), weight, o.width, o.bias, first, last, y, asItIs);
    memset(y + last * o.channels, 0, (end - last) * o.channels * sizeof(float));
  });

  if (!o.final) return;
  for (int64_t b = 0; b < o.batch; b++) {
    const Positions x = inputs(b);
    const int64_t length = lengthOf(o.lengths, b, o.length);
    for (int64_t k = 0; k < carried; k++) {
      const float* row = x[length - carried + k];
      const bool other = length > 0 && Texts{o.starts ? o.starts + b * o.length : nullptr}.parted(length - carried + k, length - 1);
      for (int64_t d = 0; d < o.channels; d++) o.final[(b * o.channels + d) * carried + k] = other ? 0 : row[d];
    }
  }
}

/// sums[k,d] += Σ_i dy_i[d]·x_{i+k−carried}[d] and sums[width,d] += Σ_i dy_i[d] over a tile of positions; `Width` 0: any.
template <int Width>
HA_INLINE void addTile(const Positions& x, const float* dy, int64_t width, int64_t first, int count, int64_t d, int lanes,
                       float* sums) {
  vf grown[kTile], total = splat(0);
#pragma GCC unroll 8
  for (int i = 0; i < count; i++) grown[i] = loadPart(dy + (first + i) * x.channels + d, lanes), total += grown[i];
  const auto add = [&](int64_t k, vf part) HA_INLINED {
    float* sum = sums + k * x.channels + d;
    storePart(sum, loadPart(sum, lanes) + part, lanes);
  };
  add(width, total);
  if (Width > 0) {
    vf tap[Width > 0 ? Width : 1] = {};
    const int64_t start = first - (Width - 1);
#pragma GCC unroll 16
    for (int row = 0; row < count + Width - 1; row++) {  // each input once, for every tap that it meets
      const vf input = loadPart(x[start + row] + d, lanes);
#pragma GCC unroll 4
      for (int k = 0; k < Width; k++)
        if (row - k >= 0 && row - k < count) tap[k] = fma(grown[row - k], input, tap[k]);
    }
    for (int k = 0; k < Width; k++) add(k, tap[k]);
  } else {
    for (int64_t k = 0; k < width; k++) {
      vf tap = splat(0);
      for (int i = 0; i < count; i++) tap = fma(grown[i], loadPart(x[first + i + k - (width - 1)] + d, lanes), tap);
      add(k, tap);
    }
  }
}

/// The same over positions some of whose inputs belong to another text, and do not count.
HA_INLINE void addTileWithin(const Texts& texts, const Positions& x, const float* dy, int64_t width, int64_t first, int count, int64_t d,
                             int lanes, float* sums) {
  for (int64_t k = 0; k <= width; k++) {
    vf tap = splat(0);
    for (int64_t i = first; i < first + count; i++) {
      const int64_t from = i + k - (width - 1);
      if (k < width && texts.parted(from, i)) continue;
      const vf grown = loadPart(dy + i * x.channels + d, lanes);
      tap = k < width ? fma(grown, loadPart(x[from] + d, lanes), tap) : tap + grown;
    }
    float* sum = sums + k * x.channels + d;
    storePart(sum, loadPart(sum, lanes) + tap, lanes);
  }
}

/// The sums of one chunk's positions, [k+1 d].
template <int Width>
HA_INLINE void addWeightGradient(const Texts& texts, const Positions& x, const float* dy, int64_t width, int64_t first, int64_t last,
                                 float* sums) {
  for (int64_t i = first; i < last; i += kTile) {
    const int count = (int)minimum(kTile, last - i);
    bool parted = false;
    for (int64_t at = i; texts.starts && at < i + count; at++) parted |= texts.reachesBack(at, width - 1);
    eachVector(0, x.channels, [&](int64_t d, int lanes) HA_INLINED {
      if (parted) addTileWithin(texts, x, dy, width, i, count, d, lanes, sums);
      else if (count == kTile) addTile<Width>(x, dy, width, i, kTile, d, lanes, sums);
      else addTile<0>(x, dy, width, i, count, d, lanes, sums);
    });
  }
}

/// Without x: the bias's sums alone.
HA_INLINE void addWeightGradientAny(const Texts& texts, const Positions& x, const float* dy, int64_t width, int64_t first, int64_t last, bool withX,
                                    float* sums) {
  if (!withX) return addWeightGradient<0>({nullptr}, x, dy, 0, first, last, sums + width * x.channels);
  switch (width) {
    case 2: return addWeightGradient<2>(texts, x, dy, 2, first, last, sums);
    case 3: return addWeightGradient<3>(texts, x, dy, 3, first, last, sums);
    case 4: return addWeightGradient<4>(texts, x, dy, 4, first, last, sums);
    default: return addWeightGradient<0>(texts, x, dy, width, first, last, sums);
  }
}

/// With dc the gradient before the activation, dx is the convolution of dc with the filter reversed, looking ahead:
/// dx_i = Σ_k weight[K−1−k]·dc_{i+k}, where dc is zero past a row's length; positions before the first one receive dInitial by the same formula.
void causalConv1dBackward(Context& context, const CausalConv1dBackward& o) {
  const int64_t carried = o.width - 1, size = o.length * o.channels, row = o.channels * sizeof(float);
  if (o.batch * o.channels == 0) return;
  float* reversed = static_cast<float*>(context.scratch(o.width * row));
  for (int64_t k = 0; k < o.width; k++)
    for (int64_t d = 0; d < o.channels; d++) reversed[k * o.channels + d] = o.weight[d * o.width + carried - k];
  const bool wantWeight = o.dweight && o.x, wantSums = wantWeight || o.dbias;
  const float* weight = o.silu ? transposed(context, o.weight, o.channels, o.width) : nullptr;
  const float* before = wantWeight || o.silu ? carriedInputs(context, o.initial, o.batch, o.channels, carried) : nullptr;
  const auto inputs = [&](int64_t b) {
    return before ? Positions{before + b * carried * o.channels, o.x + b * size, carried, o.channels} : Positions{nullptr, nullptr, carried, o.channels};
  };
  const auto textsOf = [&](int64_t b) { return Texts{o.starts ? o.starts + b * o.length : nullptr}; };

  // dc of positions first…last−1, [last−first d]: dy·SiLU′(c), c being computed again, or dy itself
  const auto beforeActivation = [&](int64_t b, int64_t first, int64_t last, float* dc) {
    const int64_t end = maximum(first, minimum(last, lengthOf(o.lengths, b, o.length)));
    const float* dy = o.dy + b * size;
    if (o.silu)
      convolve(textsOf(b), inputs(b), weight, o.width, o.bias, first, end, dc - first * o.channels,
               [&](vf c, int64_t i, int64_t d, int lanes) HA_INLINED { return loadPart(dy + i * o.channels + d, lanes) * siluGradient(c); });
    else memcpy(dc, dy + first * o.channels, (end - first) * row);
    memset(dc + (end - first) * o.channels, 0, (last - end) * row);
  };

  const Cut cut = cutPositions(context, o.batch, o.length, o.channels, o.silu ? 1 : 0.6);
  const int64_t chunks = o.batch * cut.parts, sumCount = (o.width + 1) * o.channels;
  const int64_t blockSize = (minimum(kBlock, cut.positions) + carried) * o.channels;
  float* sums = wantSums ? static_cast<float*>(context.scratch(chunks * sumCount * sizeof(float))) : nullptr;
  float* blocks = static_cast<float*>(context.scratch(chunks * blockSize * sizeof(float)));
  parallel(context, chunks, [&](int64_t chunk) {
    const int64_t b = chunk / cut.parts, first = minimum(o.length, chunk % cut.parts * cut.positions);
    const int64_t end = minimum(o.length, first + cut.positions);
    const int64_t length = lengthOf(o.lengths, b, o.length), last = maximum(first, minimum(end, length));
    const Texts texts = textsOf(b);
    float *block = blocks + chunk * blockSize, *dx = o.dx ? o.dx + b * size : nullptr, *own = sums + chunk * sumCount;
    if (wantSums) memset(own, 0, sumCount * sizeof(float));
    for (int64_t i = first; i < last; i += kBlock) {
      const int64_t next = minimum(last, i + kBlock);
      beforeActivation(b, i, dx ? next + carried : next, block);
      const float* dc = block - i * o.channels;
      if (wantSums) addWeightGradientAny(texts, inputs(b), dc, o.width, i, next, wantWeight, own);
      if (!dx) continue;
      filterAny({nullptr, dc, 0, o.channels}, 0, reversed, o.width, nullptr, i, next, dx, asItIs);
      gradientWithin(texts, dc, reversed, o.width, o.channels, length, i, next, dx);
    }
    if (dx) memset(dx + last * o.channels, 0, (end - last) * row);
  });

  for (int64_t d = 0; wantSums && d < o.channels; d++) {
    for (int64_t k = 0; k <= o.width; k++) {
      float* target = k < o.width ? (wantWeight ? o.dweight + d * o.width + k : nullptr) : (o.dbias ? o.dbias + d : nullptr);
      if (!target) continue;
      float total = 0;
      for (int64_t chunk = 0; chunk < chunks; chunk++) total += sums[chunk * sumCount + k * o.channels + d];
      *target = total;
    }
  }
  // the ends: dInitial, and the gradient of `final` where its numbers came from
  float* head = o.dInitial ? static_cast<float*>(context.scratch(carried * row)) : nullptr;  // dc of the first positions
  for (int64_t b = 0; b < o.batch; b++) {
    const int64_t length = lengthOf(o.lengths, b, o.length);
    const Texts texts = textsOf(b);
    if (head) beforeActivation(b, 0, carried, head);
    for (int64_t d = 0; d < o.channels; d++) {
      float* dInitial = o.dInitial ? o.dInitial + (b * o.channels + d) * carried : nullptr;
      for (int64_t j = 0; dInitial && j < carried; j++) {  // position j − carried feeds y_i through tap k = j − i
        float total = 0;
        for (int64_t i = 0; i <= j && i < length && !texts.parted(j - carried, i); i++)
          total += o.weight[d * o.width + j - i] * head[i * o.channels + d];
        dInitial[j] = total;
      }
      for (int64_t k = 0; o.dFinal && k < carried; k++) {
        const int64_t from = length - carried + k;
        const float gradient = o.dFinal[(b * o.channels + d) * carried + k];
        if (length > 0 && texts.parted(from, length - 1)) continue;
        if (from >= 0 && o.dx) o.dx[b * size + from * o.channels + d] += gradient;
        if (from < 0 && dInitial) dInitial[from + carried] += gradient;
      }
    }
  }
}

}  // namespace ha::HA_ISA
