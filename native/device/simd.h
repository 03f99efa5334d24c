// One vector of floats, `W` wide, for whichever instruction set this file is compiled for (CMakeLists.txt compiles every
// cpu.cc once per level with KISA set). Everything lives in a namespace of its own level, and nothing here instantiates
// std templates: the linker must never hand an AVX-512 copy of shared code to an older processor.
#pragma once
#include <cstdint>
#include <cstring>
#include "context.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#ifndef KISA
#define KISA base
#endif
#define HA_PASTE2(a, b) a##b
#define HA_PASTE(a, b) HA_PASTE2(a, b)
#define HA_ISA HA_PASTE(cpu_, KISA)
#define HA_INLINE static inline __attribute__((always_inline))

namespace ha::HA_ISA {

#if defined(__AVX512F__)
constexpr int W = 16;
#elif defined(__AVX2__)
constexpr int W = 8;
#else
constexpr int W = 4;
#endif
typedef float vf __attribute__((vector_size(W * 4)));
typedef int32_t vi __attribute__((vector_size(W * 4)));
typedef float vfu __attribute__((vector_size(W * 4), aligned(4), may_alias));

HA_INLINE vf splat(float x) { return x - (vf){}; }
HA_INLINE vf load(const float* p) { return *(const vfu*)p; }
HA_INLINE void store(float* p, vf v) { *(vfu*)p = v; }

/// Copies numbers past the caches, into memory that is not read soon: a cache would first read each line that it is to hold.
HA_INLINE void storePastCaches(float* to, const float* from, int64_t count) {
#if defined(__x86_64__)
  int64_t i = 0;
  for (; i < count && (uintptr_t)(to + i) % (W * 4); i++) to[i] = from[i];
  for (; i + W <= count; i += W) {
#if defined(__AVX512F__)
    _mm512_stream_ps(to + i, (__m512)load(from + i));
#elif defined(__AVX2__)
    _mm256_stream_ps(to + i, (__m256)load(from + i));
#else
    _mm_stream_ps(to + i, (__m128)load(from + i));
#endif
  }
  for (; i < count; i++) to[i] = from[i];
  _mm_sfence();
#else
  memcpy(to, from, count * sizeof(float));
#endif
}

/// The bits of a bfloat16, the upper half of an f32.
typedef uint16_t bf16;
typedef uint16_t vhu __attribute__((vector_size(W * 2), aligned(2), may_alias));
typedef uint32_t vu __attribute__((vector_size(W * 4)));
HA_INLINE vf load(const bf16* p) { return (vf)(__builtin_convertvector(*(const vhu*)p, vu) << 16); }

/// Whole numbers of 8 bits.
HA_INLINE vf load(const int8_t* p) {
#if defined(__AVX512F__)
  return (vf)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)p)));
#elif defined(__AVX2__)
  return (vf)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)p)));
#elif defined(__SSE4_1__)
  return (vf)_mm_cvtepi32_ps(_mm_cvtepi8_epi32(_mm_loadu_si32(p)));
#else
  vf v;
  for (int i = 0; i < W; i++) v[i] = p[i];
  return v;
#endif
}

/// The first `lanes` numbers, zeros behind them; `lanes` in 0…W.
HA_INLINE vf loadPart(const float* p, int lanes) {
#if defined(__AVX512F__)
  return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << lanes) - 1), p);
#elif defined(__AVX2__)
  if (lanes == W) return load(p);
  return (vf)_mm256_maskload_ps(p, (__m256i)(vi{0, 1, 2, 3, 4, 5, 6, 7} < lanes));
#else
  if (lanes == W) return load(p);
  float t[W] = {};
  for (int i = 0; i < lanes; i++) t[i] = p[i];
  return load(t);
#endif
}
HA_INLINE vf loadPart(const bf16* p, int lanes) {
  if (lanes == W) return load(p);
  bf16 t[W] = {};
  for (int i = 0; i < lanes; i++) t[i] = p[i];
  return load(t);
}
HA_INLINE void storePart(float* p, vf v, int lanes) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << lanes) - 1), (__m512)v);
#else
  if (lanes == W) return store(p, v);
  for (int i = 0; i < lanes; i++) p[i] = v[i];
#endif
}

HA_INLINE vf fma(vf a, vf b, vf c) {
#if defined(__AVX512F__)
  return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
  return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
  return a * b + c;
#endif
}
HA_INLINE vf select(vi mask, vf yes, vf no) { return mask ? yes : no; }
/// Of two numbers; b where either is NaN.
HA_INLINE vf vmin(vf a, vf b) {
#if defined(__AVX512F__)
  return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
  return (vf)_mm_min_ps((__m128)a, (__m128)b);
#else
  return select(a < b, a, b);
#endif
}
HA_INLINE vf vmax(vf a, vf b) {
#if defined(__AVX512F__)
  return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
  return (vf)_mm_max_ps((__m128)a, (__m128)b);
#else
  return select(a > b, a, b);
#endif
}
HA_INLINE vf vabs(vf a) { return (vf)((vi)a & 0x7fffffff); }

/// Sum of the lanes, in a fixed order.
HA_INLINE float sum(vf v) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_ps((__m512)v);
#else
  float s[W];
  store(s, v);
  for (int step = W / 2; step > 0; step /= 2)
    for (int i = 0; i < step; i++) s[i] += s[i + step];
  return s[0];
#endif
}

/// Numbers 0, 2, 4, … and 1, 3, 5, … of two vectors in a row.
HA_INLINE vf evens(vf a, vf b) {
#if defined(__AVX512F__)
  return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
#elif defined(__AVX2__)
  return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
#else
  return __builtin_shufflevector(a, b, 0, 2, 4, 6);
#endif
}
HA_INLINE vf odds(vf a, vf b) {
#if defined(__AVX512F__)
  return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
#elif defined(__AVX2__)
  return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
#else
  return __builtin_shufflevector(a, b, 1, 3, 5, 7);
#endif
}
/// The sums of the lanes of W vectors that lie one after another, as one vector.
HA_INLINE vf sumEach(const float* p) {
  vf s[W];
#pragma GCC unroll 16
  for (int i = 0; i < W; i++) s[i] = load(p + i * W);
#pragma GCC unroll 4
  for (int count = W; count > 1; count /= 2)
#pragma GCC unroll 8
    for (int i = 0; i < count / 2; i++) s[i] = evens(s[2 * i], s[2 * i + 1]) + odds(s[2 * i], s[2 * i + 1]);
  return s[0];
}

HA_INLINE vf vsqrt(vf a) {
#if defined(__AVX512F__)
  return (vf)_mm512_sqrt_ps((__m512)a);
#elif defined(__AVX2__)
  return (vf)_mm256_sqrt_ps((__m256)a);
#elif defined(__x86_64__)
  return (vf)_mm_sqrt_ps((__m128)a);
#else
  for (int i = 0; i < W; i++) a[i] = __builtin_sqrtf(a[i]);
  return a;
#endif
}

#if defined(__AVX512F__)
constexpr vi kLowHalves = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23};
#elif defined(__AVX2__)
constexpr vi kLowHalves = {0, 8, 1, 9, 2, 10, 3, 11};
#else
constexpr vi kLowHalves = {0, 4, 1, 5};
#endif
/// Transposes a W by W tile held in registers: interleaving row i with row i + W/2, log2(W) times.
HA_INLINE void transposeTile(vf* rows) {
#pragma GCC unroll 4
  for (int done = 1; done < W; done *= 2) {
    vf next[W];
#pragma GCC unroll 8
    for (int i = 0; i < W / 2; i++) {
      next[2 * i] = __builtin_shuffle(rows[i], rows[i + W / 2], kLowHalves);
      next[2 * i + 1] = __builtin_shuffle(rows[i], rows[i + W / 2], kLowHalves + W / 2);
    }
#pragma GCC unroll 16
    for (int i = 0; i < W; i++) rows[i] = next[i];
  }
}

constexpr float kLog2e = 1.4426950408889634f, kLn2 = 0.6931471805599453f;

/// 2^r on [−½, ½] (relative error 2e-7)
HA_INLINE vf exp2Polynomial(vf r) {
  vf p = splat(1.5353362e-4f);
  p = fma(p, r, splat(1.3398874e-3f));
  p = fma(p, r, splat(9.6184373e-3f));
  p = fma(p, r, splat(5.5503324e-2f));
  p = fma(p, r, splat(2.4022648e-1f));
  p = fma(p, r, splat(6.9314718e-1f));
  return fma(p, r, splat(1.0f));
}
/// 2^x by the nearest integer and a polynomial on the rest; underflows to zero, overflows to ∞.
HA_INLINE vf exp2(vf x) {
#if defined(__AVX512F__)
  const vf n = (vf)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  // NaN fails both comparisons and stays
  x = select(x > splat(128.5f), splat(128.5f), x);
  x = select(x < splat(-150.0f), splat(-150.0f), x);
  const vf magic = splat(12582912.0f);  // 1.5·2^23: adding it rounds to the nearest integer
  const vf n = (x + magic) - magic;
#endif
  const vf r = x - n;
  const vf p = exp2Polynomial(r);
#if defined(__AVX512F__)
  return (vf)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
  // in two steps, so that 2^n with n < −126 comes out (as a subnormal or zero) and n = 128 overflows
  const vi k = __builtin_convertvector(n, vi), half = k >> 1;
  return p * (vf)((half + 127) << 23) * (vf)((k - half + 127) << 23);
#endif
}
/// The same, but zero already below 2^−126.5 and infinite above 2^127.5: less work where there is no scalef.
HA_INLINE vf exp2Flushed(vf x) {
#if defined(__AVX512F__)
  return exp2(x);
#else
  const vf magic = splat(12582912.0f);  // its last bits are n after the addition below; NaN passes both bounds
  x = vmin(splat(128), vmax(splat(-127), x));
  const vf t = x + magic, r = x - (t - magic);
  return exp2Polynomial(r) * (vf)(((vi)t + 127) << 23);
#endif
}
HA_INLINE vf exp(vf x) { return exp2(x * splat(kLog2e)); }

/// Natural logarithm of a normal x > 0 (relative error 2e-7).
HA_INLINE vf log(vf x) {
  const vu bits = (vu)x;
  const vi e = (vi)(bits - 0x3f2aaaabu) >> 23;  // so that the mantissa lands in [2/3, 4/3)
  const vf m = (vf)(bits - ((vu)e << 23)), s = (m - splat(1)) / (m + splat(1)), q = s * s;
  vf p = splat(0.1818182f);
  p = fma(p, q, splat(0.2222222f));
  p = fma(p, q, splat(0.2857143f));
  p = fma(p, q, splat(0.4f));
  p = fma(p, q, splat(0.6666667f));
  p = fma(p, q, splat(2.0f));
  return fma(__builtin_convertvector(e, vf), splat(kLn2), p * s);
}

HA_INLINE vf sigmoid(vf x) { return splat(1) / (splat(1) + exp(-x)); }
HA_INLINE vf silu(vf x) { return x * sigmoid(x); }
/// d silu/dx = σ·(1 + x·(1−σ))
HA_INLINE vf siluGradient(vf x) {
  const vf s = sigmoid(x);
  return s * fma(x, splat(1) - s, splat(1));
}
/// log(1 + e^x), x itself above 20 (as PyTorch has it); the second term is what rounding 1 + e^x lost.
HA_INLINE vf softplus(vf x) {
  const vf e = exp(vmin(splat(20), x)), t = splat(1) + e;
  return select(x > splat(20), x, log(t) + (e - (t - splat(1))) / t);
}

/// Runs body(chunk) for 0…chunks−1 on the device's threads.
template <class F>
HA_INLINE void parallel(Context& context, int64_t chunks, const F& body) {
  context.run(chunks, [](void* data, int64_t chunk) { (*static_cast<const F*>(data))(chunk); }, (void*)&body);
}
HA_INLINE int64_t minimum(int64_t a, int64_t b) { return a < b ? a : b; }
HA_INLINE int64_t maximum(int64_t a, int64_t b) { return a > b ? a : b; }

// The op functions of this level; each ops/<op>/cpu.cc defines its own, cpu.cc of the device collects them.
}  // namespace ha::HA_ISA
#include "../ops/ops.h"
namespace ha::HA_ISA {
#define OP(name, Arguments) void name(Context&, const Arguments&);
#include "../ops/table.def"
#undef OP
}  // namespace ha::HA_ISA
