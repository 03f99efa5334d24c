// The scan at one position, as generation calls it: a team of lanes a channel with four states each, the skip and the gate in the
// same kernel. Nothing is read that is not used, and the state may be updated in place.
#include "cuda_forward.h"

namespace ha::gpu {
namespace {

constexpr int kThreads = 128;

template <class T> __global__ __launch_bounds__(kThreads) void stepKernel(ForwardArguments<T> o, int lanes) {
  const ScanShape& s = o.shape;
  const int64_t D = s.channels, N = s.state, count = s.batch * D * lanes;
  const int64_t at = blockIdx.x * int64_t{kThreads} + threadIdx.x, item = at < count ? at / lanes : s.batch * D - 1;
  const int64_t b = item / D, d = item % D, n = at % lanes * 4, state = item * N + n, key = (b * s.groups + d * s.groups / D) * N + n;
  const bool on = at < count, there = s.lengthOf(b) > 0;
  float h[4] = {}, A[4], B[4], C[4];
  if (o.initialState) load<float, 4>(h, o.initialState + state);
  load<float, 4>(A, o.A + d * N + n), load<T, 4>(B, o.B + key), load<T, 4>(C, o.C + key);
  if (o.checkpoints && on && there) store<float, 4>(o.checkpoints + state, h);
  const float u = toFloat(o.u[item]), x = toFloat(o.delta[item]) + (o.deltaBias ? o.deltaBias[d] : 0), delta = o.softplus ? softplus(x) : x;
  float y = 0;
#pragma unroll
  for (int j = 0; j < 4; j++) {
    if (there) h[j] = exp2_approx(delta * A[j] * kLog2e) * h[j] + delta * u * B[j];
    y += C[j] * h[j];
  }
  y = channelSum(y, lanes) + (o.D ? o.D[d] * u : 0);
  if (!on) return;
  if (o.finalState) store<float, 4>(o.finalState + state, h);
  if (n == 0) o.y[item] = fromFloat<T>(!there ? 0 : o.z ? y * silu(toFloat(o.z[item])) : y);
}

}  // namespace

template <class T> bool scanStep(Gpu& gpu, const ForwardArguments<T>& o) {
  const ScanShape& s = o.shape;
  const int64_t lanes = s.state / 4;
  if (s.length != 1 || s.state % 4 || lanes > 32 || (lanes & (lanes - 1))) return false;
  if (!packable(s.state, 4, 4, o.A, o.initialState, o.finalState, o.checkpoints) || !packable(s.state, 4, sizeof(T), o.B, o.C)) return false;
  LAUNCH((stepKernel<T>), gridX(divideUp(s.batch * s.channels * lanes, kThreads)), kThreads, 0, gpu.stream, o, static_cast<int>(lanes));
  return true;
}
template bool scanStep(Gpu&, const ForwardArguments<float>&);
template bool scanStep(Gpu&, const ForwardArguments<bf16>&);
template bool scanStep(Gpu&, const ForwardArguments<f16>&);

}  // namespace ha::gpu
