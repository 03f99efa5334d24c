// Against α by its definition, in double precision.
#include <array>
#include <cmath>
#include "../../test/check.h"

namespace ha {
namespace {

struct Case {
  int64_t batch, length, channels, state, groups;
  Floats delta, A, B, C;
  Case(Check& check, int64_t b, int64_t l, int64_t d, int64_t n, int64_t g, float largestStep, float strongestRate)
      : batch(b), length(l), channels(d), state(n), groups(g), delta(check.uniform(b * l * d, 0.001f, largestStep)),
        A(check.uniform(d * n, -strongestRate, -0.1f)), B(check.normal(b * l * g * n)), C(check.normal(b * l * g * n)) {}
  template <class Arguments> void give(Arguments& a) const {
    a.batch = batch, a.length = length, a.channels = channels, a.state = state, a.groups = groups;
    a.delta = delta.data(), a.A = A.data(), a.B = B.data(), a.C = C.data();
  }
  /// α[i,j] of channel d in batch row b
  double alpha(int64_t b, int64_t d, int64_t i, int64_t j) const {
    if (j > i) return 0;
    double sum = 0, total = 0;
    for (int64_t k = j + 1; k <= i; k++) sum += delta[(b * length + k) * channels + d];
    const int64_t g = d * groups / channels;
    for (int64_t n = 0; n < state; n++)
      total += C[((b * length + i) * groups + g) * state + n] * std::exp(A[d * state + n] * sum) * B[((b * length + j) * groups + g) * state + n];
    return total * delta[(b * length + j) * channels + d];
  }
};

void compare(Check& check, const Case& c, int64_t rowStart, int64_t rows) {
  check.label = "b" + std::to_string(c.batch) + " l" + std::to_string(c.length) + " d" + std::to_string(c.channels) + " n" + std::to_string(c.state) + " g" +
                std::to_string(c.groups) + " rows " + std::to_string(rowStart) + "+" + std::to_string(rows);
  std::vector<int32_t> selection;
  for (int64_t d = c.channels - 1; d >= 0; d -= 2) selection.push_back(static_cast<int32_t>(d));
  const int64_t selected = static_cast<int64_t>(selection.size());
  Doubles each(c.batch * selected * rows * c.length), mean(c.batch * rows * c.length), absolute = mean, positive = mean;
  for (int64_t b = 0; b < c.batch; b++)
    for (int64_t r = 0; r < rows; r++)
      for (int64_t j = 0; j < c.length; j++)
        for (int64_t d = 0; d < c.channels; d++) {
          const double alpha = c.alpha(b, d, rowStart + r, j);
          const int64_t at = (b * rows + r) * c.length + j;
          mean[at] += alpha / c.channels, absolute[at] += std::fabs(alpha) / c.channels, positive[at] += std::fmax(alpha, 0) / c.channels;
          for (int64_t k = 0; k < selected; k++)
            if (selection[k] == d) each[((b * selected + k) * rows + r) * c.length + j] = alpha;
        }

  AttentionMatrix matrix{};
  c.give(matrix);
  Floats out(each.size(), NAN);
  matrix.selected = selected, matrix.selection = selection.data(), matrix.rowStart = rowStart, matrix.rows = rows, matrix.out = out.data();
  check.op.attentionMatrix(check.context, matrix);
  check.close("channels", out, each, 2e-5);

  const Doubles* wanted[] = {&mean, &absolute, &positive};
  const char* names[] = {"mean", "mean of |α|", "mean of max(α, 0)"};
  for (int32_t reduce = 0; reduce < 3; reduce++) {
    AttentionMatrixReduced reduced{};
    c.give(reduced);
    Floats first(mean.size(), NAN), second = first;
    reduced.reduce = reduce, reduced.rowStart = rowStart, reduced.rows = rows, reduced.out = first.data();
    check.op.attentionMatrixReduced(check.context, reduced);
    check.close(names[reduce], first, *wanted[reduce], 2e-5);
    reduced.out = second.data();
    check.op.attentionMatrixReduced(check.context, reduced);
    check.equal("the same bits twice", second, first);
  }
}

}  // namespace

TEST(attentionMatrixOfAnyShape) {
  for (auto [b, l, d, n, g] : std::vector<std::array<int64_t, 5>>{{1, 1, 1, 1, 1}, {2, 5, 3, 7, 1}, {1, 70, 17, 16, 1}, {2, 33, 8, 3, 2}, {1, 130, 33, 16, 3}, {1, 64, 4, 17, 1}, {1, 300, 2, 8, 1}})
    compare(check, Case(check, b, l, d, n, g, 0.1f, 4), 0, l);
}

TEST(attentionMatrixOfSomeRows) {
  const Case c(check, 2, 150, 5, 16, 1, 0.1f, 4);
  for (auto [start, rows] : std::vector<std::array<int64_t, 2>>{{0, 1}, {1, 3}, {63, 2}, {64, 64}, {100, 50}, {149, 1}}) compare(check, c, start, rows);
}

TEST(attentionMatrixOfStrongDecay) {
  compare(check, Case(check, 1, 200, 6, 16, 1, 3, 16), 0, 200);
  compare(check, Case(check, 1, 700, 2, 4, 1, 0.01f, 16), 640, 60);
}

}  // namespace ha
