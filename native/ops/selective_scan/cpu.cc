// The scan. W channels fill a vector and their states stay in registers over a tile of positions; whatever has a long latency of its
// own (softplus, the gate) runs as a short loop over the tile before or after.
#include "parts.h"

namespace ha::HA_ISA {

constexpr int kTile = kScanTile;

/// What a tile of one channel block is made of: position i has its W channels at [i·W].
struct alignas(64) ForwardTile {
  float delta[kTile * W], input[kTile * W], y[kTile * W];  // delta' of the decay, delta'·u, Σ_n C·s
};

/// Advances S states (A and the states as [n][W]) over `count` positions and adds C·s to y.
template <int S, bool kShared>
HA_INLINE void advance(ForwardTile& tile, int count, const float* A, float* states, const float* B, const float* C, int64_t stride) {
  vf s[S];
  for (int n = 0; n < S; n++) s[n] = load(states + n * W);
  for (int i = 0; i < count; i++, B += stride, C += stride) {
    const vf delta = load(tile.delta + i * W), input = load(tile.input + i * W);
    const vf shared = kShared ? exp2Flushed(delta * load(A)) : delta;
    vf even = load(tile.y + i * W), odd = splat(0);  // two sums, to halve the chain of additions
#pragma GCC unroll 16
    for (int n = 0; n < S; n++) {
      const vf decay = kShared ? shared : exp2Flushed(delta * load(A + n * W));
      s[n] = fma(decay, s[n], input * splat(B[n]));
      (n % 2 ? odd : even) = fma(s[n], splat(C[n]), n % 2 ? odd : even);
    }
    store(tile.y + i * W, even + odd);
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

static void forwardChunk(const SelectiveScan& s, const ScanChunk& chunk, float* memory) {
  const int64_t D = s.channels, N = s.state, blocks = chunk.blocks(), stride = s.groups * N;
  const int64_t row = chunk.row * s.length, rowStates = chunk.row * D * N;
  if (s.length == 1 && chunk.length == 1 && !s.checkpoints && N >= W) return singleStepChunk(s, chunk);
  float *A = memory, *states = A + blocks * N * W;
  for (int64_t block = 0; block < blocks; block++) {
    const int64_t channel = chunk.channel(block);
    gatherStates(s.A + channel * N, chunk.lanes(block), N, kLog2e, A + block * N * W);
    if (s.initialState) gatherStates(s.initialState + rowStates + channel * N, chunk.lanes(block), N, 1, states + block * N * W);
    else zero(states + block * N * W, N * W);
  }
  const bool shared = sharedRates(A, blocks, N);
  const int32_t* starts = s.starts ? s.starts + row : nullptr;

  ForwardTile tile;
  for (int64_t start = 0; start < chunk.length; start += kTile) {
    const int count = (int)minimum(kTile, chunk.length - start);
    const float *B = s.B + (row + start) * stride + chunk.group * N, *C = s.C + (row + start) * stride + chunk.group * N;
    for (int64_t block = 0; block < blocks; block++) {
      const int64_t channel = chunk.channel(block), at = (row + start) * D + channel;
      const int lanes = chunk.lanes(block);
      const int64_t next = block + 1 < blocks ? at + W : at + kTile * D - block * W;
      float *blockA = A + block * N * W, *blockStates = states + block * N * W;
      if (s.checkpoints) {
        float* saved = s.checkpoints + ((chunk.row * scanTiles(s.length) + start / kTile) * D + channel) * N;
        for (int64_t n = 0; n < N; n++) storePart(saved + n * lanes, load(blockStates + n * W), lanes);
      }
      const vf bias = s.deltaBias ? loadPart(s.deltaBias + channel, lanes) : splat(0);
      for (int i = 0; i < count; i++) {
        __builtin_prefetch(s.u + next + i * D), __builtin_prefetch(s.delta + next + i * D);
        const vf delta = stepSize(s.delta + at + i * D, bias, s.softplus, lanes);
        store(tile.delta + i * W, beginsAt(starts, start + i) ? splat(kForgetAll) : delta);
        store(tile.input + i * W, delta * loadPart(s.u + at + i * D, lanes));
        store(tile.y + i * W, splat(0));
      }
      forStates(N, [&]<int S>(int64_t n) {
        if (shared) advance<S, true>(tile, count, blockA + n * W, blockStates + n * W, B + n, C + n, stride);
        else advance<S, false>(tile, count, blockA + n * W, blockStates + n * W, B + n, C + n, stride);
      });
      const vf skip = s.D ? loadPart(s.D + channel, lanes) : splat(0);
      for (int i = 0; i < count; i++) {
        if (s.z) __builtin_prefetch(s.z + next + i * D);
        __builtin_prefetch(s.y + next + i * D, 1);
        const vf y = fma(skip, loadPart(s.u + at + i * D, lanes), load(tile.y + i * W));
        storePart(s.y + at + i * D, s.z ? y * silu(loadPart(s.z + at + i * D, lanes)) : y, lanes);
      }
    }
  }

  for (int64_t i = chunk.length; i < s.length; i++) zero(s.y + (row + i) * D + chunk.first, chunk.end - chunk.first);
  for (int64_t block = 0; s.finalState && block < blocks; block++)
    scatterStates(states + block * N * W, chunk.lanes(block), N, s.finalState + rowStates + chunk.channel(block) * N);
}

void selectiveScan(Context& context, const SelectiveScan& s) {
  const ScanParts parts = scanParts("selectiveScan", context, s);
  const ScanMemory memory(context, 2 * parts.blocks * s.state * W, parts.chunks);
  parallel(context, parts.chunks, [&](int64_t chunk) { forwardChunk(s, parts.at(chunk), memory.of(chunk)); });
}
}  // namespace ha::HA_ISA
