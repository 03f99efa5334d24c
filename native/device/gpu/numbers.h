// Numbers on the device: types of 16 bits, vector loads, and the functions of math.md on the special-function units.
#pragma once
#include "gpu.h"

namespace ha::gpu {

using bf16 = __nv_bfloat16;
using f16 = __half;

__device__ __forceinline__ float toFloat(float x) { return x; }
__device__ __forceinline__ float toFloat(bf16 x) { return __bfloat162float(x); }
__device__ __forceinline__ float toFloat(f16 x) { return __half2float(x); }
__device__ __forceinline__ float toFloat(int8_t x) { return x; }
template <class T> __device__ __forceinline__ T fromFloat(float x);
template <> __device__ __forceinline__ float fromFloat<float>(float x) { return x; }
template <> __device__ __forceinline__ bf16 fromFloat<bf16>(float x) { return __float2bfloat16(x); }
template <> __device__ __forceinline__ f16 fromFloat<f16>(float x) { return __float2half(x); }

/// body(T{}) with T the type that `dtype` names: one instance of a kernel a type.
template <class F> void withType(DType dtype, const F& body) {
  if (dtype == DType::bf16) body(bf16{});
  else if (dtype == DType::f16) body(f16{});
  else body(float{});
}
/// A pointer to T in an operand, nullptr if absent.
template <class T> const T* as(const In& x) { return static_cast<const T*>(x.data); }
template <class T> T* as(const Out& y) { return static_cast<T*>(y.data); }
/// Whether all operands that are present have this type.
template <class... Operands> bool allOf(DType dtype, const Operands&... operands) {
  return ((!operands.data || operands.dtype == dtype) && ...);
}

/// Number i of an operand of any type: for small ones (weights of a filter, carried states), which need no instance a type.
__device__ __forceinline__ float numberOf(const In& x, int64_t i) {
  if (x.dtype == DType::bf16) return toFloat(static_cast<const bf16*>(x.data)[i]);
  if (x.dtype == DType::f16) return toFloat(static_cast<const f16*>(x.data)[i]);
  return static_cast<const float*>(x.data)[i];
}
__device__ __forceinline__ void putNumber(const Out& y, int64_t i, float x) {
  if (y.dtype == DType::bf16) static_cast<bf16*>(y.data)[i] = fromFloat<bf16>(x);
  else if (y.dtype == DType::f16) static_cast<f16*>(y.data)[i] = fromFloat<f16>(x);
  else static_cast<float*>(y.data)[i] = x;
}

/// N consecutive T, moved as one word of the machine where they are aligned to it.
template <class T, int N> struct alignas(sizeof(T) * N) Pack {
  T at[N];
};
template <class T, int N> __device__ __forceinline__ void load(float (&x)[N], const T* from) {
  const Pack<T, N> pack = *reinterpret_cast<const Pack<T, N>*>(from);
#pragma unroll
  for (int i = 0; i < N; i++) x[i] = toFloat(pack.at[i]);
}
template <class T, int N> __device__ __forceinline__ void store(T* to, const float (&x)[N]) {
  Pack<T, N> pack;
#pragma unroll
  for (int i = 0; i < N; i++) pack.at[i] = fromFloat<T>(x[i]);
  *reinterpret_cast<Pack<T, N>*>(to) = pack;
}
/// Whether rows of `width` numbers of `bytes` each, starting at these addresses, can be read in packs of `pack` numbers.
template <class... Pointers> bool packable(int64_t width, int pack, int bytes, Pointers... pointers) {
  return width % pack == 0 && ((reinterpret_cast<uintptr_t>(pointers) % static_cast<uintptr_t>(pack * bytes) == 0) && ...);
}

/// Two numbers as bf16 in one word, the first in its low half: as fragments of tensor cores have them.
__device__ __forceinline__ uint32_t packBf16(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  uint32_t word;
  memcpy(&word, &pair, 4);
  return word;
}
/// Two numbers as sums of two bf16 each, good to 2⁻¹⁷: products of such sums need three products of bf16 (low·low is left out).
struct Split {
  uint32_t high, low;
};
__device__ __forceinline__ Split split(float x, float y) {
  const uint32_t high = packBf16(x, y);
  return {high, packBf16(x - __int_as_float(static_cast<int>(high << 16)), y - __int_as_float(static_cast<int>(high & 0xffff0000u)))};
}

constexpr float kLog2e = 1.4426950408889634f, kLn2 = 0.6931471805599453f;
/// e^x, good to about 2⁻²²: for decays, gates and softmax.
__device__ __forceinline__ float expFast(float x) { return exp2_approx(x * kLog2e); }
__device__ __forceinline__ float logFast(float x) { return log2_approx(x) * kLn2; }
__device__ __forceinline__ float sigmoid(float x) { return __fdividef(1.f, 1.f + expFast(-x)); }
__device__ __forceinline__ float silu(float x) { return x * sigmoid(x); }
/// d silu/dx = σ·(1 + x·(1−σ))
__device__ __forceinline__ float siluGradient(float x) {
  const float s = sigmoid(x);
  return s * (1 + x * (1 - s));
}
/// log(1 + e^x), x itself above 20; the series keeps the digits that 1 + e^x would lose.
__device__ __forceinline__ float softplus(float x) {
  const float e = expFast(x);
  const float small = e * (1 - e * (0.5f - e * (1.f / 3 - e * 0.25f)));
  const float y = e < 1.f / 32 ? small : logFast(1 + e);
  return x > 20 ? x : y;
}

}  // namespace ha::gpu
