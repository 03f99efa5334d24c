// The scan. W channels fill a vector and their states stay in registers over a tile of positions; whatever has a long latency of its
// own (softplus, the gate) runs as a short loop over the tile before or after.
#include "pieces.h"

namespace ha::HA_ISA {

/// Advances S states ([n][W]) over the positions and adds C·s to out. A: the rates [n][W], or what they give, decays [i][N][W].
template <int S, bool kShared, bool kKept>
HA_INLINE void advanceStates(const ScanVectors& at, int count, const float* A, float* states, const float* B, const float* C, int64_t stride, int64_t N) {
  vf s[S];
  for (int n = 0; n < S; n++) s[n] = load(states + n * W);
  for (int i = 0; i < count; i++, B += stride, C += stride) {
    const vf delta = load(at.delta + i * W), input = load(at.in + i * W);
    const vf shared = kShared ? exp2Flushed(delta * load(A)) : delta;
    vf even = load(at.out + i * W), odd = splat(0);  // two sums, to halve the chain of additions
#pragma GCC unroll 16
    for (int n = 0; n < S; n++) {
      const vf decay = kKept ? load(A + (i * N + n) * W) : kShared ? shared : exp2Flushed(delta * load(A + n * W));
      s[n] = fma(decay, s[n], input * splat(B[n]));
      (n % 2 ? odd : even) = fma(s[n], splat(C[n]), n % 2 ? odd : even);
    }
    store(at.out + i * W, even + odd);
  }
  for (int n = 0; n < S; n++) store(states + n * W, s[n]);
}

/// One position alone, as in generation: the states of one channel fill the lanes, so that nothing is transposed.
static void singleStepChunk(const SelectiveScan& s, const ScanChunk& chunk) {
  const int64_t D = s.channels, N = s.state, keys = (chunk.row * s.groups + chunk.group) * N;
  alignas(64) float delta[W], input[W], products[W * W] = {};
  for (int64_t block = 0; block < chunk.blocks(); block++) {
    const int64_t channel = chunk.channel(block), at = chunk.row * D + channel;
    const int lanes = chunk.lanes(block);
    const vf u = loadPart(s.u + at, lanes);
    const vf positive = stepSize(s.delta + at, s.deltaBias ? loadPart(s.deltaBias + channel, lanes) : splat(0), s.softplus, lanes);
    store(delta, positive * splat(kLog2e)), store(input, positive * u);
    for (int lane = 0; lane < lanes; lane++) {
      vf product = splat(0);
      for (int64_t n = 0; n < N; n += W) {
        const int states = (int)minimum(W, N - n);
        const int64_t state = (at + lane) * N + n;
        const vf decay = exp2Flushed(splat(delta[lane]) * loadPart(s.A + (channel + lane) * N + n, states));
        const vf before = s.initialState ? loadPart(s.initialState + state, states) : splat(0);
        const vf after = fma(decay, before, splat(input[lane]) * loadPart(s.B + keys + n, states));
        if (s.finalState) storePart(s.finalState + state, after, states);
        product = fma(after, loadPart(s.C + keys + n, states), product);
      }
      store(products + lane * W, product);
    }
    const vf y = fma(s.D ? loadPart(s.D + channel, lanes) : splat(0), u, sumEach(products));
    storePart(s.y + at, s.z ? y * silu(loadPart(s.z + at, lanes)) : y, lanes);
  }
}

/// delta', delta'·u and Σ_n C·s of the positions; see frame.h.
struct ForwardPass {
  static constexpr bool kBackward = false;
  const SelectiveScan& s;
  const float* given() const { return s.initialState; }
  float* left() const { return s.finalState; }
  float* result() const { return s.y; }
  int64_t end(int64_t length) const { return length; }
  bool any(const ScanSpot&) const { return true; }
  bool alone(const ScanChunk& chunk) const {
    const bool step = s.length == 1 && chunk.length == 1 && !s.checkpoints && s.state >= W;
    if (step) singleStepChunk(s, chunk);
    return step;
  }

  HA_INLINED void prepare(const ScanSpot& spot, const ScanVectors& to) const {
    const int32_t* starts = s.starts ? s.starts + spot.row * s.length : nullptr;
    const vf bias = s.deltaBias ? loadPart(s.deltaBias + spot.channel, spot.lanes) : splat(0);
    int64_t at = (spot.row * s.length + spot.start) * s.channels + spot.channel;
    for (int i = 0; i < spot.count; i++, at += s.channels) {
      __builtin_prefetch(s.u + at + spot.next), __builtin_prefetch(s.delta + at + spot.next);
      const vf delta = stepSize(s.delta + at, bias, s.softplus, spot.lanes);
      store(to.delta + i * W, beginsAt(starts, spot.start + i) ? splat(kForgetAll) : delta);
      store(to.in + i * W, delta * loadPart(s.u + at, spot.lanes));
    }
  }

  template <bool kKept>
  HA_INLINED void advance(const ScanSpot& spot, const ScanVectors& vectors, int64_t group, const float* A, float* states, bool shared) const {
    const int64_t N = s.state, stride = s.groups * N;
    for (int tile = 0; tile < spot.count; tile += kScanTile) {
      const int64_t start = spot.start + tile, key = (spot.row * s.length + start) * stride + group * N;
      const int count = (int)minimum(kScanTile, spot.count - tile);
      const ScanVectors at = vectors.from(tile);
      if (s.checkpoints) {
        float* saved = s.checkpoints + ((spot.row * scanTiles(s.length) + start / kScanTile) * s.channels + spot.channel) * N;
        for (int64_t n = 0; n < N; n++) storePart(saved + n * spot.lanes, load(states + n * W), spot.lanes);
      }
      const float* rates = kKept ? A + tile * N * W : A;
      zero(at.out, count * W);
      forStates(N, [&]<int S>(int64_t n) HA_INLINED {
        if (shared && !kKept) advanceStates<S, true, false>(at, count, rates + n * W, states + n * W, s.B + key + n, s.C + key + n, stride, N);
        else advanceStates<S, false, kKept>(at, count, rates + n * W, states + n * W, s.B + key + n, s.C + key + n, stride, N);
      });
    }
  }

  HA_INLINED void finish(const ScanSpot& spot, const ScanVectors& from) const {
    const vf skip = s.D ? loadPart(s.D + spot.channel, spot.lanes) : splat(0);
    int64_t at = (spot.row * s.length + spot.start) * s.channels + spot.channel;
    for (int i = 0; i < spot.count; i++, at += s.channels) {
      if (s.z) __builtin_prefetch(s.z + at + spot.next);
      __builtin_prefetch(s.y + at + spot.next, 1);
      const vf y = fma(skip, loadPart(s.u + at, spot.lanes), load(from.out + i * W));
      storePart(s.y + at, s.z ? y * silu(loadPart(s.z + at, spot.lanes)) : y, spot.lanes);
    }
  }
};

void selectiveScan(Context& context, const SelectiveScan& s) {
  runScan("selectiveScan", context, ForwardPass{s});
}
}  // namespace ha::HA_ISA
