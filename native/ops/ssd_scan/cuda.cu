// The scan in chunks and its transposed on a GPU: states of the chunks, a walk from chunk to chunk, then one product a chunk. One
// position alone is the recurrence, a warp a channel.
#include "cuda_parts.h"

namespace ha::gpu {
namespace {

template <class T>
__global__ __launch_bounds__(kSsdThreads, 8) void stepKernel(SsdCall<T> o, const T* x, const T* B, const T* C, const float* D, const float* initialState, T* y,
                                                             float* finalState) {
  const SsdShape& s = o.shape;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t channel = blockIdx.x * int64_t{kSsdThreads / 32} + threadIdx.x / 32;
  if (channel >= s.batch * s.heads * s.width) return;
  const int64_t head = channel / s.width % s.heads, b = channel / s.width / s.heads;
  const bool there = !o.lengths || o.lengths[b] > 0;
  const float delta = o.step(b * s.heads + head), decay = there ? exp2_approx(delta * o.A[head] * kLog2e) : 1.f;
  const float value = there ? toFloat(x[channel]) : 0.f;
  const T *keys = B + (b * s.groups + head * s.groups / s.heads) * s.state, *queries = C + (keys - B);
  float sum = 0;
  for (int64_t n = lane; n < s.state; n += 32) {
    const float before = initialState ? initialState[channel * s.state + n] : 0.f;
    const float now = decay * before + delta * value * toFloat(keys[n]);
    if (finalState) finalState[channel * s.state + n] = now;
    sum += now * toFloat(queries[n]);
  }
  sum = warpSum(sum);
  if (lane == 0) y[channel] = fromFloat<T>(there ? sum + (D ? D[head] * value : 0.f) : 0.f);
}

}  // namespace

void ssdScan(Gpu& gpu, const SsdScan& a) {
  if (!ssdTypes(a.x.dtype, a.delta, a.B, a.C, a.y) || !allOf(DType::f32, a.A, a.D, a.initialState, a.finalState, a.checkpoints)) return inF32(gpu, ssdScan, a);
  if (!a.stateCount()) return;
  HA_CHECK_SSD_LENGTHS("ssdScan", gpu, a);
  withType(a.x.dtype, [&](auto zero) {
    using T = decltype(zero);
    const SsdCall<T> call = SsdCall<T>::of(a);
    if (a.length == 1 && !a.checkpoints.data) {
      LAUNCH((stepKernel<T>), gridX(divideUp(a.batch * a.heads * a.width, kSsdThreads / 32)), kSsdThreads, 0, gpu.stream, call, as<T>(a.x), as<T>(a.B), as<T>(a.C),
             as<float>(a.D), as<float>(a.initialState), as<T>(a.y), as<float>(a.finalState));
      return;
    }
    float* states = a.checkpoints.data ? as<float>(a.checkpoints) : scratch<float>(gpu, ssdChunks(a.length) * a.stateCount() + 1);
    ssdStates<T, false>(gpu, call, as<T>(a.x), as<T>(a.B), as<float>(a.initialState), as<float>(a.finalState), states, scratch<float>(gpu, call.blocks() + 1));
    ssdProduct<false, false>(gpu, SsdProduct<T, T>{call, as<T>(a.C), as<T>(a.B), as<T>(a.x), states, as<float>(a.D), as<T>(a.y), nullptr, nullptr});
  });
}

void ssdScanTransposed(Gpu& gpu, const SsdScanTransposed& a) {
  if (!ssdTypes(a.g.dtype, a.delta, a.B, a.C, a.out) || !allOf(DType::f32, a.A, a.D, a.dFinalState, a.dInitialState)) return inF32(gpu, ssdScanTransposed, a);
  if (!a.stateCount()) return;
  HA_CHECK_SSD_LENGTHS("ssdScanTransposed", gpu, a);
  withType(a.g.dtype, [&](auto zero) {
    using T = decltype(zero);
    const SsdCall<T> call = SsdCall<T>::of(a);
    float* states = scratch<float>(gpu, ssdChunks(a.length) * a.stateCount() + 1);
    ssdStates<T, true>(gpu, call, as<T>(a.g), as<T>(a.C), as<float>(a.dFinalState), as<float>(a.dInitialState), states, scratch<float>(gpu, call.blocks() + 1));
    ssdProduct<true, false>(gpu, SsdProduct<T, T>{call, as<T>(a.B), as<T>(a.C), as<T>(a.g), states, as<float>(a.D), as<T>(a.out), nullptr, nullptr});
  });
}

}  // namespace ha::gpu
