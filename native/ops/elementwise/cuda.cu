// Functions of one number and of two: a number a thread, in turns.
#include "../../device/gpu/numbers.h"

namespace ha::gpu {
namespace {

constexpr int kThreads = 256;
unsigned blocksFor(Gpu& gpu, int64_t count) { return gridX(least(divideUp(count, kThreads), gpu.multiprocessors * 32)); }

/// Φ(x), and the share of x that the tanh form of GELU keeps.
__device__ __forceinline__ float normalDistribution(float x) { return 0.5f * erfcf(-0.70710678f * x); }
__device__ __forceinline__ float normalDensity(float x) { return 0.3989422804f * expf(-0.5f * x * x); }
__device__ __forceinline__ float geluTanhShare(float x) { return sigmoid(x * fmaf(x * x, 0.0713548163f, 1.5957691216f)); }
/// x·share, 0 far below 0, where share is 0 and x may be −∞.
__device__ __forceinline__ float shareOf(float x, float share) { return x < -1e4f ? 0.f : x * share; }

__device__ __forceinline__ float function(int kind, float x, float scale, float shift) {
  switch (kind) {
    case UnaryKind::kSilu: return silu(x);
    case UnaryKind::kSoftplus: return softplus(x);
    case UnaryKind::kSigmoid: return sigmoid(x);
    case UnaryKind::kExp: return expf(x);
    case UnaryKind::kNegExp: return -expf(x);
    case UnaryKind::kPositive: return x > 0 ? x : x != x ? x : 0.f;
    case UnaryKind::kAbs: return fabsf(x);
    case UnaryKind::kAffine: return fmaf(x, scale, shift);
    case UnaryKind::kSquare: return x * x;
    case UnaryKind::kGelu: return shareOf(x, normalDistribution(x));
    case UnaryKind::kGeluTanh: return shareOf(x, geluTanhShare(x));
    case UnaryKind::kNormalDistribution: return normalDistribution(x);
    default: return logf(x);
  }
}

__device__ __forceinline__ float derivative(int kind, float x, float scale) {
  switch (kind) {
    case UnaryKind::kSilu: return siluGradient(x);
    case UnaryKind::kSoftplus: return x > 20 ? 1.f : sigmoid(x);
    case UnaryKind::kSigmoid: {
      const float e = expFast(-fabsf(x)), s = 1 / (1 + e);
      return e * s * s;
    }
    case UnaryKind::kExp: return expf(x);
    case UnaryKind::kNegExp: return -expf(x);
    case UnaryKind::kPositive: return x > 0 ? 1.f : x <= 0 ? 0.f : x;
    case UnaryKind::kAbs: return x > 0 ? 1.f : x < 0 ? -1.f : x;
    case UnaryKind::kAffine: return scale;
    case UnaryKind::kSquare: return x + x;
    case UnaryKind::kGelu: return normalDistribution(x) + (fabsf(x) > 1e4f ? 0.f : x * normalDensity(x));
    case UnaryKind::kNormalDistribution: return normalDensity(x);
    case UnaryKind::kGeluTanh: {
      const float s = geluTanhShare(x);
      return s + (fabsf(x) > 1e4f ? 0.f : x * s * (1 - s) * fmaf(x * x, 0.2140644489f, 1.5957691216f));
    }
    default: return 1 / x;
  }
}

template <class T> __global__ void unaryKernel(int64_t count, int kind, float scale, float shift, const T* x, T* y) {
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < count; i += int64_t{gridDim.x} * kThreads)
    y[i] = fromFloat<T>(function(kind, toFloat(x[i]), scale, shift));
}

template <class T> __global__ void unaryBackwardKernel(int64_t count, int kind, float scale, const T* x, const T* dy, T* dx) {
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < count; i += int64_t{gridDim.x} * kThreads)
    dx[i] = fromFloat<T>(toFloat(dy[i]) * derivative(kind, toFloat(x[i]), scale));
}

template <class T> __global__ void binaryKernel(int64_t count, int64_t columns, int64_t rowStride, int64_t columnStride, int kind, const T* a, const T* b, T* y) {
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < count; i += int64_t{gridDim.x} * kThreads) {
    const float p = toFloat(a[i]), q = toFloat(b[i / columns * rowStride + i % columns * columnStride]);
    y[i] = fromFloat<T>(kind == Binary::kAdd ? p + q : kind == Binary::kSubtract ? p - q : kind == Binary::kMultiply ? p * q : p / q);
  }
}

}  // namespace

void unary(Gpu& gpu, const Unary& o) {
  if (!o.count) return;
  if (!allOf(o.x.dtype, o.y)) return inF32(gpu, unary, o);
  withType(o.x.dtype, [&](auto zero) {
    using T = decltype(zero);
    LAUNCH((unaryKernel<T>), blocksFor(gpu, o.count), kThreads, 0, gpu.stream, o.count, o.kind, o.scale, o.shift, as<T>(o.x), as<T>(o.y));
  });
}

void unaryBackward(Gpu& gpu, const UnaryBackward& o) {
  if (!o.count) return;
  if (!allOf(o.x.dtype, o.dy, o.dx)) return inF32(gpu, unaryBackward, o);
  withType(o.x.dtype, [&](auto zero) {
    using T = decltype(zero);
    LAUNCH((unaryBackwardKernel<T>), blocksFor(gpu, o.count), kThreads, 0, gpu.stream, o.count, o.kind, o.scale, as<T>(o.x), as<T>(o.dy), as<T>(o.dx));
  });
}

void binary(Gpu& gpu, const Binary& o) {
  const int64_t count = o.rows * o.columns;
  if (!count) return;
  if (!allOf(o.a.dtype, o.b, o.y)) return inF32(gpu, binary, o);
  withType(o.a.dtype, [&](auto zero) {
    using T = decltype(zero);
    LAUNCH((binaryKernel<T>), blocksFor(gpu, count), kThreads, 0, gpu.stream, count, o.columns, o.bRowStride, o.bColumnStride, o.kind, as<T>(o.a), as<T>(o.b),
           as<T>(o.y));
  });
}

}  // namespace ha::gpu
