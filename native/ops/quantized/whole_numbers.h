// Dot products of whole numbers of 8 bits: some numbers of the inner axis in each lane of 32 bits, multiplied by as many and added to the
// lane, exactly. Which instruction does it is a type, so that every product here is written once.
#pragma once
#include "../../device/dots.h"
#include "../rows.h"
#if defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace ha::HA_ISA {

typedef int32_t viu __attribute__((vector_size(W * 4), aligned(1), may_alias));
HA_INLINE vi splatWhole(int32_t x) { return x + (vi){}; }
/// The 32 bits at p in each lane.
HA_INLINE vi splatBits(const void* p) {
  int32_t bits;
  memcpy(&bits, p, sizeof bits);
  return splatWhole(bits);
}
template <class F>
HA_INLINE int32_t reduceWhole(vi v, const F& f) {
#pragma GCC unroll 4
  for (int step = W / 2; step > 0; step /= 2) {
    vi other;
    for (int i = 0; i < W; i++) other[i] = v[(i + step) % W];
    v = f(v, other);
  }
  return v[0];
}

/// Pairs of numbers that were widened to 16 bits.
struct Halves {
  using Number = int16_t;
  static constexpr int kTogether = 2;
  static constexpr int kShift = 0;  // added to each number of a weight
  HA_INLINED static vi weight(const int8_t* q) {
    typedef int8_t Narrow __attribute__((vector_size(W * 2), aligned(1), may_alias));
    typedef int16_t Wide __attribute__((vector_size(W * 4)));
    return (vi) __builtin_convertvector(*(const Narrow*)q, Wide);
  }
  HA_INLINED static vi shifted(vi w) { return w; }
  HA_INLINED static vi weightPart(const int8_t* q, int) { return weight(q); }  // a group is whole vectors
  HA_INLINED static vi add(vi sum, vi w, vi a) {
#if defined(__AVX512BW__)
    sum += (vi)_mm512_madd_epi16((__m512i)w, (__m512i)a);
#elif defined(__AVX2__)
    sum += (vi)_mm256_madd_epi16((__m256i)w, (__m256i)a);
#elif defined(__x86_64__)
    sum += (vi)_mm_madd_epi16((__m128i)w, (__m128i)a);
#else
    return sum + (w << 16 >> 16) * (a << 16 >> 16) + (w >> 16) * (a >> 16);
#endif
#if defined(__x86_64__)
    asm("" : "+v"(sum));  // whole numbers may be added up in any order: one that needs more registers than there are
    return sum;
#endif
  }
};

#if defined(__ARM_FEATURE_DOTPROD) || defined(__AVX512F__) || (defined(__AVX2__) && (defined(__clang__) || __GNUC__ >= 11))
#define HA_BYTES
/// Fours of bytes, for processors with an instruction for them. That of x86 multiplies numbers without a sign (the weight's, 128 added) by
/// numbers with one, and is no part of any level: `int8Dots` (device/dots.h) says whether it is there, and it is written
/// by name, since a compiler that is told of it uses it elsewhere, too.
struct Bytes {
  using Number = int8_t;
  static constexpr int kTogether = 4;
#if defined(__x86_64__)
  static constexpr int kShift = 128;
  HA_INLINED static vi shifted(vi w) { return w ^ (int32_t)0x80808080; }
#else
  static constexpr int kShift = 0;
  HA_INLINED static vi shifted(vi w) { return w; }
#endif
  HA_INLINED static vi weight(const int8_t* q) { return shifted(*(const viu*)q); }
  HA_INLINED static vi weightPart(const int8_t* q, int lanes) { return shifted((vi)loadPart((const float*)(const void*)q, lanes)); }
  HA_INLINED static vi add(vi sum, vi w, vi a) {
#if defined(__AVX512F__)
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(w), "v"(a));
    return sum;
#elif defined(__AVX2__)
    asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(w), "x"(a));
    return sum;
#else
    return (vi)vdotq_s32((int32x4_t)sum, (int8x16_t)w, (int8x16_t)a);
#endif
  }
};
#endif

/// A group of numbers rounded to 8 bits: its scale and the sum of its whole numbers.
struct RoundedGroup {
  float scale;
  int32_t sum;
};
/// QuantizeInt8 for one group. Halves go away from zero.
template <class Number>
HA_INLINE RoundedGroup roundGroup(const float* x, Number* q) {
  constexpr int32_t kInfinite = 0x7f800000;
  vi most = {};  // bits of numbers without a sign are ordered as the numbers are, NaN last
  for (int p = 0; p < kGroup; p += W) {
    const vi size = (vi)vabs(load(x + p));
    most = most > size ? most : size;
  }
  const int32_t bits = reduceWhole(most, [](vi a, vi b) HA_INLINED { return a > b ? a : b; });
  float scale;
  memcpy(&scale, &bits, sizeof scale);
  scale /= 127;
  const bool finite = bits < kInfinite;
  // as ggml rounds: times the inverse of the scale
  const float inverse = finite && scale >= 1.1754944e-38f ? 1 / scale : 0;
  vi total = {};
  int32_t whole[kGroup];
#pragma GCC unroll 8
  for (int p = 0; p < kGroup; p += W) {
    const vf y = (finite ? load(x + p) : splat(0)) * splat(inverse);
    // the number below a half, added before the fraction is cut off, rounds halves away from zero and nothing else
    const vf half = (vf)(((vi)y & (int32_t)0x80000000) | (vi)splat(0.49999997f));
    const vi rounded = __builtin_convertvector(y + half, vi);
    total += rounded;
    *(viu*)(whole + p) = rounded;
  }
  for (int p = 0; p < kGroup; p++) q[p] = (Number)whole[p];
  return {!finite ? __builtin_nanf("") : inverse == 0 ? 0 : scale, reduceWhole(total, [](vi a, vi b) HA_INLINED { return a + b; })};
}

}  // namespace ha::HA_ISA
