// The products of the scan in chunks on the tensor cores, for both passes.
#include "cuda_parts.h"

namespace ha::gpu {
namespace {

/// How a chunk changes the state that enters it, or (adjoint) the gradient of the state that leaves it:
/// out [p][n] = Σ_j F_j·delta_j·x_j·B_jᵀ, or Σ_i E_i·dy_i·C_iᵀ. One block a tile of 64 × 64; totals[number] = exp(S_last).
template <class T, bool kAdjoint>
__global__ __launch_bounds__(kSsdThreads, 3) void ssdStatesKernel(SsdCall<T> o, const T* values, const T* keys, float* out, float* totals) {
  SHARED(decays, ChunkDecays);
  SHARED(a, Factor<Terms<T>::made>);
  SHARED(b, Factor<Terms<T>::stored>);
  const SsdShape& s = o.shape;
  const int64_t wide = (s.state + kRows - 1) / kRows, tiles = wide * ((s.width + kRows - 1) / kRows);
  const ChunkPlace at(s, o.lengths, blockIdx.x / tiles);
  const int tile = static_cast<int>(blockIdx.x % tiles), p0 = tile / static_cast<int>(wide) * kRows, n0 = tile % static_cast<int>(wide) * kRows;
  const Rows<T> x = headRows(values, s, at), k = groupRows(keys, s, at);
  decays.read(o, at);
  __syncthreads();
  Sums sums = {};
  for (int j0 = 0; j0 < at.count; j0 += kSlice) {
    fill<true>(a, [&](int row, int j) {
      const float factor = kAdjoint ? decays.entering[j0 + j] : decays.leaving[j0 + j] * decays.delta[j0 + j];
      return factor * x(j0 + j, p0 + row, at.count);
    });
    fill<true>(b, [&](int row, int j) { return k(j0 + j, n0 + row, at.count); });
    __syncthreads();
    addProduct<Terms<T>::made, Terms<T>::stored>(sums, a, b, Part::of(static_cast<int>(least(s.state - n0, kRows)), at.count - j0));
    __syncthreads();
  }
  float* to = out + at.number * s.width * s.state;
#pragma unroll
  for (int t = 0; t < 8; t++)
#pragma unroll
    for (int e = 0; e < 4; e++) {
      const int64_t p = p0 + sumRow(e), n = n0 + sumColumn(t, e);
      if (p < s.width && n < s.state) to[p * s.state + n] = sums[t][e];
    }
  if (tile == 0 && threadIdx.x == 0) totals[at.number] = decays.total;
}

/// From chunk to chunk: each entry becomes the state before its chunk, or (reverse) the gradient of the state after it.
template <bool kReverse>
__global__ __launch_bounds__(kSsdThreads, 8) void ssdPassKernel(SsdShape s, float* states, const float* totals, const float* start, float* end) {
  const int64_t each = s.width * s.state, chunks = (s.length + kSsdChunk - 1) / kSsdChunk, count = s.batch * s.heads * each;
  for (int64_t i = blockIdx.x * int64_t{kSsdThreads} + threadIdx.x; i < count; i += int64_t{gridDim.x} * kSsdThreads) {
    const int64_t head = i / each % s.heads, b = i / each / s.heads;
    float state = start ? start[i] : 0.f;
    for (int64_t step = 0; step < chunks; step++) {
      const int64_t number = (b * chunks + (kReverse ? chunks - 1 - step : step)) * s.heads + head;
      float& own = states[number * each + i % each];
      const float change = own;
      own = state;
      state = totals[number] * state + change;
    }
    if (end) end[i] = state;
  }
}

template <class T, class Result, bool kLater, bool kHeads>
__global__ __launch_bounds__(kSsdThreads, 2) void ssdProductKernel(SsdProduct<T, Result> o) {
  constexpr int stored = Terms<T>::stored, made = Terms<T>::made;
  SHARED(decays, ChunkDecays);
  SHARED(a, Factor<stored>);
  SHARED(b, Factor<made>);
  const SsdShape& s = o.call.shape;
  const ChunkPlace at(s, o.call.lengths, blockIdx.x);
  const Rows<T> left = kHeads ? headRows(o.left, s, at) : groupRows(o.left, s, at), right = kHeads ? headRows(o.right, s, at) : groupRows(o.right, s, at);
  const Rows<T> values = kHeads ? groupRows(o.values, s, at) : headRows(o.values, s, at);
  const int inner = left.width, outer = values.width;
  const float* state = o.states + at.number * s.width * s.state;
  decays.read(o.call, at);
  __syncthreads();

  Sums weights = {};
  for (int k0 = 0; k0 < inner; k0 += kSlice) {
    fill<false>(a, [&](int row, int k) { return left(row, k0 + k, at.count); });
    fill<false>(b, [&](int row, int k) { return right(row, k0 + k, at.count); });
    __syncthreads();
    addProduct<stored, stored>(weights, a, b, Part::seen<kLater>(at.count, inner - k0));
    __syncthreads();
  }
#pragma unroll
  for (int t = 0; t < 8; t++)
#pragma unroll
    for (int e = 0; e < 4; e++) {
      const int own = sumRow(e), other = sumColumn(t, e);
      weights[t][e] = kLater ? weights[t][e] * decays.between(other, own) : weights[t][e] * decays.between(own, other) * decays.delta[other];
      // what is not seen is 0, whatever the product
      if (kLater ? other < own || own < decays.begin[other] : own < other || other < decays.begin[own]) weights[t][e] = 0;
    }

  float along[2] = {};
  for (int w0 = 0; w0 < outer; w0 += kRows) {
    const int columns = min(outer - w0, kRows);
    Sums sums = {};
    for (int k0 = 0; k0 < inner; k0 += kSlice) {
      fill<false>(a, [&](int row, int k) { return left(row, k0 + k, at.count); });
      fill<kHeads>(b, [&](int row, int k) {
        const int64_t w = w0 + row, m = k0 + k;
        if (w >= outer || m >= inner) return 0.f;
        return kHeads ? state[m * s.state + w] : state[w * s.state + m];
      });
      __syncthreads();
      addProduct<stored, made>(sums, a, b, Part::of(columns, inner - k0));
      __syncthreads();
    }
#pragma unroll
    for (int t = 0; t < 8; t++)
#pragma unroll
      for (int e = 0; e < 4; e++) {
        sums[t][e] *= kLater ? decays.leaving[sumRow(e)] : decays.entering[sumRow(e)];
        if (kHeads && o.along) along[e / 2] += sums[t][e] * Rows<T>(groupRows(o.with, s, at))(sumRow(e), w0 + sumColumn(t, e), at.count);
      }
    fill<true>(b, [&](int row, int j) { return values(j, w0 + row, at.count); });
    __syncthreads();
    addWeighted<made, stored, kLater, 0>(sums, weights, b, Part::of(columns, at.count));
    __syncthreads();
    fill<true>(b, [&](int row, int j) { return values(kSlice + j, w0 + row, at.count); });
    __syncthreads();
    addWeighted<made, stored, kLater, kSlice>(sums, weights, b, Part::of(columns, at.count - kSlice));
    __syncthreads();
#pragma unroll
    for (int t = 0; t < 8; t++)
#pragma unroll
      for (int e = 0; e < 4; e++) {
        const int row = sumRow(e), column = w0 + sumColumn(t, e);
        if (!kHeads && o.along) along[e / 2] += sums[t][e] * Rows<T>(headRows(o.with, s, at))(row, column, at.count);
        if (column >= outer || at.first + row >= s.length) continue;
        float x = kLater ? decays.delta[row] * sums[t][e] : sums[t][e];
        if (o.skip) x += o.skip[at.head] * values(row, column, at.count);
        o.out[((at.position(s) + row) * s.heads + at.head) * outer + column] = fromFloat<Result>(row < at.count ? x : 0.f);
      }
  }
  if (!o.along) return;
#pragma unroll
  for (int e = 0; e < 2; e++) {
    float x = along[e] + __shfl_xor_sync(~0u, along[e], 1);
    x += __shfl_xor_sync(~0u, x, 2);
    const int row = sumRow(2 * e);
    if (threadIdx.x % 4 == 0 && at.first + row < s.length) o.along[(at.position(s) + row) * s.heads + at.head] = x;
  }
}

}  // namespace

template <class T, bool kAdjoint>
void ssdStates(Gpu& gpu, const SsdCall<T>& call, const T* values, const T* keys, const float* start, float* end, float* states, float* totals) {
  const SsdShape& s = call.shape;
  const int64_t tiles = divideUp(s.state, kRows) * divideUp(s.width, kRows);
  if (call.blocks())
    LAUNCH((ssdStatesKernel<T, kAdjoint>), gridX(call.blocks() * tiles), kSsdThreads, 0, gpu.stream, call, values, keys, states, totals);
  LAUNCH((ssdPassKernel<kAdjoint>), gridX(divideUp(s.stateCount(), kSsdThreads)), kSsdThreads, 0, gpu.stream, s, states, totals, start, end);
}

template <bool kLater, bool kHeads, class T, class Result> void ssdProduct(Gpu& gpu, const SsdProduct<T, Result>& product) {
  if (product.call.blocks())
    LAUNCH((ssdProductKernel<T, Result, kLater, kHeads>), gridX(product.call.blocks()), kSsdThreads, 0, gpu.stream, product);
}

#define HA_SSD_TYPE(T)                                                                                                     \
  template void ssdStates<T, false>(Gpu&, const SsdCall<T>&, const T*, const T*, const float*, float*, float*, float*);    \
  template void ssdStates<T, true>(Gpu&, const SsdCall<T>&, const T*, const T*, const float*, float*, float*, float*);     \
  template void ssdProduct<false, false>(Gpu&, const SsdProduct<T, T>&);                                                   \
  template void ssdProduct<true, false>(Gpu&, const SsdProduct<T, T>&);                                                    \
  template void ssdProduct<false, true>(Gpu&, const SsdProduct<T, float>&);                                                \
  template void ssdProduct<true, true>(Gpu&, const SsdProduct<T, float>&);
HA_SSD_TYPE(float)
HA_SSD_TYPE(bf16)
HA_SSD_TYPE(f16)

}  // namespace ha::gpu
