// The mean matrix in its diagonal tiles (cuda_mean.h): a warp a span of 16 rows, its factors in registers.
#include "cuda_mean.h"

namespace ha::gpu {
namespace {

constexpr int kSpan = kMeanSpan, kSpans = kMeanTile / kSpan, kThreads = kMeanThreads;
static_assert(kThreads == 32 * kSpans, "a warp a span");

/// Columns of the earlier spans of the tile. `start`: the warp's first row, a position of the batch row at `base`.
__device__ __forceinline__ void earlierSpans(const MeanArguments& o, int64_t base, int64_t start, int span, int firstKey, int lastKey, float* part) {
  const int group = static_cast<int>(threadIdx.x) % 32 / 4, lane = static_cast<int>(threadIdx.x) % 4;  // as fragments are laid out
  const int64_t tile = start - span * kSpan;
  float sum[kSpans - 1][2][4] = {};
  for (int k0 = firstKey; k0 < lastKey; k0 += 16) {
    const Keys keys[2] = {{o, k0 + 2 * lane, lastKey}, {o, k0 + 2 * lane + 8, lastKey}};
    uint32_t rowHigh[4], rowLow[4];
    float between[2] = {0, 0};  // Σ Δ of the spans between
#pragma unroll
    for (int e = 0; e < 4; e++) {
      const int64_t i = start + group + e % 2 * 8;
      const Split u = i < o.length ? rowFactors(o, keys[e / 2], o.sinceSpan, base + i) : Split{0, 0};
      rowHigh[e] = u.high, rowLow[e] = u.low;
    }
#pragma unroll
    for (int earlier = kSpans - 2; earlier >= 0; earlier--) {
      if (earlier >= span) continue;
      const int64_t first = base + tile + earlier * kSpan;
#pragma unroll
      for (int half = 0; half < 2; half++) {
        uint32_t columnHigh[2], columnLow[2];
#pragma unroll
        for (int e = 0; e < 2; e++) {
          const Split v = columnFactors(o, keys[e], o.toSpanEnd, between[e], first + half * 8 + group);
          columnHigh[e] = v.high, columnLow[e] = v.low;
        }
        addProduct(sum[earlier][half], rowHigh, rowLow, columnHigh, columnLow);
      }
      const float* whole = o.sinceSpan + (first + kSpan - 1) * o.channels;
#pragma unroll
      for (int e = 0; e < 2; e++)
        if (keys[e].channel >= 0) between[e] += whole[keys[e].channel];
    }
  }
#pragma unroll
  for (int earlier = 0; earlier < kSpans - 1; earlier++)
#pragma unroll
    for (int half = 0; half < 2; half++)
#pragma unroll
      for (int e = 0; e < 4; e++) {
        const int64_t row = start + group + e / 2 * 8 - o.rowStart;
        if (earlier < span && row >= 0 && row < o.rows && row + o.rowStart < o.length)
          part[row * o.length + tile + earlier * kSpan + half * 8 + 2 * lane + e % 2] = sum[earlier][half][e];
      }
}

/// The span's own 16 columns: each row's C goes back through the positions as the transposed scan does; two lanes share a row.
__device__ __forceinline__ void ownSpan(const MeanArguments& o, int64_t base, int64_t start, int firstChannel, int lastChannel,
                                        float (*decay)[kSpan], float (*input)[kSpan], float* part) {
  const int row = static_cast<int>(threadIdx.x) % kSpan, half = static_cast<int>(threadIdx.x) % 32 / kSpan;
  const int64_t stride = o.groups * o.state, i = start + row;
  float sum[kSpan] = {};
  for (int d = firstChannel; d < lastChannel; d++) {
    const int64_t group = d * o.groups / o.channels * o.state;
    for (int64_t n0 = 0; n0 < o.state; n0 += kSpan) {
      __syncwarp();
      const int64_t own = n0 + row;  // a state now
      const float rate = own < o.state ? o.A[d * o.state + own] * kLog2e : 0;
#pragma unroll
      for (int e = 0; e < kSpan; e += 2) {
        const int64_t j = start + e + half, p = base + j;
        const bool there = j < o.length && own < o.state;
        const float delta = there ? o.delta[p * o.channels + d] : 0;
        const float scale = there && o.columnScale ? o.columnScale[p * o.channels + d] : 1;
        decay[e + half][row] = exp2_approx(delta * rate);
        input[e + half][row] = there ? delta * scale * o.B[p * stride + group + own] : 0;
      }
      __syncwarp();
      float q[kSpan / 2], C[kSpan / 2];
      const float rowScale = i < o.length && o.rowScale ? o.rowScale[(base + i) * o.channels + d] : 1;
#pragma unroll
      for (int m = 0; m < kSpan / 2; m++) {
        const int64_t n = n0 + half * (kSpan / 2) + m;
        q[m] = 0, C[m] = i < o.length && n < o.state ? o.C[(base + i) * stride + group + n] * rowScale : 0;
      }
#pragma unroll
      for (int j = kSpan - 1; j >= 0; j--) {
        float in[kSpan / 2], a[kSpan / 2];
#pragma unroll
        for (int m = 0; m < kSpan / 2; m += 4) {
          const float4 four = *reinterpret_cast<const float4*>(&input[j][half * (kSpan / 2) + m]), rates = *reinterpret_cast<const float4*>(&decay[j][half * (kSpan / 2) + m]);
          in[m] = four.x, in[m + 1] = four.y, in[m + 2] = four.z, in[m + 3] = four.w;
          a[m] = rates.x, a[m + 1] = rates.y, a[m + 2] = rates.z, a[m + 3] = rates.w;
        }
#pragma unroll
        for (int m = 0; m < kSpan / 2; m++) {
          if (j == row) q[m] = C[m];
          sum[j] += q[m] * in[m];
          q[m] *= a[m];
        }
      }
    }
  }
  const int64_t to = i - o.rowStart;
#pragma unroll
  for (int j = 0; j < kSpan; j++) {
    const float total = sum[j] + __shfl_xor_sync(~0u, sum[j], kSpan);
    if (half == 0 && j <= row && i < o.length && to >= 0 && to < o.rows) part[to * o.length + start + j] = total;
  }
}

/// Which rows a warp has, and which part of the sum a block.
struct Place {
  int warp, span;
  int64_t start;
  int first, last;  // channels
  bool on;
  __device__ explicit Place(const MeanArguments& o) {
    // the four schedulers have two warps each: a long one and a short one
    warp = static_cast<int>(threadIdx.x) / 32, span = warp < kSpans / 2 ? warp : kSpans + kSpans / 2 - 1 - warp;
    start = (o.firstTile + blockIdx.x) * kMeanTile + span * kSpan;
    first = o.firstChannel(blockIdx.z), last = o.firstChannel(blockIdx.z + 1);
    on = start < o.length && start + kSpan > o.rowStart && start < o.rowStart + o.rows;
  }
};

__global__ __launch_bounds__(kThreads, 1) void earlierSpansKernel(MeanArguments o) {
  const Place at(o);
  const int states = static_cast<int>(o.state);
  if (at.on) earlierSpans(o, blockIdx.y * o.length, at.start, at.span, at.first * states, at.last * states, o.part(blockIdx.z, blockIdx.y));
}

__global__ __launch_bounds__(kThreads, 1) void ownSpanKernel(MeanArguments o) {
  SHARED(decay, float[kSpans][kSpan][kSpan]);
  SHARED(input, float[kSpans][kSpan][kSpan]);
  const Place at(o);
  if (at.on) ownSpan(o, blockIdx.y * o.length, at.start, at.first, at.last, decay[at.warp], input[at.warp], o.part(blockIdx.z, blockIdx.y));
}

}  // namespace

void meanMatrixDiagonal(Gpu& gpu, const MeanArguments& o) {
  const dim3 grid(gridX((o.rowStart + o.rows - 1) / kMeanTile - o.firstTile + 1), static_cast<unsigned>(o.batch), static_cast<unsigned>(o.splits));
  LAUNCH(earlierSpansKernel, grid, kThreads, 0, gpu.stream, o);
  LAUNCH(ownSpanKernel, grid, kThreads, 0, gpu.stream, o);
}

}  // namespace ha::gpu
