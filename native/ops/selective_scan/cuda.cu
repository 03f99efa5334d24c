// The scan forward, for any shape: a few positions at a time are read ahead, so that loads and exponentials of one position do not
// wait for the state of the position before. What most models are has faster ways: 16 states (cuda_duo.cu), one position (cuda_step.cu).
#include "cuda_forward.h"

namespace ha::gpu {
namespace {

template <class T, int S> __global__ __launch_bounds__(kScanThreads, 2) void scanKernel(ForwardArguments<T> o) {
  constexpr int kAhead = S == 1 ? 8 : S == 2 ? 4 : S == 4 ? 2 : 1;
  const ScanShape& s = o.shape;
  const ScanPlace at(s);
  const int64_t N = s.state, D = s.channels, stride = s.groups * N, channel = at.channel;
  float A[S], state[S];
#pragma unroll
  for (int j = 0; j < S; j++) {
    const int64_t n = at.lane + j * s.lanes;
    A[j] = at.on && n < N ? o.A[channel * N + n] * kLog2e : 0;
  }
  const float skip = at.on && o.D ? o.D[channel] : 0, bias = at.on && o.deltaBias ? o.deltaBias[channel] : 0;
  for (int64_t b = blockIdx.y; b < s.batch; b += gridDim.y) {
    const int64_t length = s.lengthOf(b), row = b * s.length, states = (b * D + channel) * N;
#pragma unroll
    for (int j = 0; j < S; j++) {
      const int64_t n = at.lane + j * s.lanes;
      state[j] = at.on && n < N && o.initialState ? o.initialState[states + n] : 0;
    }
    for (int64_t first = 0; first < length; first += kAhead) {
      if (o.checkpoints && first % kScanTile == 0)
#pragma unroll
        for (int j = 0; j < S; j++) {
          const int64_t n = at.lane + j * s.lanes;
          if (at.on && n < N) o.checkpoints[((b * scanTilesOnDevice(s.length) + first / kScanTile) * D + channel) * N + n] = state[j];
        }
      float u[kAhead], delta[kAhead], B[kAhead][S], C[kAhead][S];
      bool begins[kAhead];
#pragma unroll
      for (int t = 0; t < kAhead; t++) {
        const bool there = at.on && first + t < length;  // a step of 0 leaves the state as it is
        const int64_t i = row + first + t;
        begins[t] = first + t < length && s.beginsAt(b, first + t);
        u[t] = there ? toFloat(o.u[i * D + channel]) : 0;
        const float x = there ? toFloat(o.delta[i * D + channel]) + bias : 0;
        delta[t] = !there ? 0 : o.softplus ? softplus(x) : x;
#pragma unroll
        for (int j = 0; j < S; j++) {
          const int64_t n = at.lane + j * s.lanes, key = i * stride + at.group * N + n;
          B[t][j] = there && n < N ? toFloat(o.B[key]) : 0;
          C[t][j] = there && n < N ? toFloat(o.C[key]) : 0;
        }
      }
#pragma unroll
      for (int t = 0; t < kAhead; t++) {
        float y = 0;
#pragma unroll
        for (int j = 0; j < S; j++) {
          state[j] = (begins[t] ? 0.f : exp2_approx(delta[t] * A[j])) * state[j] + delta[t] * u[t] * B[t][j];
          y += C[t][j] * state[j];
        }
        y = channelSum(y, s.lanes) + skip * u[t];
        if (at.on && at.lane == 0 && first + t < length) {
          const int64_t i = (row + first + t) * D + channel;
          o.y[i] = fromFloat<T>(o.z ? y * silu(toFloat(o.z[i])) : y);
        }
      }
    }
    if (!at.on) continue;
    for (int64_t i = length + at.lane; i < s.length; i += s.lanes) o.y[(row + i) * D + channel] = fromFloat<T>(0);
    if (o.finalState)
#pragma unroll
      for (int j = 0; j < S; j++) {
        const int64_t n = at.lane + j * s.lanes;
        if (n < N) o.finalState[states + n] = state[j];
      }
  }
}

}  // namespace

void selectiveScan(Gpu& gpu, const SelectiveScan& a) {
  const ScanShape shape = ScanShape::of(a);
  if (shape.empty()) return;
  if (!allOf(a.u.dtype, a.delta, a.B, a.C, a.z, a.y) || !allOf(DType::f32, a.A, a.D, a.deltaBias, a.initialState, a.finalState, a.checkpoints))
    return inF32(gpu, selectiveScan, a);
  checkLengths(gpu, a, HA_EXPLAIN_LENGTHS("selectiveScan"));
  withType(a.u.dtype, [&](auto zero) {
    using T = decltype(zero);
    const ForwardArguments<T> o{shape,           a.softplus,  as<T>(a.u),     as<T>(a.delta),          as<T>(a.B),            as<T>(a.C),
                                as<T>(a.z),      as<float>(a.A), as<float>(a.D), as<float>(a.deltaBias), as<float>(a.initialState), as<T>(a.y),
                                as<float>(a.finalState), as<float>(a.checkpoints)};
    if (scanStep(gpu, o) || scanDuo(gpu, o)) return;
    withStates(shape, [&](auto states) { LAUNCH((scanKernel<T, decltype(states)::value>), shape.grid(), kScanThreads, 0, gpu.stream, o); });
  });
}

}  // namespace ha::gpu
