// All gradients of the scan in chunks on a GPU (the formulas: cpu_backward.cc). Gradients of B and C come out one a head and are
// added up in order; what of delta and A is asked has a kernel of its own.
#include "cuda_parts.h"

namespace ha::gpu {
namespace {

template <class T> struct StepsArguments {
  SsdCall<T> call;
  const T *x, *B, *C, *dy;
  const float *states, *gradients;              // [b chunk h p n]: before each chunk, of after it
  const float *ofDelta, *entered, *left;        // [b l h]: x·(dx before delta), and what passes from and to the states
  void* ddelta;  // of delta's type
  float *dA, *dD;                               // [b chunk h]
};

template <class T> __global__ __launch_bounds__(kSsdThreads, 2) void stepsKernel(StepsArguments<T> o) {
  constexpr int stored = Terms<T>::stored;
  union Memory {
    Factor<stored> factors[2];
    float pairs[kRows][kRows + 1];
  };
  SHARED(decays, ChunkDecays);
  SHARED(memory, Memory);
  SHARED(flow, float[2][kRows]);
  const SsdShape& s = o.call.shape;
  const ChunkPlace at(s, o.call.lengths, blockIdx.x);
  const Rows<T> x = headRows(o.x, s, at), dy = headRows(o.dy, s, at), B = groupRows(o.B, s, at), C = groupRows(o.C, s, at);
  const int thread = static_cast<int>(threadIdx.x);
  decays.read(o.call, at);
  Sums scores = {}, pairs = {};
  const auto multiply = [&](Sums& sums, const Rows<T>& left, const Rows<T>& right) {
    for (int k0 = 0; k0 < left.width; k0 += kSlice) {
      __syncthreads();
      fill<false>(memory.factors[0], [&](int row, int k) { return left(row, k0 + k, at.count); });
      fill<false>(memory.factors[1], [&](int row, int k) { return right(row, k0 + k, at.count); });
      __syncthreads();
      addProduct<stored, stored>(sums, memory.factors[0], memory.factors[1], Part::seen<false>(at.count, left.width - k0));
    }
  };
  multiply(scores, C, B);
  multiply(pairs, dy, x);
  __syncthreads();
#pragma unroll
  for (int t = 0; t < 8; t++)
#pragma unroll
    for (int e = 0; e < 4; e++) {
      const int i = sumRow(e), j = sumColumn(t, e);
      const bool sees = j <= i && j >= decays.begin[i];
      memory.pairs[i][j] = sees ? scores[t][e] * pairs[t][e] * decays.between(i, j) * decays.delta[j] : 0.f;
    }
  // through the states
  const int64_t each = s.width * s.state, place = at.number * each;
  float through = 0;
  for (int64_t i = thread; i < each; i += kSsdThreads) through += o.states[place + i] * o.gradients[place + i];
  through = decays.total * blockSum(through);
  float dD = 0;
  for (int i = thread; i < at.count * static_cast<int>(s.width); i += kSsdThreads) {
    const int row = i / static_cast<int>(s.width), column = i % static_cast<int>(s.width);
    dD += x(row, column, at.count) * dy(row, column, at.count);
  }
  dD = blockSum(dD);

  const int64_t step = (at.position(s) + thread) * s.heads + at.head;
  if (thread < kRows) {
    float sum = 0;
    for (int j = 0; j < kRows; j++) memory.pairs[thread][j] = sum += memory.pairs[thread][j];
    flow[0][thread] = thread < at.count ? o.entered[step] : 0.f;
    flow[1][thread] = thread < at.count ? o.left[step] * decays.delta[thread] : 0.f;
  }
  __syncthreads();
  const auto give = [&](int64_t i, float x) {
    if (o.call.wideSteps) static_cast<float*>(o.ddelta)[i] = x;
    else static_cast<T*>(o.ddelta)[i] = fromFloat<T>(x);
  };
  float dA = 0;
  if (thread < at.count) {
    float passed = through;
    for (int i = kRows - 1; i >= thread; i--) passed += flow[0][i] + (thread > 0 ? memory.pairs[i][thread - 1] : 0.f);
    for (int j = 0; j < thread; j++) passed += flow[1][j];
    dA = decays.delta[thread] * passed;
    give(step, o.call.A[at.head] * passed + o.ofDelta[step]);
  } else if (thread < kRows && at.first + thread < s.length) {
    give(step, 0.f);
  }
  dA = blockSum(dA);
  if (thread == 0) o.dA[at.number] = dA, o.dD[at.number] = dD;
}

/// out[row] = Σ parts[row·terms·inner + k·inner + …] over the k of a row that belong together, in order: heads of a group.
template <class T> __global__ __launch_bounds__(kSsdThreads, 8) void sumHeadsKernel(SsdShape s, const float* parts, T* out) {
  const int64_t count = s.batch * s.length * s.groups * s.state;
  for (int64_t i = blockIdx.x * int64_t{kSsdThreads} + threadIdx.x; i < count; i += int64_t{gridDim.x} * kSsdThreads) {
    const int64_t n = i % s.state, group = i / s.state % s.groups, position = i / s.state / s.groups;
    const int64_t first = (group * s.heads + s.groups - 1) / s.groups, end = ((group + 1) * s.heads + s.groups - 1) / s.groups;
    float sum = 0;
    for (int64_t h = first; h < end; h++) sum += parts[(position * s.heads + h) * s.state + n];
    out[i] = fromFloat<T>(sum);
  }
}
/// out[head] = Σ parts[b chunk head], a warp a head.
__global__ __launch_bounds__(32, 8) void sumChunksKernel(int64_t terms, int64_t heads, const float* parts, float* out) {
  float sum = 0;
  for (int64_t i = threadIdx.x; i < terms; i += 32) sum += parts[i * heads + blockIdx.x];
  sum = warpSum(sum);
  if (threadIdx.x == 0) out[blockIdx.x] = sum;
}

}  // namespace

void ssdScanBackward(Gpu& gpu, const SsdScanBackward& a) {
  if (!ssdTypes(a.x.dtype, a.delta, a.B, a.C, a.dy, a.dx, a.dB, a.dC) || a.ddelta.dtype != a.delta.dtype ||
      !allOf(DType::f32, a.A, a.D, a.checkpoints, a.dFinalState, a.dA, a.dD, a.dInitialState))
    return inF32(gpu, ssdScanBackward, a);
  if (!a.stateCount()) return;
  HA_CHECK_SSD_LENGTHS("ssdScanBackward", gpu, a);
  withType(a.x.dtype, [&](auto zero) {
    using T = decltype(zero);
    const SsdCall<T> call = SsdCall<T>::of(a);
    const int64_t blocks = call.blocks(), steps = a.stepCount();
    const T *x = as<T>(a.x), *B = as<T>(a.B), *C = as<T>(a.C), *dy = as<T>(a.dy);
    const float* states = as<float>(a.checkpoints);
    float *gradients = scratch<float>(gpu, ssdChunks(a.length) * a.stateCount() + 1), *totals = scratch<float>(gpu, blocks + 1);
    ssdStates<T, true>(gpu, call, dy, C, as<float>(a.dFinalState), as<float>(a.dInitialState), gradients, totals);
    float *ofDelta = scratch<float>(gpu, steps + 1), *entered = scratch<float>(gpu, steps + 1), *left = scratch<float>(gpu, steps + 1);
    float *perHead = scratch<float>(gpu, steps * a.state + 1), *dA = scratch<float>(gpu, blocks + 1), *dD = scratch<float>(gpu, blocks + 1);
    const auto sumHeads = [&](T* out) {
      LAUNCH((sumHeadsKernel<T>), gridX(divideUp(a.keyCount(), kSsdThreads)), kSsdThreads, 0, gpu.stream, call.shape, perHead, out);
    };
    if (blocks) {
      ssdProduct<true, false>(gpu, SsdProduct<T, T>{call, B, C, dy, gradients, as<float>(a.D), as<T>(a.dx), x, ofDelta});
      ssdProduct<false, true>(gpu, SsdProduct<T, float>{call, dy, x, B, states, nullptr, perHead, C, entered});
      sumHeads(as<T>(a.dC));
      ssdProduct<true, true>(gpu, SsdProduct<T, float>{call, x, dy, C, gradients, nullptr, perHead, B, left});
      sumHeads(as<T>(a.dB));
      LAUNCH((stepsKernel<T>), gridX(blocks), kSsdThreads, 0, gpu.stream,
             StepsArguments<T>{call, x, B, C, dy, states, gradients, ofDelta, entered, left, a.ddelta.data, dA, dD});
    }
    const int64_t terms = a.batch * ssdChunks(a.length);
    LAUNCH(sumChunksKernel, gridX(a.heads), 32, 0, gpu.stream, terms, a.heads, dA, as<float>(a.dA));
    if (a.dD.data) LAUNCH(sumChunksKernel, gridX(a.heads), 32, 0, gpu.stream, terms, a.heads, dD, as<float>(a.dD));
  });
}

}  // namespace ha::gpu
