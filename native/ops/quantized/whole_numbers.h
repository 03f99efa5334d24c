// Dot products of whole numbers of 8 bits: some numbers of the inner axis in each lane of 32 bits, multiplied by as many and added to the
// lane, exactly. Which instruction does it is a type, so that every product here is written once.
#pragma once
#include "../../device/dots.h"
#include "../rows.h"
#if defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace ha::HA_ISA {

constexpr double kReadNanoseconds = 0.07;  // of one number of a weight that comes from memory

typedef int32_t viu __attribute__((vector_size(W * 4), aligned(1), may_alias));
HA_INLINE vi splatWhole(int32_t x) { return x + (vi){}; }
/// The 32 bits at p in each lane.
HA_INLINE vi splatBits(const void* p) {
  int32_t bits;
  memcpy(&bits, p, sizeof bits);
  return splatWhole(bits);
}
/// f of the lanes of each of W vectors, as one vector: halves them by pairs.
template <class F>
HA_INLINE vi reduceEach(vi* v, const F& f) {
#pragma GCC unroll 4
  for (int count = W; count > 1; count /= 2)
#pragma GCC unroll 8
    for (int i = 0; i < count / 2; i++) {
      const vf first = (vf)v[2 * i], then = (vf)v[2 * i + 1];
      v[i] = f((vi)evens(first, then), (vi)odds(first, then));
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

/// A group's whole numbers in as few bits as Number has.
template <class Number>
HA_INLINE void storeGroup(Number* q, const vi (&whole)[kGroup / W]) {
#if defined(__AVX512F__)
  for (int v = 0; v < kGroup / W; v++)
    if constexpr (sizeof(Number) == 1) _mm_storeu_si128((__m128i*)(q + v * W), _mm512_cvtepi32_epi8((__m512i)whole[v]));
    else _mm256_storeu_si256((__m256i*)(q + v * W), _mm512_cvtepi32_epi16((__m512i)whole[v]));
#else
  int32_t numbers[kGroup];
  memcpy(numbers, whole, sizeof numbers);
  for (int p = 0; p < kGroup; p++) q[p] = (Number)numbers[p];
#endif
}

/// QuantizeInt8 for up to W groups in a row, and the sum of each one's whole numbers. Halves go away from zero.
template <class Number>
HA_INLINE void roundGroups(const float* x, int count, Number* q, float* scales, vi& sums) {
  constexpr int kVectorsOfGroup = kGroup / W;
  vi most[W] = {}, totals[W] = {};  // bits of numbers without a sign are ordered as the numbers are, NaN last
  for (int group = 0; group < count; group++)
#pragma GCC unroll 8
    for (int v = 0; v < kVectorsOfGroup; v++) {
      const vi size = (vi)vabs(load(x + group * kGroup + v * W));
      most[group] = most[group] > size ? most[group] : size;
    }
  const vi bits = reduceEach(most, [](vi a, vi b) HA_INLINED { return a > b ? a : b; });
  const vi finite = bits < 0x7f800000;
  const vf scale = (vf)bits / splat(127), none = splat(0);
  const vi large = finite & (scale >= splat(1.1754944e-38f));
  storePart(scales, select(finite, select(large, scale, none), splat(__builtin_nanf(""))), count);
  float inverse[W];  // as ggml rounds: times the inverse of the scale
  store(inverse, select(large, splat(1) / scale, none));
  for (int group = 0; group < count; group++) {
    vi whole[kVectorsOfGroup] = {};
    if (inverse[group] != 0)
#pragma GCC unroll 8
      for (int v = 0; v < kVectorsOfGroup; v++) {
        const vf y = load(x + group * kGroup + v * W) * splat(inverse[group]);
        // the number below a half, added before the fraction is cut off, rounds halves away from zero and nothing else
        const vf half = (vf)(((vi)y & (int32_t)0x80000000) | (vi)splat(0.49999997f));
        whole[v] = __builtin_convertvector(y + half, vi);
        totals[group] += whole[v];
      }
    storeGroup(q + group * kGroup, whole);
  }
  sums = reduceEach(totals, [](vi a, vi b) HA_INLINED { return a + b; });
}

}  // namespace ha::HA_ISA
