// Products of 16 bits on the tensor cores (cuda_tiles.h). For where the card's own library is missing.
#include <type_traits>
#include "cuda_parts.h"
#include "cuda_tiles.h"

namespace ha::gpu {
namespace {

using namespace tiles;
constexpr int kDepth = 2 * kWords;

template <class T> __device__ __forceinline__ void multiply(float (&sum)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  if constexpr (std::is_same_v<T, bf16>) mma_bf16(sum, a, b, sum);
  else mma_f16(sum, a, b, sum);
}

/// Rows row0… of x [rows k] (turned: [k rows]) from k0 on; zero past the ends. kWide: whole vectors along k.
template <class T, bool kWide> __device__ __forceinline__ void fetch(Words& tile, const T* x, int64_t row0, int64_t rows, int64_t k0, int64_t k, bool turned) {
  if (kWide) return tiles::fetch(tile, reinterpret_cast<const uint32_t*>(x), row0, rows, k0 / 2, k / 2);
  const uint16_t* bits = reinterpret_cast<const uint16_t*>(x);
  for (int at = static_cast<int>(threadIdx.x); at < kTile * kWords; at += kThreads) {
    // neighbours in memory go to neighbouring threads
    const int row = turned ? at % kTile : at / kWords, word = turned ? at / kTile : at % kWords;
    const int64_t i = row0 + row, p = k0 + 2 * word;
    const auto bitsAt = [&](int64_t q) -> uint32_t { return i < rows && q < k ? bits[turned ? q * rows + i : i * k + q] : 0; };
    tile[row][word] = bitsAt(p) | bitsAt(p + 1) << 16;
  }
}

template <class T, class C, bool kWide>
__global__ __launch_bounds__(kThreads, kWide ? 2 : 1) void tensorCoresKernel(int64_t m, int64_t n, int64_t k, bool transposeA, bool transposeB, const T* a, const T* b,
                                                                 MatmulResult<C> result) {
  SHARED(rows, Words);
  SHARED(columns, Words);
  const Place place;
  const int64_t columnTiles = (n + kTile - 1) / kTile, i0 = blockIdx.x / columnTiles * kTile, j0 = blockIdx.x % columnTiles * kTile;
  float sum[kRowParts][kColumnParts][4] = {};
  for (int64_t k0 = 0; k0 < k; k0 += kDepth) {
    fetch<T, kWide>(rows, a, i0, m, k0, k, transposeA), fetch<T, kWide>(columns, b, j0, n, k0, k, !transposeB);
    __syncthreads();
#pragma unroll 1
    for (int word = 0; word < kWords; word += 8) {
      uint32_t right[kColumnParts][2];
#pragma unroll
      for (int c = 0; c < kColumnParts; c++) place.right(right[c], columns, c, word);
#pragma unroll
      for (int r = 0; r < kRowParts; r++) {
        uint32_t left[4];
        place.left(left, rows, r, word);
#pragma unroll
        for (int c = 0; c < kColumnParts; c++) multiply<T>(sum[r][c], left, right[c]);
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
        if (i < m && j < n) result.put(i, j, sum[r][c][e]);
      }
}

template <class T, class C> void run(Gpu& gpu, const Matmul& o) {
  const MatmulResult<C> result{o.n, o.accumulate, as<float>(o.bias), as<C>(o.c)};
  const unsigned grid = gridX(divideUp(o.m, kTile) * divideUp(o.n, kTile));
  const bool wide = !o.transposeA && o.transposeB && packable(o.k, 8, 2, o.a.data, o.b.data);
  if (wide) LAUNCH((tensorCoresKernel<T, C, true>), grid, kThreads, 0, gpu.stream, o.m, o.n, o.k, o.transposeA, o.transposeB, as<T>(o.a), as<T>(o.b), result);
  else LAUNCH((tensorCoresKernel<T, C, false>), grid, kThreads, 0, gpu.stream, o.m, o.n, o.k, o.transposeA, o.transposeB, as<T>(o.a), as<T>(o.b), result);
}

}  // namespace

bool matmulTensorCores(Gpu& gpu, const Matmul& o) {
  if (o.a.dtype == DType::f32 || o.a.dtype != o.b.dtype || (o.c.dtype != o.a.dtype && o.c.dtype != DType::f32)) return false;
  const bool wide = o.c.dtype == DType::f32;
  if (o.a.dtype == DType::bf16) wide ? run<bf16, float>(gpu, o) : run<bf16, bf16>(gpu, o);
  else wide ? run<f16, float>(gpu, o) : run<f16, f16>(gpu, o);
  return true;
}

}  // namespace ha::gpu
