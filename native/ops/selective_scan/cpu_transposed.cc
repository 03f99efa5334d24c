// The backward pass with the dynamics held: αᵀ·g, or a row of α.
#include "parts.h"

namespace ha::HA_ISA {

constexpr int kTile = kScanTile;

/// The last position at which g is not zero, for a g that is e_position.
HA_INLINE int64_t unitPosition(const SelectiveScanTransposed& s, int64_t length) { return s.position < 0 ? length - 1 : s.position; }

/// What a tile of one channel block is made of: position i has its W channels at [i·W].
struct alignas(64) TransposedTile {
  float delta[kTile * W], g[kTile * W], out[kTile * W];  // delta: of the decay; out: Σ_n B·q before delta and D
};

/// Takes the gradient q of S states backward: q_i = decay_{i+1}·q_{i+1} + C_i·g_i (the last term only where g is not all zero).
template <int S, bool kAny, bool kShared>
static void transposedStates(TransposedTile& tile, int count, const float* A, float* states, const float* B, const float* C, int64_t stride) {
  vf q[S];
  for (int n = 0; n < S; n++) q[n] = load(states + n * W);
  for (int i = count - 1; i >= 0; i--) {
    const vf delta = load(tile.delta + i * W), g = load(tile.g + i * W);
    const float *b = B + i * stride, *c = C + i * stride;
    const vf shared = kShared ? exp2Flushed(delta * load(A)) : delta;
    vf even = load(tile.out + i * W), odd = splat(0);
#pragma GCC unroll 16
    for (int n = 0; n < S; n++) {
      if (kAny) q[n] = fma(splat(c[n]), g, q[n]);
      (n % 2 ? odd : even) = fma(q[n], splat(b[n]), n % 2 ? odd : even);
      q[n] = q[n] * (kShared ? shared : exp2Flushed(delta * load(A + n * W)));
    }
    store(tile.out + i * W, even + odd);
  }
  for (int n = 0; n < S; n++) store(states + n * W, q[n]);
}

static void transposedChunk(const SelectiveScanTransposed& s, const ScanChunk& chunk, float* memory) {
  const int64_t D = s.channels, N = s.state, blocks = chunk.blocks(), stride = s.groups * N;
  const int64_t row = chunk.row * s.length, rowStates = chunk.row * D * N;
  float *A = memory, *states = A + blocks * N * W;
  for (int64_t block = 0; block < blocks; block++) {
    const int64_t channel = chunk.channel(block);
    gatherStates(s.A + channel * N, chunk.lanes(block), N, kLog2e, A + block * N * W);
    if (s.dFinalState) gatherStates(s.dFinalState + rowStates + channel * N, chunk.lanes(block), N, 1, states + block * N * W);
    else zero(states + block * N * W, N * W);
  }

  // nothing flows back from behind the one position where g is not zero
  const int64_t unit = unitPosition(s, chunk.length), end = s.g || s.dFinalState ? chunk.length : minimum(chunk.length, unit + 1);
  for (int64_t i = end; i < s.length; i++) zero(s.out + (row + i) * D + chunk.first, chunk.end - chunk.first);
  const bool shared = sharedRates(A, blocks, N);
  const int32_t* starts = s.starts ? s.starts + row : nullptr;
  TransposedTile tile;
  for (int64_t start = (scanTiles(end) - 1) * kTile; start >= 0; start -= kTile) {
    const int count = (int)minimum(kTile, end - start);
    const float *B = s.B + (row + start) * stride + chunk.group * N, *C = s.C + (row + start) * stride + chunk.group * N;
    const bool any = s.g || (unit >= start && unit < start + count);
    for (int64_t block = 0; block < blocks; block++) {
      const int64_t channel = chunk.channel(block), at = (row + start) * D + channel;
      const int lanes = chunk.lanes(block);
      float *blockA = A + block * N * W, *blockStates = states + block * N * W;
      if (!any && allZero(blockStates, N * W)) {  // all has decayed and nothing comes in any more
        for (int i = 0; i < count; i++) storePart(s.out + at + i * D, splat(0), lanes);
        continue;
      }
      for (int i = 0; i < count; i++) {
        store(tile.delta + i * W, beginsAt(starts, start + i) ? splat(kForgetAll) : loadPart(s.delta + at + i * D, lanes));
        store(tile.g + i * W, s.g ? loadPart(s.g + at + i * D, lanes) : splat(start + i == unit));
        store(tile.out + i * W, splat(0));
      }
      forStates(N, [&]<int S>(int64_t n) {
        const auto states = any ? shared ? transposedStates<S, true, true> : transposedStates<S, true, false>
                                : shared ? transposedStates<S, false, true> : transposedStates<S, false, false>;
        states(tile, count, blockA + n * W, blockStates + n * W, B + n, C + n, stride);
      });
      const vf skip = s.D ? loadPart(s.D + channel, lanes) : splat(0);
      for (int i = 0; i < count; i++) {
        const vf delta = beginsAt(starts, start + i) ? loadPart(s.delta + at + i * D, lanes) : load(tile.delta + i * W);
        storePart(s.out + at + i * D, fma(load(tile.out + i * W), delta, skip * load(tile.g + i * W)), lanes);
      }
    }
  }
  for (int64_t block = 0; s.dInitialState && block < blocks; block++)
    scatterStates(states + block * N * W, chunk.lanes(block), N, s.dInitialState + rowStates + chunk.channel(block) * N);
}

void selectiveScanTransposed(Context& context, const SelectiveScanTransposed& s) {
  const ScanParts parts = scanParts("selectiveScanTransposed", context, s);
  const ScanMemory memory(context, 2 * parts.blocks * s.state * W, parts.chunks);
  parallel(context, parts.chunks, [&](int64_t chunk) { transposedChunk(s, parts.at(chunk), memory.of(chunk)); });
}
}  // namespace ha::HA_ISA
