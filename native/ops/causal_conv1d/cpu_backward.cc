// The convolution's backward pass, a block of positions at a time: dc before the activation, then dx as a filter looking ahead, and the sums of the weight.
#include "parts.h"

namespace ha::HA_ISA {

constexpr int64_t kBlock = 32;         // positions of the backward whose gradients before the activation are at hand at a time

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
