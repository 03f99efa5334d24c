// The scan's backward pass: tile by tile from the last to the first, the states of a tile computed again from the saved one.
#include "parts.h"

namespace ha::HA_ISA {

constexpr int kTile = kScanTile;

/// So few states at a time that all they need, and the sums for B and C, stay in the first-level cache.
constexpr int kBackwardStates = 4;

/// A tile of one channel block: position i has its W channels at [i·W].
struct alignas(64) BackwardTile {
  float delta[kTile * W], input[kTile * W];    // delta' of the decay, delta'·u
  float dy[kTile * W], y[kTile * W];           // the gradient before the gate; y before D and the gate
  float dInput[kTile * W], dDecay[kTile * W];  // Σ_n ds·B, Σ_n ds·s_{i−1}·decay·A·log2(e)
  float states[(kTile + 1) * kBackwardStates * W], decays[kTile * kBackwardStates * W];
};

/// Runs S states forward through the tile again and keeps them all, with their decays.
template <int S, bool kShared>
HA_INLINE void recompute(BackwardTile& tile, int count, const float* A, const float* saved, int lanes, const float* B, const float* C,
                         int64_t stride, bool wantY) {
  vf s[S];
  for (int n = 0; n < S; n++) store(tile.states + n * W, s[n] = loadPart(saved + n * lanes, lanes));
  for (int i = 0; i < count; i++, B += stride, C += stride) {
    const vf delta = load(tile.delta + i * W), input = load(tile.input + i * W);
    const vf shared = kShared ? exp2Flushed(delta * load(A)) : delta;
    float *decays = tile.decays + i * S * W, *states = tile.states + (i + 1) * S * W;
#pragma GCC unroll 16
    for (int n = 0; n < S; n++) {
      const vf decay = kShared ? shared : exp2Flushed(delta * load(A + n * W));
      s[n] = fma(decay, s[n], input * splat(B[n]));
      store(decays + n * W, decay), store(states + n * W, s[n]);
    }
    if (!wantY) continue;
    vf even = load(tile.y + i * W), odd = splat(0);
#pragma GCC unroll 16
    for (int n = 0; n < S; n++) (n % 2 ? odd : even) = fma(s[n], splat(C[n]), n % 2 ? odd : even);
    store(tile.y + i * W, even + odd);
  }
}

/// Takes the gradient ds of the recomputed states backward through the tile.
///   ds_i = dy_i·C_i + decay_{i+1}·ds_{i+1};   dC_i = Σ_d dy_i·s_i;   dB_i = Σ_d ds_i·input_i
template <int S>
HA_INLINE void retreat(BackwardTile& tile, int count, const float* A, const float* B, const float* C, int64_t stride, float* gradients,
                       float* dA, float* dB, float* dC, int64_t partStride) {
  vf ds[S], dAs[S], s[S];
  for (int n = 0; n < S; n++) {
    ds[n] = load(gradients + n * W), dAs[n] = splat(0);
    s[n] = load(tile.states + (count * S + n) * W);
  }
  for (int i = count - 1; i >= 0; i--) {
    const vf delta = load(tile.delta + i * W), input = load(tile.input + i * W), dy = load(tile.dy + i * W);
    const float *decays = tile.decays + i * S * W, *states = tile.states + i * S * W;
    const float *b = B + i * stride, *c = C + i * stride;
    float *dBs = dB + i * partStride, *dCs = dC + i * partStride;
    vf dInput = load(tile.dInput + i * W), dDecay = load(tile.dDecay + i * W);
#pragma GCC unroll 8
    for (int n = 0; n < S; n++) {
      store(dCs + n * W, fma(dy, s[n], load(dCs + n * W)));
      const vf g = fma(dy, splat(c[n]), ds[n]);
      store(dBs + n * W, fma(g, input, load(dBs + n * W)));
      dInput = fma(g, splat(b[n]), dInput);
      ds[n] = g * load(decays + n * W);
      s[n] = load(states + n * W);
      const vf w = ds[n] * s[n];
      dDecay = fma(w, load(A + n * W), dDecay);
      dAs[n] = fma(w, delta, dAs[n]);
    }
    store(tile.dInput + i * W, dInput), store(tile.dDecay + i * W, dDecay);
  }
  for (int n = 0; n < S; n++) {
    store(gradients + n * W, ds[n]);
    store(dA + n * W, load(dA + n * W) + dAs[n]);  // one sum a tile, then one over the tiles: little is rounded away
  }
}

/// What backward chunks leave behind to be added up: A, D and the bias over batch rows, B and C over parts.
struct BackwardSums {
  float *dA, *dD, *dBias;  // [b d n], [b d], [b d]
  float *dB, *dC;          // [part − 1][b l g n]: part 0 writes the results themselves
};

struct BackwardMemory {
  float *A, *gradients, *dA, *dD, *dBias, *dB, *dC;
  static int64_t floats(int64_t blocks, int64_t N) { return (3 * blocks * N + 2 * blocks + 2 * kTile * N + W) * W + 80; }
  BackwardMemory(float* memory, int64_t blocks, int64_t N) {
    A = memory, gradients = A + blocks * N * W, dA = gradients + blocks * N * W;
    dD = dA + blocks * N * W, dBias = dD + blocks * W, dB = dBias + blocks * W, dC = dB + kTile * N * W + 80;
  }
};

/// One tile of one channel block, from the gradient of its last states to that of its first ones.
static void backwardBlock(const SelectiveScanBackward& s, const ScanChunk& chunk, int64_t block, int64_t start, int count, bool shared,
                          BackwardTile& tile, const BackwardMemory& memory) {
  const int64_t D = s.channels, N = s.state, stride = s.groups * N, row = chunk.row * s.length + start;
  const int64_t channel = chunk.channel(block), at = row * D + channel;
  const int64_t next = block + 1 < chunk.blocks() ? at + W : at - kTile * D - block * W;
  const int lanes = chunk.lanes(block);
  const float *B = s.B + row * stride + chunk.group * N, *C = s.C + row * stride + chunk.group * N;
  const float* saved = s.checkpoints + ((chunk.row * scanTiles(s.length) + start / kTile) * D + channel) * N;
  const float* nextSaved = saved + (block + 1 < chunk.blocks() ? W : -D - block * W) * N;
  const vf bias = s.deltaBias ? loadPart(s.deltaBias + channel, lanes) : splat(0);
  const bool wantY = s.z && s.dz;
  const int32_t* starts = s.starts ? s.starts + chunk.row * s.length : nullptr;

  for (int64_t n = 0; n < N; n++) __builtin_prefetch(nextSaved + n * W);

  for (int i = 0; i < count; i++) {
    __builtin_prefetch(s.u + next + i * D), __builtin_prefetch(s.delta + next + i * D), __builtin_prefetch(s.dy + next + i * D);
    if (s.z) __builtin_prefetch(s.z + next + i * D);
    const vf delta = stepSize(s.delta + at + i * D, bias, s.softplus, lanes), dy = loadPart(s.dy + at + i * D, lanes);
    store(tile.delta + i * W, beginsAt(starts, start + i) ? splat(kForgetAll) : delta);
    store(tile.input + i * W, delta * loadPart(s.u + at + i * D, lanes));
    store(tile.dy + i * W, s.z ? dy * silu(loadPart(s.z + at + i * D, lanes)) : dy);
    store(tile.y + i * W, splat(0)), store(tile.dInput + i * W, splat(0)), store(tile.dDecay + i * W, splat(0));
  }

  forStates<kBackwardStates>(N, [&]<int S>(int64_t n) {
    const int64_t at = (block * N + n) * W;
    if (shared) recompute<S, true>(tile, count, memory.A + at, saved + n * lanes, lanes, B + n, C + n, stride, wantY);
    else recompute<S, false>(tile, count, memory.A + at, saved + n * lanes, lanes, B + n, C + n, stride, wantY);
    retreat<S>(tile, count, memory.A + at, B + n, C + n, stride, memory.gradients + at, memory.dA + at, memory.dB + n * W, memory.dC + n * W,
               N * W);
  });

  const vf skip = s.D ? loadPart(s.D + channel, lanes) : splat(0);
  vf dD = splat(0), dBias = splat(0);
  for (int i = 0; i < count; i++) {
    const int64_t o = at + i * D;
    __builtin_prefetch(s.du + next + i * D, 1), __builtin_prefetch(s.ddelta + next + i * D, 1);
    if (wantY) __builtin_prefetch(s.dz + next + i * D, 1);
    const vf u = loadPart(s.u + o, lanes), dInput = load(tile.dInput + i * W), dy = load(tile.dy + i * W);
    vf ddelta = fma(dInput, u, load(tile.dDecay + i * W) * splat(kLn2));
    if (s.softplus) ddelta = ddelta * sigmoid(loadPart(s.delta + o, lanes) + bias);
    storePart(s.ddelta + o, ddelta, lanes);
    const vf delta = beginsAt(starts, start + i) ? stepSize(s.delta + o, bias, s.softplus, lanes) : load(tile.delta + i * W);
    storePart(s.du + o, fma(dInput, delta, skip * dy), lanes);
    dD = fma(dy, u, dD), dBias = dBias + ddelta;
    if (!wantY) continue;
    const vf y = fma(skip, u, load(tile.y + i * W));
    storePart(s.dz + o, loadPart(s.dy + o, lanes) * y * siluGradient(loadPart(s.z + o, lanes)), lanes);
  }
  store(memory.dD + block * W, load(memory.dD + block * W) + dD);
  store(memory.dBias + block * W, load(memory.dBias + block * W) + dBias);
}

static void backwardChunk(const SelectiveScanBackward& s, const ScanChunk& chunk, const BackwardMemory& memory, const BackwardSums& sums) {
  const int64_t D = s.channels, N = s.state, blocks = chunk.blocks(), stride = s.groups * N, row = chunk.row * s.length;
  const int64_t rowStates = chunk.row * D * N, blgn = s.batch * s.length * stride;
  float* dB = (chunk.part ? sums.dB + (chunk.part - 1) * blgn : (float*)s.dB) + row * stride + chunk.group * N;
  float* dC = (chunk.part ? sums.dC + (chunk.part - 1) * blgn : (float*)s.dC) + row * stride + chunk.group * N;
  for (int64_t block = 0; block < blocks; block++) {
    const int64_t channel = chunk.channel(block);
    gatherStates(s.A + channel * N, chunk.lanes(block), N, kLog2e, memory.A + block * N * W);
    float* gradients = memory.gradients + block * N * W;
    if (s.dFinalState) gatherStates(s.dFinalState + rowStates + channel * N, chunk.lanes(block), N, 1, gradients);
    else zero(gradients, N * W);
  }
  zero(memory.dA, blocks * N * W), zero(memory.dD, blocks * W), zero(memory.dBias, blocks * W);

  for (int64_t i = chunk.length; i < s.length; i++) {
    float* const outputs[] = {s.du, s.ddelta, s.dz};
    for (float* to : outputs)
      if (to) zero(to + (row + i) * D + chunk.first, chunk.end - chunk.first);
    zero(dB + i * stride, N), zero(dC + i * stride, N);
  }
  const bool shared = sharedRates(memory.A, blocks, N);
  BackwardTile tile;
  for (int64_t start = (scanTiles(chunk.length) - 1) * kTile; start >= 0; start -= kTile) {
    const int count = (int)minimum(kTile, chunk.length - start);
    zero(memory.dB, count * N * W), zero(memory.dC, count * N * W);
    for (int64_t block = 0; block < blocks; block++) backwardBlock(s, chunk, block, start, count, shared, tile, memory);
    for (int i = 0; i < count; i++)
      for (int64_t n = 0; n < N; n += W) {  // the W vectors behind the last state hold something and are not used
        const int states = (int)minimum(W, N - n);
        storePart(dB + (start + i) * stride + n, sumEach(memory.dB + (i * N + n) * W), states);
        storePart(dC + (start + i) * stride + n, sumEach(memory.dC + (i * N + n) * W), states);
      }
  }

  for (int64_t block = 0; block < blocks; block++) {
    const int64_t channel = chunk.channel(block), states = block * N * W;
    const int lanes = chunk.lanes(block);
    scatterStates(memory.dA + states, lanes, N, sums.dA + rowStates + channel * N);
    if (s.dInitialState) scatterStates(memory.gradients + states, lanes, N, s.dInitialState + rowStates + channel * N);
    storePart(sums.dD + chunk.row * D + channel, load(memory.dD + block * W), lanes);
    storePart(sums.dBias + chunk.row * D + channel, load(memory.dBias + block * W), lanes);
  }
}

void selectiveScanBackward(Context& context, const SelectiveScanBackward& s) {
  const ScanParts parts = scanParts("selectiveScanBackward", context, s);
  const int64_t bd = s.batch * s.channels, blgn = s.batch * s.length * s.groups * s.state;
  const auto floats = [&](int64_t count) { return (float*)context.scratch(count * sizeof(float)); };
  const BackwardSums sums = {floats(bd * s.state), floats(bd), floats(bd), floats((parts.parts - 1) * blgn), floats((parts.parts - 1) * blgn)};
  const ScanMemory memory(context, BackwardMemory::floats(parts.blocks, s.state), parts.chunks);
  parallel(context, parts.chunks, [&](int64_t chunk) {
    backwardChunk(s, parts.at(chunk), BackwardMemory(memory.of(chunk), parts.blocks, s.state), sums);
  });
  addUp(context, sums.dA, s.batch, s.channels * s.state, s.dA, false);
  addUp(context, sums.dD, s.batch, s.channels, s.dD, false);
  addUp(context, sums.dBias, s.batch, s.channels, s.ddeltaBias, false);
  addUp(context, sums.dB, parts.parts - 1, blgn, s.dB, true);
  addUp(context, sums.dC, parts.parts - 1, blgn, s.dC, true);
}

}  // namespace ha::HA_ISA
