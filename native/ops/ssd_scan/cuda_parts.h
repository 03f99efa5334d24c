// How the scan in chunks uses the tensor cores: a block works on one chunk of one head, four warps on 16 rows each of tiles of
// 64 × 64 sums. Numbers go through the tensor cores as sums of bf16 terms: as many as a stored number needs (bf16: 1, f16: 2,
// f32: 3), and for numbers made on the way 3 where the operands are f32, else 2. Sums are f32.
#pragma once
#include <cstdio>
#include <stdexcept>
#include <string>
#include "../../device/gpu/numbers.h"
#include "../../device/gpu/sums.h"
#include "ssd_scan.h"

namespace ha::gpu {

constexpr int kSsdThreads = 128, kRows = static_cast<int>(kSsdChunk), kSlice = 32;
static_assert(kRows == 64, "four warps of 16 rows");

template <class T> struct Terms {
  static constexpr int stored = 3, made = 3;
};
template <> struct Terms<bf16> {
  static constexpr int stored = 1, made = 2;
};
template <> struct Terms<f16> {
  static constexpr int stored = 2, made = 2;
};

__device__ __forceinline__ uint32_t bitsOf(bf16 x) {
  uint16_t bits;
  memcpy(&bits, &x, 2);
  return bits;
}

/// One factor of a product: 64 rows, kSlice of the inner axis, each number as several terms. The pad keeps reads free of conflicts.
template <int kTerms> struct Factor {
  uint16_t at[kTerms][kRows][kSlice + 8];
  __device__ __forceinline__ void put(int row, int k, float x) {
#pragma unroll
    for (int t = 0; t < kTerms; t++) {
      const bf16 term = __float2bfloat16(x);
      at[t][row][k] = static_cast<uint16_t>(bitsOf(term));
      x -= __bfloat162float(term);
    }
  }
  __device__ __forceinline__ uint32_t pair(int t, int row, int k) const { return *reinterpret_cast<const uint32_t*>(&at[t][row][k]); }
};

/// factor[row][k] = value(row, k) for all of it. kTurned: neighbours along the rows lie side by side in memory, else along k.
template <bool kTurned, int kTerms, class Value> __device__ __forceinline__ void fill(Factor<kTerms>& factor, const Value& value) {
  for (int i = static_cast<int>(threadIdx.x); i < kRows * kSlice; i += kSsdThreads) {
    const int row = kTurned ? i % kRows : i / kSlice, k = kTurned ? i / kRows : i % kSlice;
    factor.put(row, k, value(row, k));
  }
}

/// A warp's 16 rows of a 64 × 64 tile: sums[t] holds columns 8t…8t+7. Element e of a lane: row 8·(e/2) + lane/4, column 2·(lane%4) + e%2.
using Sums = float[8][4];
__device__ __forceinline__ int sumRow(int e) { return static_cast<int>(threadIdx.x) / 32 * 16 + static_cast<int>(threadIdx.x) % 32 / 4 + e / 2 * 8; }
__device__ __forceinline__ int sumColumn(int t, int e) { return 8 * t + static_cast<int>(threadIdx.x) % 4 * 2 + e % 2; }

__device__ __forceinline__ int warpRow() { return static_cast<int>(threadIdx.x) / 32 * 16; }

/// Tiles first…end−1 of the eight, 8 columns each, and the depth of a slice that counts: what is left out would add zeros.
struct Part {
  int first, end, depth;
  __device__ static Part of(int columns, int depth) { return {0, (columns + 7) / 8, depth}; }
  /// Of the columns that a warp's rows see (with kLater: that see them).
  template <bool kLater> __device__ static Part seen(int columns, int depth) {
    return kLater ? Part{warpRow() / 8, (columns + 7) / 8, depth} : Part{0, min((columns + 7) / 8, warpRow() / 8 + 2), depth};
  }
};

/// sums += a·bᵀ for a's fragments of 16 of the inner axis, b's from `k` on. Products of terms too small to count are left out.
template <int kA, int kB, int kTerms>
__device__ __forceinline__ void addFragment(Sums& sums, const uint32_t (&a)[kA][4], const Factor<kTerms>& b, int k, const Part& part) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int t = 0; t < 8; t++) {
    if (t < part.first || t >= part.end) continue;  // the same for the whole warp
#pragma unroll
    for (int j = 0; j < kB; j++) {
      const uint32_t right[2] = {b.pair(j, 8 * t + lane / 4, k + lane % 4 * 2), b.pair(j, 8 * t + lane / 4, k + lane % 4 * 2 + 8)};
#pragma unroll
      for (int i = 0; i < kA; i++)
        if (i + j < (kA > kB ? kA : kB)) mma_bf16(sums[t], a[i], right, sums[t]);
    }
  }
}
/// sums += a·bᵀ over one slice.
template <int kA, int kB, int kTermsA, int kTermsB>
__device__ __forceinline__ void addProduct(Sums& sums, const Factor<kTermsA>& a, const Factor<kTermsB>& b, const Part& part) {
  const int row = warpRow() + static_cast<int>(threadIdx.x) % 32 / 4, column = static_cast<int>(threadIdx.x) % 4 * 2;
#pragma unroll
  for (int k = 0; k < kSlice; k += 16) {
    if (k >= part.depth) continue;
    uint32_t left[kA][4];
#pragma unroll
    for (int i = 0; i < kA; i++) {
      left[i][0] = a.pair(i, row, k + column), left[i][1] = a.pair(i, row + 8, k + column);
      left[i][2] = a.pair(i, row, k + column + 8), left[i][3] = a.pair(i, row + 8, k + column + 8);
    }
    addFragment<kA, kB>(sums, left, b, k, part);
  }
}
/// sums += weights·bᵀ over columns first…first+kSlice−1 of weights, which are sums of a product before: they lie as a left factor
/// does, and are triangular.
template <int kA, int kB, bool kLater, int first, int kTerms>
__device__ __forceinline__ void addWeighted(Sums& sums, const Sums& weights, const Factor<kTerms>& b, const Part& part) {
#pragma unroll
  for (int k = 0; k < kSlice; k += 16) {
    if (k >= part.depth || (kLater ? first + k < warpRow() : first + k > warpRow())) continue;
    uint32_t left[kA][4];
#pragma unroll
    for (int q = 0; q < 4; q++) {
      float low = weights[(first + k) / 8 + q / 2][q % 2 * 2], high = weights[(first + k) / 8 + q / 2][q % 2 * 2 + 1];
#pragma unroll
      for (int i = 0; i < kA; i++) {
        const bf16 x = __float2bfloat16(low), y = __float2bfloat16(high);
        left[i][q] = bitsOf(x) | bitsOf(y) << 16;
        low -= __bfloat162float(x), high -= __bfloat162float(y);
      }
    }
    addFragment<kA, kB>(sums, left, b, k, part);
  }
}

/// Where things of one chunk of one head lie. A block number counts (b, chunk, head), the head fastest.
struct ChunkPlace {
  int64_t b, chunk, head, group, first, number;
  int count;  // positions that count; 0 past the end of a shorter row
  __device__ ChunkPlace(const SsdShape& s, const int32_t* lengths, int64_t number) : number(number) {
    const int64_t chunks = (s.length + kSsdChunk - 1) / kSsdChunk;
    head = number % s.heads, chunk = number / s.heads % chunks, b = number / s.heads / chunks;
    group = head * s.groups / s.heads, first = chunk * kSsdChunk;
    int64_t length = lengths ? lengths[b] : s.length;
    length = length < 0 ? 0 : length > s.length ? s.length : length;
    count = static_cast<int>(length <= first ? 0 : length - first < kSsdChunk ? length - first : kSsdChunk);
  }
  __device__ int64_t position(const SsdShape& s) const { return b * s.length + first; }
};

/// Rows of one operand: of a head (b l h p) or of its group (b l g n), from the chunk's first position on.
template <class T> struct Rows {
  const T* data;
  int64_t stride;
  int width;
  __device__ float operator()(int row, int column, int count) const {
    return row < count && column < width ? toFloat(data[row * stride + column]) : 0.f;
  }
};
template <class T> __device__ __forceinline__ Rows<T> headRows(const T* data, const SsdShape& s, const ChunkPlace& at) {
  return {data + (at.position(s) * s.heads + at.head) * s.width, s.heads * s.width, static_cast<int>(s.width)};
}
template <class T> __device__ __forceinline__ Rows<T> groupRows(const T* data, const SsdShape& s, const ChunkPlace& at) {
  return {data + (at.position(s) * s.groups + at.group) * s.state, s.groups * s.state, static_cast<int>(s.state)};
}

/// What the kernels know of a call.
template <class T> struct SsdCall {
  SsdShape shape;
  const int32_t *lengths, *starts;
  const void* delta;
  bool wideSteps;  // delta is f32, as it is where its bias is, whatever T
  const float* A;
  template <class Arguments> static SsdCall of(const Arguments& a) {
    return {a, a.lengths, a.starts, a.delta.data, a.delta.dtype == DType::f32, as<float>(a.A)};
  }
  __device__ float step(int64_t i) const { return wideSteps ? static_cast<const float*>(delta)[i] : toFloat(static_cast<const T*>(delta)[i]); }
  int64_t blocks() const { return shape.batch * ssdChunks(shape.length) * shape.heads; }
};

/// The decays of a chunk, as on the processor (parts.h): S in powers of 2 as two f32.
struct ChunkDecays {
  float high[kRows], low[kRows], delta[kRows], entering[kRows], leaving[kRows];
  int begin[kRows];
  float total;

  /// By the first warp; the others wait behind a barrier.
  template <class T> __device__ void read(const SsdCall<T>& o, const ChunkPlace& at) {
    if (threadIdx.x >= 32) return;
    const SsdShape& s = o.shape;
    const int lane = static_cast<int>(threadIdx.x);
    const double rate = static_cast<double>(o.A[at.head]) * 1.4426950408889634;
    double own[2];
    int first[2];
#pragma unroll
    for (int e = 0; e < 2; e++) {
      const int i = 2 * lane + e;
      const bool there = i < at.count;
      const int64_t start = there && o.starts ? o.starts[at.position(s) + i] : 0;
      first[e] = start > 0 && start >= at.first ? static_cast<int>(start - at.first) : -1;
      delta[i] = there ? o.step((at.position(s) + i) * s.heads + at.head) : 0.f;
      begin[i] = !there ? kRows : first[e] > 0 ? first[e] : 0;
      own[e] = first[e] == i ? 0 : rate * delta[i];
    }
    double before = own[0] + own[1];
#pragma unroll
    for (int w = 1; w < 32; w *= 2) {
      const double other = __shfl_up_sync(~0u, before, w);
      if (lane >= w) before += other;
    }
    before -= own[0] + own[1];
    const double sums[2] = {before + own[0], before + own[0] + own[1]};
    const double last = __shfl_sync(~0u, sums[1], 31);
    // the text that the last position is of
    const int lastFirst = __shfl_sync(~0u, at.count == 0 ? -1 : at.count % 2 ? first[0] : first[1], at.count > 0 ? (at.count - 1) / 2 : 0);
#pragma unroll
    for (int e = 0; e < 2; e++) {
      const int i = 2 * lane + e;
      high[i] = static_cast<float>(sums[e]), low[i] = static_cast<float>(sums[e] - high[i]);
      entering[i] = i < at.count && first[e] < 0 ? exp2_approx(static_cast<float>(sums[e])) : 0.f;
      leaving[i] = i < at.count && i >= lastFirst ? exp2_approx(static_cast<float>(last - sums[e])) : 0.f;
    }
    if (lane == 0) total = lastFirst < 0 ? exp2_approx(static_cast<float>(last)) : 0.f;
  }
  /// exp(S_i − S_j) where i sees j, else 0.
  __device__ __forceinline__ float between(int i, int j) const {
    return j <= i && j >= begin[i] ? exp2_approx((high[i] - high[j]) + (low[i] - low[j])) : 0.f;
  }
};

/// Whether a call's x, B, C and what goes with them are of one type, and its steps of that or f32.
template <class Steps, class... Operands> bool ssdTypes(DType dtype, const Steps& steps, const Operands&... operands) {
  return allOf(dtype, operands...) && (steps.dtype == dtype || steps.dtype == DType::f32);
}

/// Reports a row whose length does not fit; such a row is cut to what does.
static __global__ void checkSsdLengthsKernel(int64_t batch, int64_t length, const int32_t* lengths, Fault* fault) {
  for (int64_t b = threadIdx.x; b < batch; b += blockDim.x)
    if (lengths[b] < 0 || lengths[b] > length) report(fault, static_cast<int32_t>(b), lengths[b]);
}
#define HA_CHECK_SSD_LENGTHS(op, gpu, a)                                                                                        \
  if (a.lengths)                                                                                                                \
  LAUNCH(checkSsdLengthsKernel, 1, 128, 0, gpu.stream, a.batch, a.length, a.lengths,                                            \
         gpu.fault([](char* text, size_t size, int32_t row, int32_t length,                                                     \
                      int64_t limit) { std::snprintf(text, size, op ": lengths[%d] is %d; it must lie in 0…%d", row, length, static_cast<int>(limit)); }, \
                   a.length))

/// The states between chunks: `states` gets the state before each chunk, or (adjoint) the gradient of the one after it.
template <class T, bool kAdjoint>
void ssdStates(Gpu& gpu, const SsdCall<T>& call, const T* values, const T* keys, const float* start, float* end, float* states, float* totals);

/// One product of the duality, [64 × outer] of one chunk of one head. Causal:
///   out_i = Σ_{j≤i} (left_i·right_j)·exp(S_i − S_j)·delta_j·values_j + exp(S_i)·left_i·state
/// or kLater: out_j = delta_j·(Σ_{i≥j} (left_j·right_i)·exp(S_i − S_j)·values_i + exp(S_last − S_j)·left_j·state), and + skip·values.
/// With (C, B, x, s) it is y, with (dy, x, B, sᵀ) dC; later, with (B, C, dy, ds) dx, with (x, dy, C, dsᵀ) dB. kHeads: left and right
/// are rows of the head, values of its group, and state and out turn accordingly; out is then [b l h n], one a head, else [b l h p].
/// `along`: Σ over the columns of out (before delta and skip) times that operand; of the state's part alone where kHeads.
template <class T, class Result> struct SsdProduct {
  SsdCall<T> call;
  const T *left, *right, *values;
  const float *states, *skip;
  Result* out;
  const T* with;
  float* along;
};
template <bool kLater, bool kHeads, class T, class Result> void ssdProduct(Gpu& gpu, const SsdProduct<T, Result>& product);

}  // namespace ha::gpu
