// All gradients of the scan for 16 states: a block has 16 channels, 8 lanes a channel with two states each, and goes through tiles of
// 16 positions from the last to the first. A tile is brought to shared memory while the one after it is computed; its states come
// again from the one saved on entering it. Sums over lanes and channels are exchanged among 8 positions at a time (reduceScatter).
#include "cuda_backward.h"

namespace ha::gpu {
namespace {

constexpr int kStates = 16, kOwn = 2, kLanes = kStates / kOwn, kThreads = 128, kChannels = kThreads / kLanes, kTile = static_cast<int>(kScanTile);
constexpr int kWarps = kThreads / 32;
static_assert(kTile * kChannels == 2 * kThreads && kTile * kStates * 2 == 4 * kThreads, "what a thread brings of a tile");

struct BackwardTiles {
  float4 in[kTile][kChannels];            // Δ (as decays take it), Δ·u, dy before the gate, u
  float step[kTile][kChannels];           // Δ
  float4 keys[kTile][kLanes];             // B, C of a lane's states
  float2 before[kTile][kThreads];         // a lane's states before each position
  float sums[kWarps][kTile][32];          // dB and dC of a warp's channels
  float2 out[kTile][kChannels + 2];       // du, dΔ
  float y[kTile][kChannels + 1];          // y before the gate
};

/// softplus'(x) from Δ = softplus(x): 1 − e^−Δ, with all its digits where Δ is small.
__device__ __forceinline__ float softplusSlope(float delta) {
  const float small = delta * (1 - delta * (0.5f - delta * (1.f / 6 - delta * (1.f / 24))));
  return delta < 1.f / 32 ? small : 1 - expFast(-delta);
}

template <class T, bool kGated> struct Backward {
  const BackwardArguments<T>& o;
  BackwardTiles& tiles;
  int b, length, channel0, group;
  int thread, lane, own;  // lane of a team, channel of the block
  float rate[kOwn], carry[kOwn], dA[kOwn], state[kOwn], saved[kOwn];
  float skip, dD, dBias;
  Pack<T, 2> u, delta, dy, z;
  Pack<T, 4> key;

  // what a thread brings: two channels of one position, four states of B or C of one
  __device__ __forceinline__ int row() const { return thread / (kChannels / 2); }
  __device__ __forceinline__ int column() const { return thread % (kChannels / 2) * 2; }
  __device__ __forceinline__ int64_t at(int tile) const { return (b * o.shape.length + tile * kTile + row()) * o.shape.channels + channel0 + column(); }
  __device__ __forceinline__ int keyRow() const { return thread % (kThreads / 2) / 4; }
  __device__ __forceinline__ int keyColumn() const { return thread % 4 * 4; }
  __device__ __forceinline__ int64_t keysAt(int position) const { return ((b * o.shape.length + position) * o.shape.groups + group) * kStates; }

  __device__ __forceinline__ void read(int tile) {
    if (tile < 0) return;
    if (tile * kTile + row() < length) {
      u = *reinterpret_cast<const Pack<T, 2>*>(o.u + at(tile)), delta = *reinterpret_cast<const Pack<T, 2>*>(o.delta + at(tile));
      dy = *reinterpret_cast<const Pack<T, 2>*>(o.dy + at(tile));
      if (kGated) z = *reinterpret_cast<const Pack<T, 2>*>(o.z + at(tile));
    }
    if (tile * kTile + keyRow() < length)
      key = *reinterpret_cast<const Pack<T, 4>*>((thread < kThreads / 2 ? o.B : o.C) + keysAt(tile * kTile + keyRow()) + keyColumn());
    load<float, kOwn>(saved, o.checkpoints + ((b * scanTilesOnDevice(o.shape.length) + tile) * o.shape.channels + channel0 + own) * kStates + lane * kOwn);
  }
  /// Past the end everything is 0, which changes neither states nor sums.
  __device__ __forceinline__ void stage(int tile) {
    const bool on = tile * kTile + row() < length, begins = on && o.shape.beginsAt(b, tile * kTile + row());
#pragma unroll
    for (int c = 0; c < 2; c++) {
      const float x = on ? toFloat(delta.at[c]) + (o.deltaBias ? o.deltaBias[channel0 + column() + c] : 0) : 0;
      const float step = !on ? 0 : o.softplus ? softplus(x) : x, input = on ? toFloat(u.at[c]) : 0, given = on ? toFloat(dy.at[c]) : 0;
      tiles.step[row()][column() + c] = step;
      tiles.in[row()][column() + c] = {begins ? kForgetAll : step, step * input, kGated && on ? given * silu(toFloat(z.at[c])) : given, input};
    }
    const bool there = tile * kTile + keyRow() < length;
#pragma unroll
    for (int c = 0; c < 4; c += 2) {
      float* to = reinterpret_cast<float*>(&tiles.keys[keyRow()][(keyColumn() + c) / kOwn]) + (thread < kThreads / 2 ? 0 : kOwn);
      to[0] = there ? toFloat(key.at[c]) : 0, to[1] = there ? toFloat(key.at[c + 1]) : 0;
    }
#pragma unroll
    for (int k = 0; k < kOwn; k++) state[k] = saved[k];
  }
  __device__ __forceinline__ void forwards() {
#pragma unroll 8
    for (int t = 0; t < kTile; t++) {
      const float4 in = tiles.in[t][own], keys = tiles.keys[t][lane];
      tiles.before[t][thread] = {state[0], state[1]};
      state[0] = fmaf(exp2_approx(in.x * rate[0]), state[0], in.y * keys.x);
      state[1] = fmaf(exp2_approx(in.x * rate[1]), state[1], in.y * keys.y);
    }
  }
  __device__ __forceinline__ void backwards(int tile) {
    const int of32 = thread % 32;
    const bool upper = of32 & 16, odd = of32 & 8;  // which of dB, dC and of the two states a lane keeps
#pragma unroll 1
    for (int t = kTile - kLanes; t >= 0; t -= kLanes) {
      float inputs[kLanes], decays[kLanes], ys[kLanes];  // Σ B·q, Σ A·q·decayed, Σ C·state over the states, by position
#pragma unroll
      for (int j = kLanes - 1; j >= 0; j--) {
        const float4 in = tiles.in[t + j][own], keys = tiles.keys[t + j][lane];
        const float2 earlier = tiles.before[t + j][thread];
        const float B[kOwn] = {keys.x, keys.y}, C[kOwn] = {keys.z, keys.w}, before[kOwn] = {earlier.x, earlier.y};
        float dB[kOwn], dC[kOwn];
        inputs[j] = decays[j] = ys[j] = 0;
#pragma unroll
        for (int k = 0; k < kOwn; k++) {
          const float q = fmaf(C[k], in.z, carry[k]);
          inputs[j] = fmaf(B[k], q, inputs[j]);
          if (kGated) ys[j] = fmaf(C[k], state[k], ys[j]);
          dB[k] = in.y * q, dC[k] = in.z * state[k];
          carry[k] = exp2_approx(in.x * rate[k]) * q;
          const float decayed = carry[k] * before[k];
          decays[j] = fmaf(rate[k], decayed, decays[j]);
          dA[k] = fmaf(in.x, decayed, dA[k]);
          state[k] = before[k];
        }
        // over the four channels of a warp
        const float first = (upper ? dC[0] : dB[0]) + __shfl_xor_sync(~0u, upper ? dB[0] : dC[0], 16);
        const float second = (upper ? dC[1] : dB[1]) + __shfl_xor_sync(~0u, upper ? dB[1] : dC[1], 16);
        tiles.sums[thread / 32][t + j][of32] = (odd ? second : first) + __shfl_xor_sync(~0u, odd ? first : second, 8);
      }
      const float input = reduceScatter(inputs, of32), decay = reduceScatter(decays, of32);
      const float4 in = tiles.in[t + lane][own];
      const float step = tiles.step[t + lane][own], ddelta = (decay * kLn2 + in.w * input) * (o.softplus ? softplusSlope(step) : 1);
      tiles.out[t + lane][own] = {step * input + skip * in.z, ddelta};
      dD = fmaf(in.z, in.w, dD);
      if (tile * kTile + t + lane < length) dBias += ddelta;
      if (kGated) tiles.y[t + lane][own] = reduceScatter(ys, of32) + skip * in.w;
    }
  }
  __device__ __forceinline__ void finish(int tile) {
    if (tile * kTile + row() < length) {
      const int64_t to = at(tile);
      const float2 left = tiles.out[row()][column()], right = tiles.out[row()][column() + 1];
      store<T, 2>(o.du + to, {left.x, right.x}), store<T, 2>(o.ddelta + to, {left.y, right.y});
      if (kGated && o.dz) {
        float given[2], gate[2];
        load<T, 2>(given, o.dy + to), load<T, 2>(gate, o.z + to);
        store<T, 2>(o.dz + to, {given[0] * tiles.y[row()][column()] * siluGradient(gate[0]), given[1] * tiles.y[row()][column() + 1] * siluGradient(gate[1])});
      }
    }
    const int64_t part = blockIdx.x % o.shape.blocksOfGroup * o.shape.batch * o.shape.length * o.shape.groups * kStates;
    for (int i = thread; i < kTile * 2 * kStates; i += kThreads) {
      const int t = i / (2 * kStates), n = i % kStates, from = i % (2 * kStates) / kStates * 16 + n % kOwn * 8 + n / kOwn;
      if (tile * kTile + t >= length) break;
      float total = 0;
#pragma unroll
      for (int warp = 0; warp < kWarps; warp++) total += tiles.sums[warp][t][from];
      (i % (2 * kStates) < kStates ? o.dB : o.dC)[part + keysAt(tile * kTile + t) + n] = total;
    }
  }
  __device__ __forceinline__ void clearRest() {
    for (int64_t i = thread; i < (o.shape.length - length) * kChannels; i += kThreads) {
      const int64_t to = (b * o.shape.length + length + i / kChannels) * o.shape.channels + channel0 + i % kChannels;
      o.du[to] = o.ddelta[to] = fromFloat<T>(0);
      if (o.dz) o.dz[to] = fromFloat<T>(0);
    }
    const int64_t part = blockIdx.x % o.shape.blocksOfGroup * o.shape.batch * o.shape.length * o.shape.groups * kStates;
    for (int64_t i = thread; i < (o.shape.length - length) * kStates; i += kThreads) {
      const int64_t to = part + keysAt(length + static_cast<int>(i / kStates)) + i % kStates;
      o.dB[to] = 0, o.dC[to] = 0;
    }
  }
};

template <class T, bool kGated> __global__ __launch_bounds__(kThreads, 3) void backward16Kernel(BackwardArguments<T> o) {
  SHARED(tiles, BackwardTiles);
  const int thread = static_cast<int>(threadIdx.x), b = static_cast<int>(blockIdx.y), channel0 = static_cast<int>(blockIdx.x) * kChannels;
  Backward<T, kGated> w{o, tiles, b, static_cast<int>(o.shape.lengthOf(b)), channel0, static_cast<int>(channel0 * o.shape.groups / o.shape.channels),
                        thread, thread % kLanes, thread / kLanes};
  const int64_t channel = channel0 + w.own, states = (b * o.shape.channels + channel) * kStates + w.lane * kOwn;
#pragma unroll
  for (int k = 0; k < kOwn; k++) {
    w.rate[k] = o.A[channel * kStates + w.lane * kOwn + k] * kLog2e;
    w.carry[k] = o.dFinalState ? o.dFinalState[states + k] : 0, w.dA[k] = 0;
  }
  w.skip = o.D ? o.D[channel] : 0, w.dD = 0, w.dBias = 0;
  w.clearRest();
  const int last = (w.length + kTile - 1) / kTile - 1;
  w.read(last);
  for (int tile = last; tile >= 0; tile--) {
    w.stage(tile), w.read(tile - 1);
    __syncthreads();
    w.forwards(), w.backwards(tile);
    __syncthreads();
    w.finish(tile);
  }
#pragma unroll
  for (int k = 0; k < kOwn; k++) {
    o.dA[states + k] = w.dA[k];
    if (o.dInitialState) o.dInitialState[states + k] = w.carry[k];
  }
  const float dD = channelSum(w.dD, kLanes), dBias = channelSum(w.dBias, kLanes);
  if (w.lane == 0) o.dD[b * o.shape.channels + channel] = dD, o.dBias[b * o.shape.channels + channel] = dBias;
}

}  // namespace

template <class T> int64_t scanBackwardBlocks(const ScanShape& s, const SelectiveScanBackward& a) {
  const bool fits = s.state == kStates && s.length < 0x7fffff00 && s.batch <= 65535 && s.channels % s.groups == 0 && s.channels / s.groups % kChannels == 0 &&
                    packable(s.channels, 2, sizeof(T), a.u.data, a.delta.data, a.z.data, a.dy.data, a.du.data, a.ddelta.data, a.dz.data) &&
                    packable(kStates, 4, sizeof(T), a.B.data, a.C.data) && packable(kStates, kOwn, 4, a.checkpoints.data);
  return fits ? s.channels / s.groups / kChannels : 0;
}
template <class T> void scanBackward(Gpu& gpu, const BackwardArguments<T>& o) {
  const dim3 grid(gridX(o.shape.channels / kChannels), static_cast<unsigned>(o.shape.batch));
  if (o.z) LAUNCH((backward16Kernel<T, true>), grid, kThreads, 0, gpu.stream, o);
  else LAUNCH((backward16Kernel<T, false>), grid, kThreads, 0, gpu.stream, o);
}
template int64_t scanBackwardBlocks<float>(const ScanShape&, const SelectiveScanBackward&);
template int64_t scanBackwardBlocks<bf16>(const ScanShape&, const SelectiveScanBackward&);
template int64_t scanBackwardBlocks<f16>(const ScanShape&, const SelectiveScanBackward&);
template void scanBackward(Gpu&, const BackwardArguments<float>&);
template void scanBackward(Gpu&, const BackwardArguments<bf16>&);
template void scanBackward(Gpu&, const BackwardArguments<f16>&);

}  // namespace ha::gpu
