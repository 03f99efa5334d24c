// Rounding to bf16 and f16 against the nearest representable number found by search, and every f16 and bf16 there and back.
#include <cmath>
#include <cstring>
#include <limits>
#include "../../test/check.h"

namespace {
using namespace ha;

/// The number that 16 bits stand for, from the definition of the formats.
double meaning(uint16_t bits, DType dtype) {
  const int fraction = dtype == DType::bf16 ? 7 : 10, exponents = 15 - fraction, bias = (1 << (exponents - 1)) - 1;
  const int exponent = bits >> fraction & ((1 << exponents) - 1), low = bits & ((1 << fraction) - 1);
  const double sign = bits >> 15 ? -1 : 1;
  if (exponent == (1 << exponents) - 1) return low ? std::nan("") : sign * std::numeric_limits<double>::infinity();
  if (exponent == 0) return sign * std::ldexp(low, 1 - bias - fraction);
  return sign * std::ldexp((1 << fraction) + low, exponent - bias - fraction);
}

TEST(castEveryNumberOf16Bits) {
  for (DType dtype : {DType::bf16, DType::f16}) {
    check.label = nameOf(dtype);
    std::vector<uint16_t> bits(65536), back(65536);
    for (int i = 0; i < 65536; i++) bits[i] = (uint16_t)i;
    Floats wide(65536);
    check.op.cast(check.context, {65536, {bits.data(), dtype}, wide.data()});
    check.op.cast(check.context, {65536, wide.data(), {back.data(), dtype}});
    int wrong = 0;
    for (int i = 0; i < 65536; i++) {
      const double want = meaning(bits[i], dtype);
      if (std::isnan(want)) {
        wrong += !std::isnan(wide[i]) || !std::isnan(meaning(back[i], dtype));
        continue;
      }
      // a bf16 below 2^-126 may be flushed to zero
      const bool tiny = std::fabs(want) < std::numeric_limits<float>::min();
      wrong += !(wide[i] == want || (tiny && wide[i] == 0)) || !(back[i] == bits[i] || tiny);
    }
    check.that("each comes back", wrong == 0);
  }
}

TEST(castRoundsToTheNearest) {
  const Floats x = [&] {
    Floats v = check.normal(3001, 3);
    for (float edge : {0.f, -0.f, 1.f + 1.f / 256, 1.f + 3.f / 256, 1.f + 1.f / 2048, 1.f + 3.f / 2048, 65504.f, 65519.f, 1e-7f, 3e-8f}) v.push_back(edge);
    return v;
  }();
  const int64_t count = (int64_t)x.size();
  for (DType dtype : {DType::bf16, DType::f16}) {
    check.label = nameOf(dtype);
    std::vector<uint16_t> y(x.size());
    check.op.cast(check.context, {count, x.data(), {y.data(), dtype}});
    bool nearest = true;
    for (int64_t i = 0; i < count; i++) {
      const double error = std::fabs(meaning(y[i], dtype) - x[i]);
      for (int step : {-1, 1}) {
        const double other = std::fabs(meaning((uint16_t)(y[i] + step), dtype) - x[i]);
        if (other < error || (other == error && y[i] & 1)) nearest = false;
      }
    }
    check.that("nearest, ties to even", nearest);
    std::vector<uint16_t> direct(x.size());
    Floats wide(x.size());
    const DType other = dtype == DType::bf16 ? DType::f16 : DType::bf16;
    check.op.cast(check.context, {count, {y.data(), dtype}, {direct.data(), other}});
    check.op.cast(check.context, {count, {direct.data(), other}, wide.data()});
    bool same = true;
    for (int64_t i = 0; i < count; i++) same &= std::fabs(x[i]) > 60000 || std::fabs(x[i]) < 1e-4 || std::fabs(wide[i] - meaning(y[i], dtype)) <= 0.01 * std::fabs(x[i]) + 1e-7;
    check.that("from 16 to 16 bits", same);
  }
}

TEST(operandsOf16BitsAreWidened) {
  // any op will do: y = 2x + 1
  const Floats x = check.normal(1000);
  std::vector<uint16_t> narrow(1000), result(1000);
  Floats rounded(1000), want(1000), got(1000);
  check.op.cast(check.context, {1000, x.data(), {narrow.data(), DType::bf16}});
  check.op.cast(check.context, {1000, {narrow.data(), DType::bf16}, rounded.data()});
  check.op.unary(check.context, {1000, UnaryKind::kAffine, 2, 1, {narrow.data(), DType::bf16}, {result.data(), DType::f16}});
  check.op.cast(check.context, {1000, {result.data(), DType::f16}, got.data()});
  Doubles exact(1000);
  for (int i = 0; i < 1000; i++) exact[i] = 2 * (double)rounded[i] + 1;
  check.close("bf16 in, f16 out", got, exact, 1e-3);
}

}  // namespace
