// Moving numbers without changing them.
#include "../../device/gpu/numbers.h"

namespace ha::gpu {
namespace {

constexpr int kThreads = 256, kTile = 32;
unsigned blocksFor(Gpu& gpu, int64_t count) { return gridX(least(divideUp(count, kThreads), gpu.multiprocessors * 32)); }

__global__ void fillKernel(int64_t count, float value, float* y) {
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < count; i += int64_t{gridDim.x} * kThreads) y[i] = value;
}

/// T: numbers of 4 bytes or of 2, whatever they mean.
template <class T> __global__ void copyKernel(int64_t count, int64_t run, int64_t sourceStride, int64_t targetStride, const T* source, T* target) {
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < count; i += int64_t{gridDim.x} * kThreads) {
    const int64_t block = i / run, at = i % run;
    target[block * targetStride + at] = source[block * sourceStride + at];
  }
}

__global__ void reverseKernel(int64_t total, int64_t count, int64_t run, const float* x, float* y) {
  for (int64_t n = blockIdx.x * int64_t{kThreads} + threadIdx.x; n < total; n += int64_t{gridDim.x} * kThreads) {
    const int64_t i = n / run % count;
    y[n] = x[n + (count - 1 - 2 * i) * run];
  }
}

/// One tile a block, rows read and rows written together; the 33rd column keeps threads off one another's banks.
__global__ void transposeKernel(int64_t batch, int64_t rows, int64_t columns, int64_t rowTiles, int64_t columnTiles, const float* x, float* y) {
  SHARED(tile, float[kTile][kTile + 1]);
  const int lane = static_cast<int>(threadIdx.x) % kTile, first = static_cast<int>(threadIdx.x) / kTile;
  for (int64_t i = blockIdx.x; i < batch * rowTiles * columnTiles; i += gridDim.x) {
    const int64_t c0 = i % columnTiles * kTile, r0 = i / columnTiles % rowTiles * kTile, b = i / columnTiles / rowTiles * rows * columns;
    for (int j = first; j < kTile; j += kThreads / kTile)
      if (r0 + j < rows && c0 + lane < columns) tile[j][lane] = x[b + (r0 + j) * columns + c0 + lane];
    __syncthreads();
    for (int j = first; j < kTile; j += kThreads / kTile)
      if (c0 + j < columns && r0 + lane < rows) y[b + (c0 + j) * rows + r0 + lane] = tile[lane][j];
    __syncthreads();
  }
}

}  // namespace

void fill(Gpu& gpu, const Fill& o) {
  if (o.count) LAUNCH(fillKernel, blocksFor(gpu, o.count), kThreads, 0, gpu.stream, o.count, o.value, as<float>(o.y));
}

void copyBlocks(Gpu& gpu, const CopyBlocks& o) {
  const int64_t count = o.blocks * o.run;
  if (!count) return;
  if (o.source.dtype != o.target.dtype) return inF32(gpu, copyBlocks, o);
  const auto copy = [&](auto zero) {
    using T = decltype(zero);
    LAUNCH((copyKernel<T>), blocksFor(gpu, count), kThreads, 0, gpu.stream, count, o.run, o.sourceStride, o.targetStride, as<T>(o.source) + o.sourceOffset,
           as<T>(o.target) + o.targetOffset);
  };
  if (bytesOf(o.source.dtype) == 2) copy(uint16_t{});
  else copy(uint32_t{});
}

void reverse(Gpu& gpu, const Reverse& o) {
  const int64_t total = o.blocks * o.count * o.run;
  if (total) LAUNCH(reverseKernel, blocksFor(gpu, total), kThreads, 0, gpu.stream, total, o.count, o.run, as<float>(o.x), as<float>(o.y));
}

void transpose(Gpu& gpu, const Transpose& o) {
  const int64_t rowTiles = divideUp(o.rows, kTile), columnTiles = divideUp(o.columns, kTile), tiles = o.batch * rowTiles * columnTiles;
  if (tiles) LAUNCH(transposeKernel, gridX(tiles), kThreads, 0, gpu.stream, o.batch, o.rows, o.columns, rowTiles, columnTiles, as<float>(o.x), as<float>(o.y));
}

}  // namespace ha::gpu
