// Up to 64 rows of a: a warp a row of the weight, read as it is stored, once for 8 rows. More: the weight in f32, then the matrix product.
#include <cstdio>
#include "../../device/gpu/numbers.h"
#include "../../device/gpu/sums.h"
#include "cuda_parts.h"

namespace ha::gpu {
namespace {

constexpr int kThreads = 256, kRows = 8, kPack = 16;  // numbers of the weight that a lane reads at a time: half a group

/// c of up to kRows rows of a: those of the block's y.
__global__ __launch_bounds__(kThreads) void matmulInt8Kernel(int64_t rows, int64_t n, int64_t k, const float* a, const int8_t* q, const float* scales,
                                                             const float* bias, float* c) {
  const int lane = static_cast<int>(threadIdx.x) % 32, warps = kThreads / 32;
  const int64_t first = blockIdx.y * int64_t{kRows};
  a += first * k, c += first * n, rows = rows - first < kRows ? rows - first : kRows;
  for (int64_t j = blockIdx.x * int64_t{warps} + threadIdx.x / 32; j < n; j += int64_t{gridDim.x} * warps) {
    float sum[kRows] = {};
    for (int64_t p = lane * kPack; p < k; p += 32 * kPack) {
      float w[kPack];
      load<int8_t, kPack>(w, q + j * k + p);
      const float scale = scales[(j * k + p) / kGroup];
#pragma unroll
      for (int e = 0; e < kPack; e++) w[e] *= scale;
#pragma unroll
      for (int i = 0; i < kRows; i++) {
        if (i >= rows) break;
#pragma unroll
        for (int e = 0; e < kPack; e += 4) {
          float x[4];
          load<float, 4>(x, a + i * k + p + e);
#pragma unroll
          for (int f = 0; f < 4; f++) sum[i] += w[e + f] * x[f];
        }
      }
    }
#pragma unroll
    for (int i = 0; i < kRows; i++) {
      if (i >= rows) break;
      const float total = warpSum(sum[i]);
      if (lane == 0) c[i * n + j] = total + (bias ? bias[j] : 0.f);
    }
  }
}

void explain(char* text, size_t size, int32_t position, int32_t id, int64_t vocabulary) {
  std::snprintf(text, size, "embedding: id %d at position %d is not in 0…%d, the vocabulary is %d", id, position, static_cast<int>(vocabulary - 1),
                static_cast<int>(vocabulary));
}

__global__ void embeddingInt8Kernel(int64_t count, int64_t vocabulary, int64_t width, const int32_t* ids, const int8_t* q, const float* scales, float* y,
                                    Fault* fault) {
  for (int64_t i = blockIdx.x; i < count; i += gridDim.x) {
    const int64_t row = ids ? ids[i] : i;
    if (row < 0 || row >= vocabulary) {
      if (threadIdx.x == 0) report(fault, static_cast<int32_t>(i), static_cast<int32_t>(row));
      continue;
    }
    for (int64_t p = threadIdx.x; p < width; p += blockDim.x) {
      const int64_t from = row * width + p;
      y[i * width + p] = static_cast<float>(q[from]) * scales[from / kGroup];
    }
  }
}

/// A warp a group.
__global__ void quantizeInt8Kernel(int64_t groups, const float* x, int8_t* q, float* scales) {
  const int lane = static_cast<int>(threadIdx.x) % 32, warps = kThreads / 32;
  for (int64_t group = blockIdx.x * int64_t{warps} + threadIdx.x / 32; group < groups; group += int64_t{gridDim.x} * warps) {
    const float own = x[group * kGroup + lane], size = fabsf(own);
    const bool finite = warpReduce(static_cast<int>(size <= 3.4028235e38f), [](int a, int b) { return a & b; }) != 0;
    const float most = warpReduce(size, [](float a, float b) { return a > b ? a : b; });
    // as ggml rounds: times the inverse of the scale
    const float scale = most / 127, inverse = finite && scale >= 1.1754944e-38f ? 1 / scale : 0.f;
    q[group * kGroup + lane] = static_cast<int8_t>(roundf((finite ? own : 0.f) * inverse));
    if (lane == 0) scales[group] = !finite ? __int_as_float(0x7fc00000) : inverse == 0 ? 0.f : scale;
  }
}

}  // namespace

void matmulInt8(Gpu& gpu, const MatmulInt8& call) {
  if (!call.m || !call.n) return;
  const MatmulInt8 o = placed(call);
  if (o.rounded) return multiplyRounded(gpu, o);
  if (o.m > 8 * kRows) {
    float* wide = scratch<float>(gpu, o.n * o.k);
    embeddingInt8(gpu, {o.n, o.n, o.k, nullptr, o.q, o.scales, wide});
    return matmul(gpu, {o.m, o.n, o.k, false, true, false, o.a, wide, o.bias, o.c});
  }
  LAUNCH(matmulInt8Kernel, dim3(gridX(divideUp(o.n, kThreads / 32)), gridY(divideUp(o.m, kRows))), kThreads, 0, gpu.stream, o.m, o.n, o.k, as<float>(o.a), o.q, as<float>(o.scales),
         as<float>(o.bias), as<float>(o.c));
}

void embeddingInt8(Gpu& gpu, const EmbeddingInt8& o) {
  if (o.count * o.width == 0) return;
  Fault* fault = o.ids ? gpu.fault(explain, o.vocabulary) : nullptr;
  LAUNCH(embeddingInt8Kernel, gridX(o.count), kThreads, 0, gpu.stream, o.count, o.vocabulary, o.width, o.ids, o.q, as<float>(o.scales), as<float>(o.y), fault);
}

void quantizeInt8(Gpu& gpu, const QuantizeInt8& o) {
  const int64_t groups = o.count / kGroup;
  if (groups) LAUNCH(quantizeInt8Kernel, gridX(divideUp(groups, kThreads / 32)), kThreads, 0, gpu.stream, groups, as<float>(o.x), o.q, as<float>(o.scales));
}

}  // namespace ha::gpu
