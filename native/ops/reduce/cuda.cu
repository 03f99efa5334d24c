// Sums over an axis, in an order that depends on the shape alone: threads in strides, then the block's tree; f64 where rows
// are long.
#include "../../device/gpu/numbers.h"
#include "../../device/gpu/sums.h"

namespace ha::gpu {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kRows = 128;  // rows that one thread adds up

__global__ void reduceLastKernel(int64_t rows, int64_t columns, int kind, float scale, const float* x, float* y) {
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    const float* row = x + r * columns;
    double result;
    if (kind == ReduceLast::kMax || kind == ReduceLast::kMin) {
      const float sign = kind == ReduceLast::kMax ? 1.f : -1.f;
      float best = -INFINITY;
      for (int64_t c = threadIdx.x; c < columns; c += kThreads) {
        const float v = sign * row[c];
        best = v > best || v != v ? v : best;
      }
      // a NaN wins against everything
      result = sign * blockReduce(best, -INFINITY, [](float a, float b) { return a != a ? a : b > a || b != b ? b : a; });
    } else {
      double total = 0;
      for (int64_t c = threadIdx.x; c < columns; c += kThreads) {
        const float v = row[c];
        total += kind == ReduceLast::kSum ? v : kind == ReduceLast::kSumAbs ? fabsf(v) : kind == ReduceLast::kSumSquares ? v * v : v > 0 || v != v ? v : 0.f;
      }
      result = blockSum(total);
    }
    if (threadIdx.x == 0) y[r] = static_cast<float>(scale * result);
  }
}

/// partial[b, block, c] = Σ over kRows rows of weights·x (weights absent: 1).
__global__ void sumRowsKernel(int64_t batch, int64_t rows, int64_t columns, int64_t blocks, const float* x, const float* weights, float* partial) {
  const int64_t count = batch * blocks * columns;
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < count; i += int64_t{gridDim.x} * kThreads) {
    const int64_t c = i % columns, block = i / columns % blocks, b = i / columns / blocks;
    float total = 0;
    for (int64_t r = block * kRows; r < rows && r < (block + 1) * kRows; r++) {
      const float v = x[(b * rows + r) * columns + c];
      total += weights ? v * weights[b * rows + r] : v;
    }
    partial[i] = total;
  }
}

void sumRows(Gpu& gpu, int64_t batch, int64_t rows, int64_t columns, const float* x, const float* weights, float* y) {
  if (batch * columns == 0) return;
  // blocks of rows, then blocks of blocks, until one is left
  for (;;) {
    const int64_t blocks = rows ? divideUp(rows, kRows) : 1, count = batch * blocks * columns;
    float* to = blocks == 1 ? y : scratch<float>(gpu, count);
    LAUNCH(sumRowsKernel, gridX(divideUp(count, kThreads)), kThreads, 0, gpu.stream, batch, rows, columns, blocks, x, weights, to);
    if (blocks == 1) return;
    x = to, weights = nullptr, rows = blocks;
  }
}

}  // namespace

void reduceLast(Gpu& gpu, const ReduceLast& o) {
  if (o.rows) LAUNCH(reduceLastKernel, gridX(o.rows), kThreads, 0, gpu.stream, o.rows, o.columns, o.kind, o.scale, as<float>(o.x), as<float>(o.y));
}

void reduceLeading(Gpu& gpu, const ReduceLeading& o) { sumRows(gpu, 1, o.rows, o.columns, o.x, nullptr, o.y); }

void weightedSum(Gpu& gpu, const WeightedSum& o) { sumRows(gpu, o.batch, o.length, o.channels, o.x, o.weights, o.y); }

}  // namespace ha::gpu
