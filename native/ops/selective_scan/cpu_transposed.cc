// The backward pass with the dynamics held: αᵀ·g, or a row of α.
#include "pieces.h"

namespace ha::HA_ISA {

/// Takes the gradient q of S states ([n][W]) backward over the positions: q_i = decay_{i+1}·q_{i+1} + C_i·g_i (the last term only where
/// g is not all zero), and adds B·q to out. A: the rates [n][W], or what they give, decays [i][N][W].
template <int S, bool kAny, bool kShared, bool kKept>
static void retreatStates(const ScanVectors& at, int count, const float* A, float* states, const float* B, const float* C, int64_t stride, int64_t N) {
  vf q[S];
  for (int n = 0; n < S; n++) q[n] = load(states + n * W);
  for (int i = count - 1; i >= 0; i--) {
    const vf delta = load(at.delta + i * W), g = load(at.in + i * W);
    const float *b = B + i * stride, *c = C + i * stride;
    const vf shared = kShared ? exp2Flushed(delta * load(A)) : delta;
    vf even = load(at.out + i * W), odd = splat(0);
#pragma GCC unroll 16
    for (int n = 0; n < S; n++) {
      if (kAny) q[n] = fma(splat(c[n]), g, q[n]);
      (n % 2 ? odd : even) = fma(q[n], splat(b[n]), n % 2 ? odd : even);
      q[n] = q[n] * (kKept ? load(A + (i * N + n) * W) : kShared ? shared : exp2Flushed(delta * load(A + n * W)));
    }
    store(at.out + i * W, even + odd);
  }
  for (int n = 0; n < S; n++) store(states + n * W, q[n]);
}

/// The delta of the decay, g, and Σ_n B·q before delta and D; see frame.h.
struct TransposedPass {
  static constexpr bool kBackward = true;
  const SelectiveScanTransposed& s;
  const float* given() const { return s.dFinalState; }
  float* left() const { return s.dInitialState; }
  float* result() const { return s.out; }
  /// The last position at which g is not zero, for a g that is e_position.
  int64_t unit(int64_t length) const { return s.position < 0 ? length - 1 : s.position; }
  /// Nothing flows back from behind the one position where g is not zero.
  int64_t end(int64_t length) const { return s.g || s.dFinalState ? length : minimum(length, unit(length) + 1); }
  bool alone(const ScanChunk&) const { return false; }
  bool any(const ScanSpot& spot) const {
    const int64_t one = unit(s.lengths ? s.lengths[spot.row] : s.length);
    return s.g || (one >= spot.start && one < spot.start + spot.count);
  }

  HA_INLINED void prepare(const ScanSpot& spot, const ScanVectors& to) const {
    const int32_t* starts = s.starts ? s.starts + spot.row * s.length : nullptr;
    const int64_t one = unit(s.lengths ? s.lengths[spot.row] : s.length);
    int64_t at = (spot.row * s.length + spot.start) * s.channels + spot.channel;
    for (int i = 0; i < spot.count; i++, at += s.channels) {
      store(to.delta + i * W, beginsAt(starts, spot.start + i) ? splat(kForgetAll) : loadPart(s.delta + at, spot.lanes));
      store(to.in + i * W, s.g ? loadPart(s.g + at, spot.lanes) : splat(spot.start + i == one));
    }
  }

  template <bool kKept>
  HA_INLINED void advance(const ScanSpot& spot, const ScanVectors& at, int64_t group, const float* A, float* states, bool shared) const {
    const int64_t N = s.state, stride = s.groups * N, key = (spot.row * s.length + spot.start) * stride + group * N;
    const bool any = this->any(spot);
    zero(at.out, spot.count * W);
    forStates(N, [&]<int S>(int64_t n) HA_INLINED {
      const auto retreat = any ? shared && !kKept ? retreatStates<S, true, true, false> : retreatStates<S, true, false, kKept>
                               : shared && !kKept ? retreatStates<S, false, true, false> : retreatStates<S, false, false, kKept>;
      retreat(at, spot.count, A + n * W, states + n * W, s.B + key + n, s.C + key + n, stride, N);
    });
  }

  HA_INLINED void finish(const ScanSpot& spot, const ScanVectors& from) const {
    const vf skip = s.D ? loadPart(s.D + spot.channel, spot.lanes) : splat(0);
    int64_t at = (spot.row * s.length + spot.start) * s.channels + spot.channel;
    for (int i = 0; i < spot.count; i++, at += s.channels)
      storePart(s.out + at, fma(load(from.out + i * W), loadPart(s.delta + at, spot.lanes), skip * load(from.in + i * W)), spot.lanes);
  }
};

void selectiveScanTransposed(Context& context, const SelectiveScanTransposed& s) {
  runScan("selectiveScanTransposed", context, TransposedPass{s});
}
}  // namespace ha::HA_ISA
