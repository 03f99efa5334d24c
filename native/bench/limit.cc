// The machine's own limits, from registers (and from memory: readAll). Compiled for the machine it is built on.
#include "../device/simd.h"
#include "bench.h"

namespace bench {

using namespace ha::HA_ISA;

float scanArithmetic(long updates, long state) {
  // independent chains hide each other's latency, as the states of a vector of channels do
  constexpr int kChains = 8;
  vf h[kChains], a[kChains], y = splat(0), x = splat(0.3f), delta = splat(0.01f);
  for (int k = 0; k < kChains; k++) h[k] = splat(0), a[k] = splat(-0.1f * (k + 1));
  const long channels = updates / state / W;
  for (long c = 0; c < channels; c++) {
    const vf step = softplus(x), input = step * x;
    for (long n = 0; n < state; n += kChains) {
#pragma GCC unroll 8
      for (int k = 0; k < kChains; k++) {
        h[k] = fma(exp2(step * a[k]), h[k], input * delta);
        y = fma(h[k], delta, y);
      }
      asm volatile("" : "+x"(delta));
    }
    y = y * silu(x);
    asm volatile("" : "+x"(x));
  }
  return sum(y);
}

constexpr int kSums = 12;  // in flight, more than two units with a latency of four need
#define BENCH_KEEP(v)                                                                                                            \
  asm volatile("" : "+x"(v[0]), "+x"(v[1]), "+x"(v[2]), "+x"(v[3]), "+x"(v[4]), "+x"(v[5]), "+x"(v[6]), "+x"(v[7]), "+x"(v[8]), \
               "+x"(v[9]), "+x"(v[10]), "+x"(v[11]))

double multiplyAdds(long millions) {
  vf sums[kSums] = {}, x = splat(0.999f), y = splat(1e-3f);
  for (long i = 0; i < millions * 1000000; i++) {
    for (vf& sum : sums) sum = fma(sum, x, y);
    BENCH_KEEP(sums);
  }
  return millions * 1e6 * kSums * W * 2;
}

double bf16Dots(long millions) {
#if defined(__AVX512BF16__)
  __m512 sums[kSums] = {};
  __m512bh x = (__m512bh)_mm512_set1_epi32(0x3f803f80);
  for (long i = 0; i < millions * 1000000; i++) {
    for (__m512& sum : sums) sum = _mm512_dpbf16_ps(sum, x, x);
    BENCH_KEEP(sums);
  }
  return millions * 1e6 * kSums * 64;
#else
  return 0 * millions;
#endif
}

double int8Dots(long millions) {
#if defined(__AVX512VNNI__)
  __m512i sums[kSums] = {}, x = _mm512_set1_epi8(1);
  for (long i = 0; i < millions * 1000000; i++) {
    for (__m512i& sum : sums) sum = _mm512_dpbusd_epi32(sum, x, x);
    BENCH_KEEP(sums);
  }
  return millions * 1e6 * kSums * 128;
#else
  return 0 * millions;
#endif
}

double exponentials(long millions) {
  vf sums[4] = {}, x = splat(-0.3f);
  for (long i = 0; i < millions * 1000000; i++) {
    for (int j = 0; j < 4; j++) sums[j] = sums[j] + exp2(x + splat(j));
    asm volatile("" : "+x"(x), "+x"(sums[0]), "+x"(sums[1]), "+x"(sums[2]), "+x"(sums[3]));
  }
  return millions * 1e6 * 4 * W;
}

float readAll(const float* p, long count) {
  vf sums[8] = {};
  for (long i = 0; i + 8 * W <= count; i += 8 * W)
    for (int j = 0; j < 8; j++) sums[j] = sums[j] + load(p + i + j * W);
  for (int j = 1; j < 8; j++) sums[0] = sums[0] + sums[j];
  return sum(sums[0]);
}

}  // namespace bench
