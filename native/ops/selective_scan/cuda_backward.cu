// All gradients of the scan, for any shape, in f32: tiles from the last to the first, the states of a tile again from the one saved on
// entering it. The gradients of B and C are summed over a block's channels at once, over the blocks afterwards, always in the same
// order. 16 states, in f32 or 16 bits, have a faster way (cuda_backward_16.cu).
#include "cuda_backward.h"

namespace ha::gpu {
namespace {

constexpr int kWarps = kScanThreads / 32, kTile = static_cast<int>(kScanTile);

/// Σ over the channels of a warp, state by state: the lanes below G hold it.
__device__ __forceinline__ float warpChannels(float x, int lanes) {
  for (int w = 16; w >= lanes; w /= 2) x += __shfl_xor_sync(~0u, x, w);
  return x;
}

template <int S> __global__ __launch_bounds__(kScanThreads, 2) void backwardKernel(BackwardArguments<float> o) {
  // each thread its own states before each position of the tile
  SHARED_DYNAMIC(float, before);
  SHARED(sums, float[2][2][kWarps][32 * S]);
  const ScanShape& s = o.shape;
  const ScanPlace at(s);
  const int64_t N = s.state, D = s.channels, stride = s.groups * N, channel = at.channel;
  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32;
  const int64_t parts = at.block * s.batch * s.length * stride;
  float A[S], state[S], q[S], dA[S];
#pragma unroll
  for (int j = 0; j < S; j++) {
    const int64_t n = at.lane + j * s.lanes;
    A[j] = at.on && n < N ? o.A[channel * N + n] : 0;
  }
  const float skip = at.on && o.D ? o.D[channel] : 0, bias = at.on && o.deltaBias ? o.deltaBias[channel] : 0;
  for (int64_t b = blockIdx.y; b < s.batch; b += gridDim.y) {
    const int64_t length = s.lengthOf(b), row = b * s.length, states = (b * D + channel) * N;
    float dD = 0, dBias = 0;
#pragma unroll
    for (int j = 0; j < S; j++) {
      const int64_t n = at.lane + j * s.lanes;
      q[j] = at.on && n < N && o.dFinalState ? o.dFinalState[states + n] : 0;
      dA[j] = 0;
    }
    if (at.on)
      for (int64_t i = length + at.lane; i < s.length; i += s.lanes) {
        const int64_t p = (row + i) * D + channel;
        o.du[p] = 0, o.ddelta[p] = 0;
        if (o.dz) o.dz[p] = 0;
      }
    for (int64_t i = length * N + thread; i < s.length * N; i += kScanThreads) {
      const int64_t p = parts + (row + i / N) * stride + at.group * N + i % N;
      o.dB[p] = 0, o.dC[p] = 0;
    }
    for (int64_t tile = scanTilesOnDevice(length) - 1; tile >= 0; tile--) {
      const int64_t first = tile * kTile;
      const int count = static_cast<int>(length - first < kTile ? length - first : kTile);
#pragma unroll
      for (int j = 0; j < S; j++) {
        const int64_t n = at.lane + j * s.lanes;
        state[j] = at.on && n < N ? o.checkpoints[((b * scanTilesOnDevice(s.length) + tile) * D + channel) * N + n] : 0;
      }
      for (int t = 0; t < count; t++) {
        const int64_t i = row + first + t, p = i * D + channel;
        const float x = at.on ? o.delta[p] + bias : 0, delta = !at.on ? 0 : o.softplus ? softplus(x) : x, input = at.on ? delta * o.u[p] : 0;
        const bool begins = s.beginsAt(b, first + t);
#pragma unroll
        for (int j = 0; j < S; j++) {
          const int64_t n = at.lane + j * s.lanes;
          before[(t * S + j) * kScanThreads + thread] = state[j];
          state[j] = (begins ? 0.f : exp2_approx(delta * A[j] * kLog2e)) * state[j] + input * (at.on && n < N ? o.B[i * stride + at.group * N + n] : 0.f);
        }
      }
      for (int t = count - 1; t >= 0; t--) {
        const int64_t i = row + first + t, p = i * D + channel;
        const float u = at.on ? o.u[p] : 0, x = at.on ? o.delta[p] + bias : 0, delta = !at.on ? 0 : o.softplus ? softplus(x) : x;
        const float z = at.on && o.z ? o.z[p] : 0, given = at.on ? o.dy[p] : 0, dy = o.z ? given * silu(z) : given;
        const bool begins = s.beginsAt(b, first + t);
        float dInput = 0, dDecay = 0, y = 0;
        // one barrier a position: the sums of the next one go into the other half
        const int half = t & 1;
#pragma unroll
        for (int j = 0; j < S; j++) {
          const int64_t n = at.lane + j * s.lanes, key = i * stride + at.group * N + n;
          const bool there = at.on && n < N;
          const float B = there ? o.B[key] : 0, C = there ? o.C[key] : 0;
          const float a = begins ? 0.f : exp2_approx(delta * A[j] * kLog2e), decayed = a * before[(t * S + j) * kScanThreads + thread];
          const float now = decayed + delta * u * B;
          y += C * now;
          q[j] += C * dy;
          dInput += B * q[j];
          dDecay += A[j] * q[j] * decayed;
          dA[j] += delta * q[j] * decayed;
          const float dB = warpChannels(delta * u * q[j], s.lanes), dC = warpChannels(dy * now, s.lanes);
          q[j] *= a;
          if (thread % 32 < s.lanes) sums[half][0][warp][at.lane + j * s.lanes] = dB, sums[half][1][warp][at.lane + j * s.lanes] = dC;
        }
        dInput = channelSum(dInput, s.lanes), dDecay = channelSum(dDecay, s.lanes), y = channelSum(y, s.lanes);
        float ddelta = dInput * u + dDecay;
        if (o.softplus) ddelta *= x > 20 ? 1.f : sigmoid(x);
        dD += dy * u, dBias += ddelta;
        if (at.on && at.lane == 0) {
          o.du[p] = dInput * delta + skip * dy;
          o.ddelta[p] = ddelta;
          if (o.dz && o.z) o.dz[p] = given * (y + skip * u) * siluGradient(z);
        }
        __syncthreads();
        for (int n = thread; n < N; n += kScanThreads) {
          float dB = 0, dC = 0;
#pragma unroll
          for (int w = 0; w < kWarps; w++) dB += sums[half][0][w][n], dC += sums[half][1][w][n];
          const int64_t to = parts + i * stride + at.group * N + n;
          o.dB[to] = dB, o.dC[to] = dC;
        }
      }
      __syncthreads();  // a tile of one position ends on the half that the next begins with
    }
    if (!at.on) continue;
#pragma unroll
    for (int j = 0; j < S; j++) {
      const int64_t n = at.lane + j * s.lanes;
      if (n >= N) continue;
      o.dA[states + n] = dA[j];
      if (o.dInitialState) o.dInitialState[states + n] = q[j];
    }
    if (at.lane == 0) o.dD[b * D + channel] = dD, o.dBias[b * D + channel] = dBias;
  }
}

/// to[i] = Σ_k parts[k·count + i], in order.
template <class T> __global__ void addPartsKernel(const float* parts, int64_t terms, int64_t count, T* to) {
  for (int64_t i = blockIdx.x * int64_t{kScanThreads} + threadIdx.x; i < count; i += int64_t{gridDim.x} * kScanThreads) {
    float total = 0;
    for (int64_t k = 0; k < terms; k++) total += parts[k * count + i];
    to[i] = fromFloat<T>(total);
  }
}
template <class T> void addParts(Gpu& gpu, const float* parts, int64_t terms, int64_t count, T* to) {
  if (!to || !count) return;
  LAUNCH((addPartsKernel<T>), gridX(least(divideUp(count, kScanThreads), gpu.multiprocessors * 32)), kScanThreads, 0, gpu.stream, parts, terms, count, to);
}

void anyShape(Gpu& gpu, const BackwardArguments<float>& o) {
  withStates(o.shape, [&](auto states) {
    constexpr int S = decltype(states)::value;
    const int64_t bytes = int64_t{kTile} * S * kScanThreads * 4;
    if constexpr (S <= 8) {
      if (bytes + 2 * 2 * kWarps * 32 * S * 4 > gpu.sharedPerBlock) throw std::runtime_error("selectiveScanBackward: too many states for this card's shared memory");
      allowShared(backwardKernel<S>, bytes);
      LAUNCH((backwardKernel<S>), o.shape.grid(), kScanThreads, static_cast<size_t>(bytes), gpu.stream, o);
    } else {
      throw std::runtime_error("selectiveScanBackward: " + std::to_string(o.shape.state) + " states; a GPU takes up to 256");
    }
  });
}

template <class T> void run(Gpu& gpu, const SelectiveScanBackward& a, ScanShape shape, bool fast) {
  checkLengths(gpu, a, HA_EXPLAIN_LENGTHS("selectiveScanBackward"));
  const int64_t bd = a.batch * a.channels, blgn = a.batch * a.length * a.groups * a.state, blocks = shape.blocksOfGroup;
  BackwardArguments<T> o{shape,      a.softplus, as<T>(a.u), as<T>(a.delta), as<T>(a.B), as<T>(a.C), as<T>(a.z), as<T>(a.dy), a.A, a.D, a.deltaBias, a.checkpoints, a.dFinalState,
                         as<T>(a.du), as<T>(a.ddelta), as<T>(a.dz), a.dInitialState};
  o.dA = scratch<float>(gpu, bd * a.state), o.dD = scratch<float>(gpu, bd), o.dBias = scratch<float>(gpu, bd);
  const bool alone = blocks == 1 && a.dB.dtype == DType::f32;  // its part is the sum
  o.dB = alone ? as<float>(a.dB) : scratch<float>(gpu, blocks * blgn);
  o.dC = alone ? as<float>(a.dC) : scratch<float>(gpu, blocks * blgn);
  if (fast) scanBackward(gpu, o);
  else if constexpr (std::is_same_v<T, float>) anyShape(gpu, o);
  addParts(gpu, o.dA, a.batch, a.channels * a.state, as<float>(a.dA));
  addParts(gpu, o.dD, a.batch, a.channels, as<float>(a.dD));
  addParts(gpu, o.dBias, a.batch, a.channels, as<float>(a.ddeltaBias));
  if (alone) return;
  addParts(gpu, o.dB, blocks, blgn, as<T>(a.dB));
  addParts(gpu, o.dC, blocks, blgn, as<T>(a.dC));
}

}  // namespace

void selectiveScanBackward(Gpu& gpu, const SelectiveScanBackward& a) {
  ScanShape shape = ScanShape::of(a);
  if (shape.empty()) return;
  const bool oneType = allOf(a.u.dtype, a.delta, a.B, a.C, a.z, a.dy, a.du, a.ddelta, a.dB, a.dC, a.dz) &&
                       allOf(DType::f32, a.A, a.D, a.deltaBias, a.checkpoints, a.dFinalState, a.dA, a.dD, a.ddeltaBias, a.dInitialState);
  withType(a.u.dtype, [&](auto zero) {
    using T = decltype(zero);
    const int64_t blocks = oneType ? scanBackwardBlocks<T>(shape, a) : 0;
    if (blocks) shape.blocksOfGroup = blocks;
    if (blocks || (oneType && std::is_same_v<T, float>)) run<T>(gpu, a, shape, blocks > 0);
    else inF32(gpu, selectiveScanBackward, a);
  });
}

}  // namespace ha::gpu
