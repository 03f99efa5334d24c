// The depthwise causal convolution, a vector of channels at a time. Positions are cut into chunks and chunks into tiles.
#include "parts.h"

namespace ha::HA_ISA {

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

}  // namespace ha::HA_ISA
