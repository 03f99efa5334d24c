// The matrix product against a plain loop in double precision, all ways the factors can lie.
#include <algorithm>
#include <cmath>
#include <cstring>
#include "../../test/check.h"

namespace {
using namespace ha;

Floats transposed(const Floats& x, int64_t rows, int64_t columns) {
  Floats y(x.size());
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < columns; c++) y[c * rows + r] = x[r * columns + c];
  return y;
}

void testShape(Check& check, int64_t m, int64_t n, int64_t k) {
  const Floats a = check.normal(m * k), b = check.normal(k * n), bias = check.normal(n), start = check.normal(m * n);
  const Floats aTurned = transposed(a, m, k), bTurned = transposed(b, k, n);
  Doubles product(m * n);
  for (int64_t i = 0; i < m; i++)
    for (int64_t p = 0; p < k; p++)
      for (int64_t j = 0; j < n; j++) product[i * n + j] += (double)a[i * k + p] * b[p * n + j];
  for (int options = 0; options < 16; options++) {
    const bool transposeA = options & 1, transposeB = options & 2, accumulate = options & 4, withBias = options & 8;
    check.label = std::to_string(m) + "x" + std::to_string(k) + "x" + std::to_string(n) + (transposeA ? " aT" : "") +
                  (transposeB ? " bT" : "") + (accumulate ? " accumulate" : "") + (withBias ? " bias" : "");
    Doubles want = product;
    for (int64_t i = 0; i < m * n; i++) want[i] += (accumulate ? start[i] : 0) + (withBias ? bias[i % n] : 0);
    // what lies behind the result must stay as it is
    Floats c = start, again;
    c.resize(m * n + 16, 7);
    again = c;
    for (Floats* result : {&c, &again}) {
      if (check.played && result == &again) continue;
      check.op.matmul(check.context, {m, n, k, transposeA, transposeB, accumulate, (transposeA ? aTurned : a).data(),
                                      (transposeB ? bTurned : b).data(), withBias ? bias.data() : nullptr, result->data()});
    }
    if (!check.played) check.equal("twice", again, c);
    check.equal("behind", Floats(c.begin() + m * n, c.end()), Floats(16, 7));
    check.close("c", Floats(c.begin(), c.begin() + m * n), want, 3e-6, 1);
  }
}

TEST(matmulShapes) {
  const int64_t sizes[] = {1, 2, 3, 5, 6, 8, 13, 16, 17, 33, 63, 64, 65, 100};
  for (int i = 0; i < (check.played ? 20 : 40); i++) {
    const auto any = [&] { return sizes[check.random() % (sizeof sizes / sizeof *sizes)]; };
    const int64_t m = any(), n = any(), k = any();
    testShape(check, m, n, k);
  }
  testShape(check, 4, 9, 0);
  testShape(check, 1, 50, 777);
  testShape(check, 50, 1, 777);
  testShape(check, 8, 200, 385);
}

TEST(matmulBlocks) {
  if (check.played) return testShape(check, 133, 130, 70);  // tiles of 64×64, whole and cut
  testShape(check, 151, 130, 801);  // several row blocks and slabs of the inner axis
  testShape(check, 47, 4180, 20);   // several strips of columns
  testShape(check, 4120, 19, 35);   // and of rows
}

TEST(matmulNaN) {
  const int64_t m = 40, n = 50, k = 60;
  for (int options = 0; options < 4; options++) {
    Floats a = check.normal(m * k), b = check.normal(k * n), c(m * n);
    a[7] = NAN;
    check.op.matmul(check.context, {m, n, k, bool(options & 1), bool(options & 2), false, a.data(), b.data(), nullptr, c.data()});
    int64_t count = 0;
    for (float x : c) count += std::isnan(x);
    check.that("one row is NaN", count == n);
  }
}

TEST(matmulOf16Bits) {
  // a weight in bf16 gives what its numbers in f32 give
  const struct { int64_t m, n, k; } shapes[] = {{1, 5, 8}, {1, 130, 300}, {3, 70, 129}, {8, 40, 64}, {9, 40, 100}, {1, 1, 9}, {5, 3, 200}, {1, 20, 63}, {40, 300, check.played ? 200 : 801}, {check.played ? 130 : 900, 70, 40}};
  for (auto [m, n, k] : shapes)
    for (DType dtype : {DType::bf16, DType::f16}) {
      check.label = std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k) + " " + nameOf(dtype);
      const Floats a = check.normal(m * k), weight = check.normal(n * k), bias = check.normal(n);
      std::vector<uint16_t> narrow(static_cast<size_t>(n * k)), result(static_cast<size_t>(m * n));
      Floats wide(n * k), c(m * n), want(m * n), read(m * n);
      check.op.cast(check.context, {n * k, weight.data(), {narrow.data(), dtype}});
      check.op.cast(check.context, {n * k, {narrow.data(), dtype}, wide.data()});
      check.op.matmul(check.context, {m, n, k, false, true, false, a.data(), {narrow.data(), dtype}, bias.data(), c.data()});
      check.op.matmul(check.context, {m, n, k, false, true, false, a.data(), wide.data(), bias.data(), want.data()});
      check.close("c", c, Doubles(want.begin(), want.end()), 2e-6);
      check.op.matmul(check.context, {m, n, k, false, true, false, a.data(), {narrow.data(), dtype}, bias.data(), {result.data(), dtype}});
      check.op.cast(check.context, {m * n, {result.data(), dtype}, read.data()});
      check.close("c in 16 bits", read, Doubles(want.begin(), want.end()), dtype == DType::bf16 ? 5e-3 : 6e-4);
    }
}

TEST(matmulOffsets) {
  // some rows of a weight, and of its gradient, give what they give in memory of their own
  const struct { int64_t m, n, k; } shapes[] = {{1, 6, 40}, {5, 20, 24}, {37, 33, 19}, {check.played ? 20 : 300, 70, 96}};
  for (auto [m, n, k] : shapes)
    for (DType dtype : {DType::f32, DType::bf16}) {
      check.label = std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k) + " " + nameOf(dtype);
      const int64_t before = 3 * k, after = 2 * k, bytes = bytesOf(dtype);
      std::vector<char> a(m * k * bytes), weight((before + n * k + after) * bytes), own(n * k * bytes), dy(m * n * bytes);
      std::vector<char> gradient(weight.size(), 7), ownGradient(own.size()), y(m * n * bytes), ownY(y.size());
      const auto fill = [&](std::vector<char>& x) {
        const int64_t count = (int64_t)x.size() / bytes;
        const Floats numbers = check.normal(count);
        check.op.cast(check.context, {count, numbers.data(), {x.data(), dtype}});
      };
      fill(a), fill(weight), fill(dy);
      own.assign(weight.begin() + before * bytes, weight.begin() + (before + n * k) * bytes);
      const auto in = [&](const std::vector<char>& x) { return In(x.data(), dtype); };
      const auto out = [&](std::vector<char>& x) { return Out(x.data(), dtype); };
      check.op.matmul(check.context, {m, n, k, false, true, false, in(a), in(weight), {}, out(y), before, 0});
      check.op.matmul(check.context, {m, n, k, false, true, false, in(a), in(own), {}, out(ownY)});
      check.that("y", y == ownY);
      const std::vector<char> untouched = gradient;
      check.op.matmul(check.context, {n, k, m, true, false, false, in(dy), in(a), {}, out(gradient), 0, before});
      check.op.matmul(check.context, {n, k, m, true, false, false, in(dy), in(a), {}, out(ownGradient)});
      check.that("the gradient", std::vector<char>(gradient.begin() + before * bytes, gradient.begin() + (before + n * k) * bytes) == ownGradient);
      if (check.played) continue;  // memory of its own is copied there, and what is not written comes back as it was on the card
      check.that("what lies before", std::equal(gradient.begin(), gradient.begin() + before * bytes, untouched.begin()));
      check.that("what lies behind", std::equal(gradient.begin() + (before + n * k) * bytes, gradient.end(), untouched.begin() + (before + n * k) * bytes));
    }
}

/// Both factors in 16 bits, all ways they can lie, against the product of their rounded numbers in double precision.
TEST(matmulBothOf16Bits) {
  const struct { int64_t m, n, k; } shapes[] = {{130, 70, 48}, {20, 133, 50}, {9, 5, 7}, {4, 40, 96}, {1, 3, 33}};
  for (auto [m, n, k] : shapes)
    for (int options = 0; options < 16; options++) {
      const bool transposeA = options & 1, transposeB = options & 2, accumulate = options & 4;
      const DType dtype = options & 8 ? DType::f16 : DType::bf16;
      check.label = std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k) + (transposeA ? " aT" : "") + (transposeB ? " bT" : "") +
                    (accumulate ? " accumulate" : "") + " " + nameOf(dtype);
      Floats a = check.normal(m * k), b = check.normal(n * k), bias = check.normal(n), c = check.normal(m * n);
      std::vector<uint16_t> narrowA(a.size()), narrowB(b.size()), narrowC(c.size());
      const auto rounded = [&](Floats& x, std::vector<uint16_t>& bits) {
        const int64_t count = static_cast<int64_t>(x.size());
        check.op.cast(check.context, {count, x.data(), {bits.data(), dtype}});
        check.op.cast(check.context, {count, {bits.data(), dtype}, x.data()});
      };
      rounded(a, narrowA), rounded(b, narrowB), rounded(c, narrowC);
      Doubles want(m * n);
      for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
          double total = bias[j] + (accumulate ? c[i * n + j] : 0);
          for (int64_t p = 0; p < k; p++) total += static_cast<double>(a[transposeA ? p * m + i : i * k + p]) * b[transposeB ? j * k + p : p * n + j];
          want[i * n + j] = total;
        }
      const In left(narrowA.data(), dtype), right(narrowB.data(), dtype);
      check.op.matmul(check.context, {m, n, k, transposeA, transposeB, accumulate, left, right, bias.data(), {narrowC.data(), dtype}});
      check.op.matmul(check.context, {m, n, k, transposeA, transposeB, accumulate, left, right, bias.data(), c.data()});
      check.close("c", c, want, 2e-6);
      check.op.cast(check.context, {m * n, {narrowC.data(), dtype}, c.data()});
      check.close("c in 16 bits", c, want, dtype == DType::bf16 ? 5e-3 : 6e-4);
    }
}

}  // namespace
