// Weights of 8 bits against their definition: what rounding to groups may cost, products in double precision, rows by number.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include "../../test/check.h"

namespace {
using namespace ha;

struct Weight {
  std::vector<int8_t> q;
  Floats scales;
  double at(int64_t i) const { return static_cast<double>(q[i]) * scales[i / kGroup]; }
};

/// Any whole numbers of 8 bits, −128 included, which files may hold.
Weight randomWeight(Check& check, int64_t count) {
  Weight w{std::vector<int8_t>(count), check.uniform(count / kGroup, 1e-3f, 2e-2f)};
  for (auto& q : w.q) q = static_cast<int8_t>(check.random() % 256);
  return w;
}

void testProduct(Check& check, int64_t m, int64_t n, int64_t k) {
  const Weight w = randomWeight(check, n * k);
  const Floats a = check.normal(m * k), bias = check.normal(n);
  for (bool withBias : {false, true}) {
    check.label = std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k) + (withBias ? " with bias" : "");
    Floats c(m * n + 16, 7), again = c, alone = c;
    const auto run = [&](Context& context, Floats& to) {
      check.op.matmulInt8(context, {m, n, k, a.data(), w.q.data(), w.scales.data(), withBias ? bias.data() : nullptr, to.data()});
    };
    run(check.context, c), run(check.context, again), run(*check.alone, alone);
    check.equal("twice", again, c);
    check.equal("on one thread", alone, c);
    check.equal("behind", Floats(c.begin() + m * n, c.end()), Floats(16, 7));
    Doubles want(m * n);
    for (int64_t i = 0; i < m; i++)
      for (int64_t j = 0; j < n; j++) {
        double total = withBias ? bias[j] : 0;
        for (int64_t p = 0; p < k; p++) total += a[i * k + p] * w.at(j * k + p);
        want[i * n + j] = total;
      }
    c.resize(m * n);
    check.close("c", c, want, 3e-6, 1);
  }
}

TEST(matmulInt8Shapes) {
  const int64_t rows[] = {1, 2, 3, 4, 5, 7, 8, 9, 12, 17}, columns[] = {1, 2, 3, 4, 5, 6, 7, 8, 33, 64}, groups[] = {1, 2, 3, 15, 16, 17, 24};
  const auto any = [&](const auto& list) { return list[check.random() % (sizeof list / sizeof *list)]; };
  for (int i = 0; i < 30; i++) testProduct(check, any(rows), any(columns), kGroup * any(groups));
  testProduct(check, 3, 4, 0);
  testProduct(check, 0, 4, 32);
  testProduct(check, 1, 700, 768);
  testProduct(check, 20, 300, 512);
  testProduct(check, 70, 40, 64);
}

TEST(matmulInt8SomeRows) {
  const int64_t rows = 21, k = 96, first = 5, n = 13;
  for (int64_t m : {1, 11, 70})
    for (bool rounded : {false, true}) {
      const Weight w = randomWeight(check, rows * k);
      const Floats a = check.normal(m * k), bias = check.normal(n);
      Floats want(m * n), some(m * n);
      MatmulInt8 o{m, n, k, a.data(), w.q.data() + first * k, w.scales.data() + first * (k / kGroup), bias.data(), want.data()};
      o.rounded = rounded;
      check.op.matmulInt8(check.context, o);
      o.q = w.q.data(), o.scales = w.scales.data(), o.c = some.data(), o.firstRow = first;
      check.op.matmulInt8(check.context, o);
      check.equal("rows from the sixth on", some, want);
    }
}

TEST(matmulInt8RowsAreTheSameAlone) {
  if (!std::strcmp(check.op.name, "gpu")) return;  // many rows are a product of the card's library there
  const int64_t n = 37, k = 160;
  for (int64_t m : {7, 13}) {  // with few rows to the last bit; with many the sums have another order
    const Weight w = randomWeight(check, n * k);
    const Floats a = check.normal(m * k);
    Floats all(m * n), one(n);
    check.op.matmulInt8(check.context, {m, n, k, a.data(), w.q.data(), w.scales.data(), nullptr, all.data()});
    for (int64_t i = 0; i < m; i++) {
      check.op.matmulInt8(check.context, {1, n, k, a.data() + i * k, w.q.data(), w.scales.data(), nullptr, one.data()});
      const Floats row(all.begin() + i * n, all.begin() + (i + 1) * n);
      if (m <= 8) check.equal("a row", one, row);
      else check.close("a row", one, Doubles(row.begin(), row.end()), 3e-6, 1);
    }
  }
}

TEST(matmulInt8Of16Bits) {
  const int64_t m = 5, n = 12, k = 64;
  const Weight w = randomWeight(check, n * k);
  const Floats a = check.normal(m * k);
  std::vector<uint16_t> narrow(m * k), result(m * n);
  Floats rounded(m * k), want(m * n), got(m * n);
  check.op.cast(check.context, {m * k, a.data(), {narrow.data(), DType::bf16}});
  check.op.cast(check.context, {m * k, {narrow.data(), DType::bf16}, rounded.data()});
  check.op.matmulInt8(check.context, {m, n, k, rounded.data(), w.q.data(), w.scales.data(), nullptr, want.data()});
  check.op.matmulInt8(check.context, {m, n, k, {narrow.data(), DType::bf16}, w.q.data(), w.scales.data(), nullptr, {result.data(), DType::bf16}});
  check.op.cast(check.context, {m * n, {result.data(), DType::bf16}, got.data()});
  check.close("c", got, Doubles(want.begin(), want.end()), 5e-3);
}

/// c = Σ over groups scaleA·scaleW·(Σ qA·qW) + bias in double precision, a rounded by the op that rounds weights.
Doubles roundedProduct(Check& check, int64_t m, int64_t n, int64_t k, const Floats& a, const Weight& w, const Floats& bias) {
  Weight rounded{std::vector<int8_t>(m * k), Floats(m * k / kGroup)};
  check.op.quantizeInt8(check.context, {m * k, a.data(), rounded.q.data(), rounded.scales.data()});
  Doubles c(m * n);
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = 0; j < n; j++) {
      double total = bias[j];
      for (int64_t group = 0; group < k / kGroup; group++) {
        int64_t whole = 0;
        for (int64_t p = group * kGroup; p < (group + 1) * kGroup; p++) whole += int64_t{rounded.q[i * k + p]} * w.q[j * k + p];
        total += double{rounded.scales[i * (k / kGroup) + group]} * w.scales[j * (k / kGroup) + group] * static_cast<double>(whole);
      }
      c[i * n + j] = total;
    }
  return c;
}

void testRounded(Check& check, int64_t m, int64_t n, int64_t k) {
  const Weight w = randomWeight(check, n * k);
  Floats a = check.normal(m * k);
  for (int64_t p = 0; m > 1 && p < k; p++) a[k + p] = 0;              // a row of zeros
  for (int64_t p = 0; p < kGroup && p < m * k; p++) a[p] *= 1e-39f;  // a group too small for a scale
  const Floats none(n), bias = check.normal(n);
  for (bool withBias : {false, true}) {
    check.label = std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k) + (withBias ? " with bias" : "");
    Floats c(m * n + 16, 7), again = c, alone = c;
    const auto run = [&](Context& context, Floats& to) {
      check.op.matmulInt8(context, {m, n, k, a.data(), w.q.data(), w.scales.data(), withBias ? bias.data() : nullptr, to.data(), true});
    };
    run(check.context, c), run(check.context, again), run(*check.alone, alone);
    check.equal("twice", again, c);
    check.equal("on one thread", alone, c);
    check.equal("behind", Floats(c.begin() + m * n, c.end()), Floats(16, 7));
    c.resize(m * n);
    check.close("c", c, roundedProduct(check, m, n, k, a, w, withBias ? bias : none), 3e-6, 1);
  }
}

TEST(matmulInt8Rounded) {
  const int64_t rows[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 17, 31}, columns[] = {1, 2, 3, 5, 8, 15, 16, 33, 48, 65}, groups[] = {1, 2, 3, 15, 16, 17, 24, 25};
  const auto any = [&](const auto& list) { return list[check.random() % (sizeof list / sizeof *list)]; };
  for (int i = 0; i < (check.played ? 10 : 40); i++) testRounded(check, any(rows), any(columns), kGroup * any(groups));
  testRounded(check, 3, 4, 0);
  testRounded(check, 12, 4, 0);
  testRounded(check, 0, 4, 32);
  testRounded(check, 1, 700, 768);
  testRounded(check, 20, 300, 512);
  testRounded(check, 140, 150, 96);
}

TEST(matmulInt8RoundedExtremes) {  // the largest sums of whole numbers, of either sign
  for (int64_t m : {1, 4, 9})
    for (int sign : {-1, 1}) {
      const int64_t n = 20, k = 96;
      const Weight w{std::vector<int8_t>(n * k, sign < 0 ? -128 : 127), Floats(n * k / kGroup, 0.5f)};
      Floats c(m * n);
      check.op.matmulInt8(check.context, {m, n, k, Floats(m * k, -3).data(), w.q.data(), w.scales.data(), nullptr, c.data(), true});
      check.close("c", c, Doubles(m * n, (sign < 0 ? 64 : -63.5) * 3 * k), 1e-6);
    }
}

TEST(matmulInt8RoundedNaN) {  // where they are, and nowhere else
  for (int64_t m : {2, 5, 11})
    for (float bad : {NAN, INFINITY, -INFINITY}) {
      const int64_t n = 19, k = 160;
      const Weight w = randomWeight(check, n * k);
      Floats a = check.normal(m * k), c(m * n);
      a[k + 100] = bad;
      check.op.matmulInt8(check.context, {m, n, k, a.data(), w.q.data(), w.scales.data(), nullptr, c.data(), true});
      bool holds = true;
      for (int64_t i = 0; i < m * n; i++) holds &= std::isnan(c[i]) == (i / n == 1);
      check.that("a row of NaN", holds);
    }
}

TEST(matmulInt8RoundedOf16Bits) {
  for (int64_t m : {2, 10}) {
    const int64_t n = 12, k = 64;
    const Weight w = randomWeight(check, n * k);
    const Floats a = check.normal(m * k), bias = check.normal(n);
    std::vector<uint16_t> narrow(m * k), result(m * n);
    Floats wide(m * k), got(m * n);
    check.op.cast(check.context, {m * k, a.data(), {narrow.data(), DType::bf16}});
    check.op.cast(check.context, {m * k, {narrow.data(), DType::bf16}, wide.data()});
    check.op.matmulInt8(check.context, {m, n, k, {narrow.data(), DType::bf16}, w.q.data(), w.scales.data(), bias.data(), {result.data(), DType::bf16}, true});
    check.op.cast(check.context, {m * n, {result.data(), DType::bf16}, got.data()});
    check.close("c", got, roundedProduct(check, m, n, k, wide, w, bias), 5e-3);
  }
}

TEST(quantizeInt8Rounding) {
  const int64_t groups = 500, count = groups * kGroup;
  Floats x = check.normal(count);
  for (int64_t group = 0; group < groups; group++) {
    const float scale = std::pow(10.f, static_cast<float>(group % 70) - 35);  // from below the normal numbers to near the largest
    for (int64_t i = 0; i < kGroup; i++) x[group * kGroup + i] *= scale;
  }
  Weight w{std::vector<int8_t>(count), Floats(groups)}, again = w;
  check.op.quantizeInt8(check.context, {count, x.data(), w.q.data(), w.scales.data()});
  check.op.quantizeInt8(*check.alone, {count, x.data(), again.q.data(), again.scales.data()});
  check.that("the same on one thread", again.q == w.q);
  check.equal("the same on one thread", again.scales, w.scales);
  for (int64_t group = 0; group < groups; group++) {
    check.label = "group " + std::to_string(group);
    float most = 0;
    int largest = 0;
    double error = 0;
    for (int64_t i = group * kGroup; i < (group + 1) * kGroup; i++) {
      most = std::fmax(most, std::fabs(x[i]));
      largest = std::max(largest, std::abs(int{w.q[i]}));
      error = std::fmax(error, std::fabs(x[i] - w.at(i)));
    }
    const float scale = w.scales[group];
    if (most / 127 < std::numeric_limits<float>::min()) {
      check.that("too small for a scale: zeros", scale == 0 && largest == 0);
      continue;
    }
    check.that("the scale", scale == most / 127);
    check.that("the largest is 127", largest == 127);
    check.that("half a scale at most", error <= scale * (0.5 + 1e-5));
  }
}

TEST(quantizeInt8Edges) {
  Floats x(5 * kGroup);
  const float halves[] = {127, 0.5f, -0.5f, 1.5f, -2.5f, 0.49999997f, 126.5f};
  std::copy(std::begin(halves), std::end(halves), x.begin());                                       // scale 1: halves go away from zero
  x[kGroup + 3] = NAN, x[kGroup + 4] = 1;
  x[2 * kGroup] = 2, x[2 * kGroup + 1] = -INFINITY;
  x[4 * kGroup] = -3.4e38f;
  Weight w{std::vector<int8_t>(x.size(), 9), Floats(5, 9)};
  check.op.quantizeInt8(check.context, {static_cast<int64_t>(x.size()), x.data(), w.q.data(), w.scales.data()});
  const int8_t want[] = {127, 1, -1, 2, -3, 0, 127};
  check.that("halves go away from zero", std::equal(std::begin(want), std::end(want), w.q.begin()) && w.scales[0] == 1);
  check.that("NaN stays", std::isnan(w.scales[1]) && std::isnan(w.scales[2]));
  check.that("zeros", w.scales[3] == 0 && std::all_of(w.q.begin() + 3 * kGroup, w.q.begin() + 4 * kGroup, [](int8_t q) { return q == 0; }));
  check.that("the largest numbers", std::isfinite(w.scales[4]) && w.q[4 * kGroup] == -127);
}

TEST(embeddingInt8Rows) {
  for (int64_t width : {32, 96, 256}) {
    check.label = std::to_string(width);
    const int64_t vocabulary = 11, count = 40;
    const Weight w = randomWeight(check, vocabulary * width);
    std::vector<int32_t> ids(count);
    for (auto& id : ids) id = static_cast<int32_t>(check.random() % vocabulary);
    Floats y(count * width), all(vocabulary * width), wantRows(count * width), wantAll(vocabulary * width);
    for (size_t i = 0; i < wantAll.size(); i++) wantAll[i] = static_cast<float>(w.q[i]) * w.scales[i / kGroup];
    for (int64_t i = 0; i < count * width; i++) wantRows[i] = wantAll[ids[i / width] * width + i % width];
    check.op.embeddingInt8(check.context, {count, vocabulary, width, ids.data(), w.q.data(), w.scales.data(), y.data()});
    check.op.embeddingInt8(check.context, {vocabulary, vocabulary, width, nullptr, w.q.data(), w.scales.data(), all.data()});
    check.equal("rows", y, wantRows);
    check.equal("all of it", all, wantAll);
    for (int32_t wrong : {-1, 11}) {
      ids[7] = wrong;
      std::string message;
      try {
        check.op.embeddingInt8(check.context, {count, vocabulary, width, ids.data(), w.q.data(), w.scales.data(), y.data()});
      } catch (const std::runtime_error& error) {
        message = error.what();
      }
      check.that("the id, its place and the vocabulary", message == "embedding: id " + std::to_string(wrong) + " at position 7 is not in 0…10, the vocabulary is 11");
    }
  }
}

}  // namespace
