// Activations rounded to 8 bits times a weight of 8 bits, in whole numbers. Up to 32 rows: a warp a row of the weight, read as it is
// stored, once for 8 rows. More: tiles on the tensor cores, where one instruction adds up the products of a group.
#include "../../device/gpu/numbers.h"
#include "../../device/gpu/sums.h"
#include "../matmul/cuda_parts.h"
#include "../matmul/cuda_tiles.h"
#include "cuda_parts.h"

namespace ha::gpu {
namespace {

constexpr int kRows = 8, kFewRows = 4 * kRows;
using Numbers = Pack<int, 4>;  // 16 of them: half a group

/// x [rows k] in whole numbers, with the scales of its groups.
struct Rounded {
  int64_t rows;
  const int8_t* q;
  const float* scales;
};

/// c of up to kRows rows of a: those of the block's y.
__global__ __launch_bounds__(tiles::kThreads) void roundedRowsKernel(Rounded a, Rounded w, int64_t k, MatmulResult<float> result) {
  constexpr int kPack = sizeof(Numbers), kWarps = tiles::kThreads / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t first = blockIdx.y * int64_t{kRows}, rows = a.rows - first < kRows ? a.rows - first : kRows;
  a.q += first * k, a.scales += first * (k / kGroup);
  for (int64_t j = blockIdx.x * int64_t{kWarps} + threadIdx.x / 32; j < w.rows; j += int64_t{gridDim.x} * kWarps) {
    float sum[kRows] = {};
    for (int64_t p = lane * kPack; p < k; p += 32 * kPack) {
      const Numbers y = *reinterpret_cast<const Numbers*>(w.q + j * k + p);
      const float scale = w.scales[(j * k + p) / kGroup];
#pragma unroll
      for (int i = 0; i < kRows; i++) {
        if (i >= rows) break;
        const Numbers x = *reinterpret_cast<const Numbers*>(a.q + i * k + p);
        int whole = 0;
#pragma unroll
        for (int e = 0; e < 4; e++) whole = __dp4a(x.at[e], y.at[e], whole);
        sum[i] += static_cast<float>(whole) * (a.scales[(i * k + p) / kGroup] * scale);
      }
    }
#pragma unroll
    for (int i = 0; i < kRows; i++) {
      if (i >= rows) break;
      const float total = warpSum(sum[i]);
      if (lane == 0) result.put(first + i, j, total);
    }
  }
}

constexpr int kGroupWords = kGroup / 4, kGroups = tiles::kWords / kGroupWords;  // in shared memory at a time
using Scales = float[kGroups][tiles::kTile];

/// Rows row0… of x and the scales of their groups, from `group` on.
__device__ __forceinline__ void fetchRounded(tiles::Words& words, Scales& scales, const Rounded& x, int64_t row0, int64_t group, int64_t groups) {
  tiles::fetch(words, reinterpret_cast<const uint32_t*>(x.q), row0, x.rows, group * kGroupWords, groups * kGroupWords);
#pragma unroll 1
  for (int at = static_cast<int>(threadIdx.x); at < kGroups * tiles::kTile; at += tiles::kThreads) {
    const int row = at / kGroups, own = at % kGroups;
    scales[own][row] = row0 + row < x.rows && group + own < groups ? x.scales[(row0 + row) * groups + group + own] : 0.f;
  }
}

__global__ __launch_bounds__(tiles::kThreads, 2) void roundedTilesKernel(Rounded a, Rounded w, int64_t groups, MatmulResult<float> result) {
  using namespace tiles;
  SHARED(rows, Words);
  SHARED(columns, Words);
  SHARED(rowScales, Scales);
  SHARED(columnScales, Scales);
  const Place place;
  const int64_t columnTiles = (w.rows + kTile - 1) / kTile, i0 = blockIdx.x / columnTiles * kTile, j0 = blockIdx.x % columnTiles * kTile;
  const int none[4] = {};
  float sum[kRowParts][kColumnParts][4] = {};
  for (int64_t first = 0; first < groups; first += kGroups) {
    fetchRounded(rows, rowScales, a, i0, first, groups), fetchRounded(columns, columnScales, w, j0, first, groups);
    __syncthreads();
#pragma unroll 1
    for (int group = 0; group < kGroups; group++) {
      uint32_t right[kColumnParts][2];
      float columnScale[kColumnParts][2];
#pragma unroll
      for (int c = 0; c < kColumnParts; c++) {
        place.right(right[c], columns, c, group * kGroupWords);
#pragma unroll
        for (int e = 0; e < 2; e++) columnScale[c][e] = columnScales[group][place.column(c, e)];
      }
#pragma unroll
      for (int r = 0; r < kRowParts; r++) {
        uint32_t left[4];
        place.left(left, rows, r, group * kGroupWords);
        const float rowScale[2] = {rowScales[group][place.row(r, 0)], rowScales[group][place.row(r, 2)]};
#pragma unroll
        for (int c = 0; c < kColumnParts; c++) {
          int whole[4];
          mma_s8(whole, left, right[c], none);
#pragma unroll
          for (int e = 0; e < 4; e++) sum[r][c][e] += static_cast<float>(whole[e]) * (rowScale[e / 2] * columnScale[c][e % 2]);
        }
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int r = 0; r < kRowParts; r++)
#pragma unroll
    for (int c = 0; c < kColumnParts; c++)
#pragma unroll
      for (int e = 0; e < 4; e++) {
        const int64_t i = i0 + place.row(r, e), j = j0 + place.column(c, e);
        if (i < a.rows && j < w.rows) result.put(i, j, sum[r][c][e]);
      }
}

}  // namespace

void multiplyRounded(Gpu& gpu, const MatmulInt8& o) {
  const int64_t count = o.m * o.k;
  int8_t* q = scratch<int8_t>(gpu, count);
  float* scales = scratch<float>(gpu, count / kGroup);
  quantizeInt8(gpu, {count, o.a, q, scales});
  const Rounded a{o.m, q, scales}, w{o.n, o.q, as<float>(o.scales)};
  const MatmulResult<float> result{o.n, false, as<float>(o.bias), as<float>(o.c)};
  if (o.m <= kFewRows)
    LAUNCH(roundedRowsKernel, dim3(gridX(divideUp(o.n, tiles::kThreads / 32)), gridY(divideUp(o.m, kRows))), tiles::kThreads, 0, gpu.stream, a, w, o.k, result);
  else
    LAUNCH(roundedTilesKernel, gridX(divideUp(o.m, tiles::kTile) * divideUp(o.n, tiles::kTile)), tiles::kThreads, 0, gpu.stream, a, w, o.k / kGroup, result);
}

}  // namespace ha::gpu
