// The transposed scan, for any shape: from the last position to the first, dynamics held. 16 states go the way of the forward scan
// (cuda_duo.cu).
#include "cuda_forward.h"

namespace ha::gpu {
namespace {

template <class T> struct TransposedArguments {
  ScanShape shape;
  int64_t position;
  const T *delta, *B, *C, *g;
  const float *A, *D, *dFinalState;
  T* out;
  float* dInitialState;
};

template <class T, int S> __global__ __launch_bounds__(kScanThreads, 2) void transposedKernel(TransposedArguments<T> o) {
  constexpr int kAhead = S == 1 ? 8 : S == 2 ? 4 : S == 4 ? 2 : 1;
  const ScanShape& s = o.shape;
  const ScanPlace at(s);
  const int64_t N = s.state, D = s.channels, stride = s.groups * N, channel = at.channel;
  float A[S], q[S];
#pragma unroll
  for (int j = 0; j < S; j++) {
    const int64_t n = at.lane + j * s.lanes;
    A[j] = at.on && n < N ? o.A[channel * N + n] * kLog2e : 0;
  }
  const float skip = at.on && o.D ? o.D[channel] : 0;
  for (int64_t b = blockIdx.y; b < s.batch; b += gridDim.y) {
    const int64_t length = s.lengthOf(b), row = b * s.length, states = (b * D + channel) * N;
    // nothing flows back from behind the one position where g is not zero
    const int64_t unit = o.position < 0 ? length - 1 : o.position;
    const int64_t end = o.g || o.dFinalState || unit + 1 > length ? length : unit + 1;
#pragma unroll
    for (int j = 0; j < S; j++) {
      const int64_t n = at.lane + j * s.lanes;
      q[j] = at.on && n < N && o.dFinalState ? o.dFinalState[states + n] : 0;
    }
    if (at.on)
      for (int64_t i = end + at.lane; i < s.length; i += s.lanes) o.out[(row + i) * D + channel] = fromFloat<T>(0);
    for (int64_t last = end; last > 0; last -= kAhead) {
      float g[kAhead], delta[kAhead], B[kAhead][S], C[kAhead][S];
      bool begins[kAhead];
#pragma unroll
      for (int t = 0; t < kAhead; t++) {
        const int64_t position = last - 1 - t, i = row + position;
        const bool there = at.on && position >= 0;
        begins[t] = position > 0 && s.beginsAt(b, position);
        delta[t] = there ? toFloat(o.delta[i * D + channel]) : 0;
        g[t] = !there ? 0 : o.g ? toFloat(o.g[i * D + channel]) : position == unit ? 1.f : 0.f;
#pragma unroll
        for (int j = 0; j < S; j++) {
          const int64_t n = at.lane + j * s.lanes, key = i * stride + at.group * N + n;
          B[t][j] = there && n < N ? toFloat(o.B[key]) : 0;
          C[t][j] = there && n < N ? toFloat(o.C[key]) : 0;
        }
      }
#pragma unroll
      for (int t = 0; t < kAhead; t++) {
        float sum = 0;
#pragma unroll
        for (int j = 0; j < S; j++) {
          q[j] += C[t][j] * g[t];
          sum += B[t][j] * q[j];
          q[j] *= begins[t] ? 0.f : exp2_approx(delta[t] * A[j]);
        }
        sum = channelSum(sum, s.lanes);
        if (at.on && at.lane == 0 && last - 1 - t >= 0) o.out[(row + last - 1 - t) * D + channel] = fromFloat<T>(delta[t] * sum + skip * g[t]);
      }
    }
    if (at.on && o.dInitialState)
#pragma unroll
      for (int j = 0; j < S; j++) {
        const int64_t n = at.lane + j * s.lanes;
        if (n < N) o.dInitialState[states + n] = q[j];
      }
  }
}

}  // namespace

void selectiveScanTransposed(Gpu& gpu, const SelectiveScanTransposed& a) {
  const ScanShape shape = ScanShape::of(a);
  if (shape.empty()) return;
  if (!allOf(a.delta.dtype, a.B, a.C, a.g, a.out) || !allOf(DType::f32, a.A, a.D, a.dFinalState, a.dInitialState))
    return inF32(gpu, selectiveScanTransposed, a);
  checkLengths(gpu, a, HA_EXPLAIN_LENGTHS("selectiveScanTransposed"));
  withType(a.delta.dtype, [&](auto zero) {
    using T = decltype(zero);
    const TransposedArguments<T> o{shape,          a.position,     as<T>(a.delta),           as<T>(a.B),   as<T>(a.C),
                                   as<T>(a.g),     as<float>(a.A), as<float>(a.D), as<float>(a.dFinalState), as<T>(a.out), as<float>(a.dInitialState)};
    const ForwardArguments<T> turned{shape,  false,   as<T>(a.g), as<T>(a.delta), as<T>(a.C), as<T>(a.B), nullptr, as<float>(a.A), as<float>(a.D),
                                     nullptr, as<float>(a.dFinalState), as<T>(a.out), as<float>(a.dInitialState), nullptr, a.position};
    if (scanDuoBack(gpu, turned)) return;
    withStates(shape, [&](auto states) { LAUNCH((transposedKernel<T, decltype(states)::value>), shape.grid(), kScanThreads, 0, gpu.stream, o); });
  });
}

}  // namespace ha::gpu
