// The mean of α over all channels as products of matrices on the tensor cores (math.md section 3). Positions are cut into tiles of
// 128 and spans of 16. Below the diagonal (cuda_mean.cu) a tile of rows and one of columns meet at r, the last position before the
// rows; on it (cuda_mean_diagonal.cu) a span of rows meets each earlier one of its tile at the last position before the rows, and
// itself by the recurrence. Every factor is in (0, 1] times C or Δ·B, and the row's or column's scale; every sum of Δ is of positive
// numbers close by, or f64.
//
// A factor is a sum of two bf16 (numbers.h, Split). Tensor cores cut what they add instead of rounding it, so they add up the few
// products of one step only; the sum over steps is rounded, in f32.
#pragma once
#include "../../device/gpu/numbers.h"

namespace ha::gpu {

constexpr int kMeanTile = 128, kMeanSpan = 16, kMeanThreads = 256;

struct MeanArguments {
  int64_t batch, length, channels, state, groups, rowStart, rows;
  int64_t tiles, firstTile;  // of the sequence; the first that has rows
  int64_t splits;            // parts of the sum over channels, added up in order at the end
  const float *delta, *A, *B, *C, *rowScale, *columnScale;
  // [b l d] Σ Δ from the start of a span, of a tile to a position; from behind a position to the end of its span, of its tile
  float *sinceSpan, *sinceTile, *toSpanEnd, *toTileEnd;
  double* before;  // [b tiles d] Σ Δ of all positions before a tile
  float* parts;    // [splits b rows l]

  __device__ int firstChannel(int64_t split) const { return static_cast<int>(channels * split / splits); }
  __device__ float* part(int64_t split, int64_t b) const { return parts + (split * batch + b) * rows * length; }
};

/// Two neighbouring states n, n+1 of a channel: two of the numbers that a product sums over.
struct Keys {
  int channel = -1, at = 0;  // `at`: of the states in a position's B and C; channel −1: past `end`
  float rates[2] = {0, 0};   // A·log2 e
  __device__ Keys(const MeanArguments& o, int k, int end) {
    if (k >= end) return;
    const unsigned states = static_cast<unsigned>(o.state), channels = static_cast<unsigned>(o.channels), groups = static_cast<unsigned>(o.groups);
    const unsigned own = static_cast<unsigned>(k) / states;
    channel = static_cast<int>(own), at = static_cast<int>((own * groups / channels - own) * states) + k;
    rates[0] = o.A[k] * kLog2e, rates[1] = o.A[k + 1] * kLog2e;
  }
};

/// weight·exp(A·sum) of two keys at one position.
__device__ __forceinline__ Split factors(const Keys& keys, float sum, const float* weights, float step) {
  const float2 weight = *reinterpret_cast<const float2*>(weights + keys.at);
  return split(exp2_approx(keys.rates[0] * sum) * (step * weight.x), exp2_approx(keys.rates[1] * sum) * (step * weight.y));
}
/// U at position p of the batch (its sum in `sums`), V at position p, `between` farther from the reference.
__device__ __forceinline__ Split rowFactors(const MeanArguments& o, const Keys& keys, const float* sums, int64_t p) {
  if (keys.channel < 0) return {0, 0};
  const int64_t at = p * o.channels + keys.channel;
  return factors(keys, sums[at], o.C + p * o.groups * o.state, o.rowScale ? o.rowScale[at] : 1);
}
__device__ __forceinline__ Split columnFactors(const MeanArguments& o, const Keys& keys, const float* sums, float between, int64_t p) {
  if (keys.channel < 0) return {0, 0};
  const int64_t at = p * o.channels + keys.channel;
  return factors(keys, between + sums[at], o.B + p * o.groups * o.state, o.columnScale ? o.delta[at] * o.columnScale[at] : o.delta[at]);
}

/// sum += rows·columnsᵀ, 16 by 8 over 16 keys, of split factors.
__device__ __forceinline__ void addProduct(float (&sum)[4], const uint32_t (&rowHigh)[4], const uint32_t (&rowLow)[4], const uint32_t (&columnHigh)[2],
                                           const uint32_t (&columnLow)[2]) {
  float step[4] = {0, 0, 0, 0};
  mma_bf16(step, rowHigh, columnLow, step);
  mma_bf16(step, rowLow, columnHigh, step);
  mma_bf16(step, rowHigh, columnHigh, step);
#pragma unroll
  for (int e = 0; e < 4; e++) sum[e] += step[e];
}

void meanMatrixDiagonal(Gpu&, const MeanArguments&);

}  // namespace ha::gpu
