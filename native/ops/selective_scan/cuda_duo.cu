// The scan forward for 16 states, a block walking through all positions of some channels. Half of its warps walk: a team of 16/S lanes
// a channel, S states each in registers, a tile of positions at a time from shared memory. The other half, at the same time, brings what the
// next tile needs (softplus, products, vectors of 4 read two tiles ahead) and takes away the last one (skip, gate, rounding).
// One barrier a tile. More states a lane need fewer exchanges, fewer fill more of the card: S is chosen by how many warps there are.
//
// The transposed scan is the same (kBack): from q_j = exp(Δ_{j+1}·A)·q_{j+1} + C_j·g_j and out_j = Δ_j·Σ B_j·q_j it is the scan of the
// positions from the last to the first, with B and C exchanged, g for u, each decay that of the position after, and Δ_j as a gate.
#include "cuda_forward.h"

namespace ha::gpu {
namespace {

constexpr int kStates = 16, kHalf = 128;

template <int S> struct Team {
  static constexpr int kLanes = kStates / S, kChannels = kHalf / kLanes, kPositions = S == 4 ? 16 : 32;  // of a tile
  static constexpr int kPad = S == 1 ? 4 : 32 / kLanes;                        // so that no two lanes of a warp write to one bank
  static constexpr int kItems = (kPositions * kChannels / 4 + kHalf - 1) / kHalf;  // vectors of 4 channels a thread and tile
};

template <class T, int S> struct DuoTiles {
  float2 in[2][Team<S>::kPositions][Team<S>::kChannels];                     // Δ (as decays take it), Δ·u
  float keys[2][Team<S>::kPositions][Team<S>::kLanes][2 * S];                // S of B, S of C
  float out[2][Team<S>::kPositions][Team<S>::kChannels + Team<S>::kPad];     // Σ C·state
};

template <int count> __device__ __forceinline__ void readKeys(float (&key)[count], const float (&from)[count]) {
  constexpr int kWord = count < 4 ? count : 4;
#pragma unroll
  for (int k = 0; k < count; k += kWord) load<float, kWord>(*reinterpret_cast<float(*)[kWord]>(&key[k]), &from[k]);
}

/// The half that walks.
template <class T, int S, bool kBack> struct Walker {
  using W = Team<S>;
  const ForwardArguments<T>& o;
  DuoTiles<T, S>& tiles;
  int b, length, channel;
  int own, lane;  // channel of the block, lane of its team
  float rate[S], state[S];

  __device__ __forceinline__ void begin() {
#pragma unroll
    for (int k = 0; k < S; k++) {
      rate[k] = o.A[channel * kStates + lane * S + k] * kLog2e;
      state[k] = o.initialState ? o.initialState[(b * o.shape.channels + channel) * kStates + lane * S + k] : 0;
    }
  }
  __device__ __forceinline__ void write(float* to) {
#pragma unroll
    for (int k = 0; k < S; k++) to[lane * S + k] = state[k];
  }
  __device__ __forceinline__ void decay(float step) {
#pragma unroll
    for (int k = 0; k < S; k++) state[k] *= exp2_approx(step * rate[k]);
  }
  __device__ __forceinline__ void walk(int tile) {
    const int now = tile & 1;
#pragma unroll 1
    for (int t = 0; t < W::kPositions; t += W::kLanes) {
      const int first = tile * W::kPositions + t;
      if (!kBack && o.checkpoints && t % kScanTile == 0 && first < length)
        write(o.checkpoints + ((b * scanTilesOnDevice(o.shape.length) + first / kScanTile) * o.shape.channels + channel) * kStates);
      float part[W::kLanes];
#pragma unroll
      for (int j = 0; j < W::kLanes; j++) {
        const float2 in = tiles.in[now][t + j][own];
        float key[2 * S];
        readKeys(key, tiles.keys[now][t + j][lane]);
        part[j] = 0;
#pragma unroll
        for (int k = 0; k < S; k++) {
          state[k] = fmaf(exp2_approx(in.x * rate[k]), state[k], in.y * key[k]);
          part[j] = fmaf(key[S + k], state[k], part[j]);
        }
      }
      tiles.out[now][t + lane][own] = reduceScatter(part, static_cast<int>(threadIdx.x) % 32);
    }
  }
};

/// The half that brings and takes away.
template <class T, int S, bool kBack> struct Stager {
  using W = Team<S>;
  const ForwardArguments<T>& o;
  DuoTiles<T, S>& tiles;
  int b, length, channel0, group, unit;  // length: of what is walked through
  int thread;
  Pack<T, 4> u[W::kItems], delta[W::kItems], B, C;

  __device__ __forceinline__ int row(int item) const { return (thread + item * kHalf) / (W::kChannels / 4); }
  __device__ __forceinline__ int column(int item) const { return (thread + item * kHalf) % (W::kChannels / 4) * 4; }
  __device__ __forceinline__ int position(int tile, int row) const { return kBack ? length - 1 - tile * W::kPositions - row : tile * W::kPositions + row; }
  __device__ __forceinline__ int64_t at(int position, int item) const { return (b * o.shape.length + position) * o.shape.channels + channel0 + column(item); }
  __device__ __forceinline__ bool there(int tile, int row) const { return row < W::kPositions && tile * W::kPositions + row < length; }

  /// Reads a tile into registers.
  __device__ __forceinline__ void read(int tile) {
#pragma unroll
    for (int e = 0; e < W::kItems; e++)
      if (there(tile, row(e))) {
        const int i = position(tile, row(e)), decays = kBack ? i + 1 : i;
        if (!kBack || o.u) u[e] = *reinterpret_cast<const Pack<T, 4>*>(o.u + at(i, e));
        if (decays < length) delta[e] = *reinterpret_cast<const Pack<T, 4>*>(o.delta + at(decays, e));
      }
    if (there(tile, thread / 4)) {
      const int64_t key = ((b * o.shape.length + position(tile, thread / 4)) * o.shape.groups + group) * kStates + thread % 4 * 4;
      B = *reinterpret_cast<const Pack<T, 4>*>(o.B + key), C = *reinterpret_cast<const Pack<T, 4>*>(o.C + key);
    }
  }
  /// What was read, as the walkers need it. Past the end Δ = 0 leaves the state as it is.
  __device__ __forceinline__ void stage(int tile) {
    const int half = tile & 1;
#pragma unroll
    for (int e = 0; e < W::kItems; e++) {
      if (row(e) >= W::kPositions) break;
      const int i = position(tile, row(e)), decays = kBack ? i + 1 : i;
      const bool on = there(tile, row(e)), decay = on && decays < length, begins = decay && o.shape.beginsAt(b, decays);
#pragma unroll
      for (int c = 0; c < 4; c++) {
        const float x = decay ? toFloat(delta[e].at[c]) + (!kBack && o.deltaBias ? o.deltaBias[channel0 + column(e) + c] : 0) : 0;
        const float step = !decay ? 0 : !kBack && o.softplus ? softplus(x) : x;
        const float in = !on ? 0 : kBack && !o.u ? (i == unit ? 1.f : 0.f) : toFloat(u[e].at[c]);
        tiles.in[half][row(e)][column(e) + c] = {begins ? kForgetAll : step, kBack ? in : step * in};
      }
    }
    const int n = thread % 4 * 4;
    const bool on = there(tile, thread / 4);
    if (thread / 4 >= W::kPositions) return;
#pragma unroll
    for (int c = 0; c < 4; c++) {
      float* to = tiles.keys[half][thread / 4][(n + c) / S];
      to[(n + c) % S] = on ? toFloat(B.at[c]) : 0, to[S + (n + c) % S] = on ? toFloat(C.at[c]) : 0;
    }
  }
  /// The results of a tile.
  __device__ __forceinline__ void finish(int tile) {
    const int half = tile & 1;
#pragma unroll
    for (int e = 0; e < W::kItems; e++) {
      if (!there(tile, row(e))) break;
      const int i = position(tile, row(e));
      const int64_t p = at(i, e);
      float y[4], in[4], gate[4];
      load<float, 4>(y, &tiles.out[half][row(e)][column(e)]);
      if (kBack) {
        load<T, 4>(gate, o.delta + p);
#pragma unroll
        for (int c = 0; c < 4; c++) y[c] *= gate[c];
      }
      if (o.D) {
        if (!kBack || o.u) load<T, 4>(in, o.u + p);
#pragma unroll
        for (int c = 0; c < 4; c++) y[c] = fmaf(o.D[channel0 + column(e) + c], kBack && !o.u ? (i == unit ? 1.f : 0.f) : in[c], y[c]);
      }
      if (!kBack && o.z) {
        load<T, 4>(gate, o.z + p);
#pragma unroll
        for (int c = 0; c < 4; c++) y[c] *= silu(gate[c]);
      }
      store<T, 4>(o.y + p, y);
    }
  }
  __device__ __forceinline__ void clearRest() {
    const float none[4] = {0, 0, 0, 0};
    const int64_t rest = (o.shape.length - length) * (W::kChannels / 4);
    for (int64_t i = thread; i < rest; i += kHalf)
      store<T, 4>(o.y + (b * o.shape.length + length + i / (W::kChannels / 4)) * o.shape.channels + channel0 + i % (W::kChannels / 4) * 4, none);
  }
};

template <class T, int S, bool kBack> __global__ __launch_bounds__(2 * kHalf, 3) void duoKernel(ForwardArguments<T> o) {
  using W = Team<S>;
  SHARED(tiles, DuoTiles<T, S>);
  const int b = static_cast<int>(blockIdx.y), length = static_cast<int>(kBack ? o.backEnd(b) : o.shape.lengthOf(b)), channel0 = static_cast<int>(blockIdx.x) * W::kChannels;
  const int count = (length + W::kPositions - 1) / W::kPositions, thread = static_cast<int>(threadIdx.x) % kHalf, own = thread / W::kLanes;
  const bool walks = threadIdx.x < kHalf;
  Walker<T, S, kBack> walker{o, tiles, b, length, channel0 + own, own, thread % W::kLanes, {}, {}};
  Stager<T, S, kBack> stager{o, tiles, b, length, channel0, static_cast<int>(channel0 * o.shape.groups / o.shape.channels), kBack ? static_cast<int>(o.unitOf(b)) : 0, thread, {}, {}, {}, {}};
  if (walks) {
    walker.begin();
  } else {
    stager.read(0), stager.stage(0), stager.read(1);
  }
  __syncthreads();
  for (int tile = 0; tile < count; tile++) {
    if (walks) {
      walker.walk(tile);
    } else {
      stager.stage(tile + 1), stager.read(tile + 2);
      if (tile) stager.finish(tile - 1);
    }
    __syncthreads();
  }
  if (walks) {
    if (kBack && length) walker.decay(toFloat(o.delta[b * o.shape.length * o.shape.channels + channel0 + own]));
    if (o.finalState) walker.write(o.finalState + (b * o.shape.channels + channel0 + own) * kStates);
  } else {
    if (count) stager.finish(count - 1);
    stager.clearRest();
  }
}

}  // namespace

template <class T, bool kBack> static bool duo(Gpu& gpu, const ForwardArguments<T>& o) {
  const ScanShape& s = o.shape;
  if (s.state != kStates || s.length <= kScanTile || s.length > 0x7fffff00 || s.batch > 65535 || s.channels % s.groups) return false;
  if (!packable(s.channels, 4, sizeof(T), o.u, o.delta, o.z, o.y) || !packable(kStates, 4, sizeof(T), o.B, o.C)) return false;
  // walking warps that leave few schedulers without one: two for three of them
  const auto enough = [&](int64_t states) { return s.batch * s.channels * kStates / (32 * states) >= gpu.multiprocessors * 8 / 3; };
  const auto launch = [&](auto states) {
    constexpr int S = decltype(states)::value, kChannels = Team<S>::kChannels;
    if (s.channels / s.groups % kChannels || (S > 1 && !enough(S))) return false;
    LAUNCH((duoKernel<T, S, kBack>), dim3(gridX(s.channels / kChannels), static_cast<unsigned>(s.batch)), 2 * kHalf, 0, gpu.stream, o);
    return true;
  };
  return launch(std::integral_constant<int, 4>()) || launch(std::integral_constant<int, 2>()) || launch(std::integral_constant<int, 1>());
}
template <class T> bool scanDuo(Gpu& gpu, const ForwardArguments<T>& o) { return duo<T, false>(gpu, o); }
template <class T> bool scanDuoBack(Gpu& gpu, const ForwardArguments<T>& o) { return duo<T, true>(gpu, o); }
template bool scanDuo(Gpu&, const ForwardArguments<float>&);
template bool scanDuo(Gpu&, const ForwardArguments<bf16>&);
template bool scanDuo(Gpu&, const ForwardArguments<f16>&);
template bool scanDuoBack(Gpu&, const ForwardArguments<float>&);
template bool scanDuoBack(Gpu&, const ForwardArguments<bf16>&);
template bool scanDuoBack(Gpu&, const ForwardArguments<f16>&);

}  // namespace ha::gpu
