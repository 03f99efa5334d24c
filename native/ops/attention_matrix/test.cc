// α against its definition in double precision: every entry by its own sum over positions and states.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include "../../test/check.h"

namespace {
using namespace ha;
using Reduced = AttentionMatrixReduced;

struct Dynamics {
  int64_t batch, length, channels, state, groups;
  Floats delta, A, B, C, rowScale, columnScale;  // scales: none, or [b l d]
  Dynamics(Check& check, int64_t batch, int64_t length, int64_t channels, int64_t state, int64_t groups, float deltaLow, float deltaHigh)
      : batch(batch), length(length), channels(channels), state(state), groups(groups) {
    delta = check.uniform(batch * length * channels, deltaLow, deltaHigh);
    A = check.uniform(channels * state, -16, -0.01f);
    B = check.normal(batch * length * groups * state), C = check.normal(batch * length * groups * state);
    check.label = "b" + std::to_string(batch) + " l" + std::to_string(length) + " d" + std::to_string(channels) + " n" +
                  std::to_string(state) + " g" + std::to_string(groups);
  }
  /// Row i of one channel, all columns.
  Doubles row(int64_t b, int64_t d, int64_t i) const {
    Doubles alpha(length);
    const auto key = [&](int64_t position) { return ((b * length + position) * groups + d * groups / channels) * state; };
    double span = 0;  // Σ Δ over j+1…i
    for (int64_t j = i; j >= 0; j--) {
      const double dj = delta[(b * length + j) * channels + d];
      for (int64_t n = 0; n < state; n++) {
        const double exponent = span * A[d * state + n];
        if (exponent > -100) alpha[j] += C[key(i) + n] * std::exp(exponent) * dj * B[key(j) + n];
      }
      span += dj;
      if (!rowScale.empty()) alpha[j] *= rowScale[(b * length + i) * channels + d];
      if (!columnScale.empty()) alpha[j] *= columnScale[(b * length + j) * channels + d];
    }
    return alpha;
  }
};

Floats runMatrix(Check& check, const Dynamics& p, const std::vector<int32_t>& selection, int64_t rowStart, int64_t rows) {
  Floats out(p.batch * selection.size() * rows * p.length, NAN);
  check.op.attentionMatrix(check.context, {p.batch, p.length, p.channels, p.state, p.groups, (int64_t)selection.size(), rowStart, rows,
                                           p.delta.data(), p.A.data(), p.B.data(), p.C.data(), selection.data(), out.data()});
  return out;
}
const float* dataOf(const Floats& numbers) { return numbers.empty() ? nullptr : numbers.data(); }
Floats runReduced(Check& check, const Dynamics& p, int64_t rowStart, int64_t rows, int32_t reduce) {
  Floats out(p.batch * rows * p.length, NAN);
  check.op.attentionMatrixReduced(check.context, {p.batch, p.length, p.channels, p.state, p.groups, rowStart, rows, reduce, p.delta.data(),
                                                  p.A.data(), p.B.data(), p.C.data(), dataOf(p.rowScale), dataOf(p.columnScale), out.data()});
  return out;
}

/// Sampled rows of one matrix, one after another.
struct Compared {
  Floats got;
  Doubles want;
  void add(const Floats& all, int64_t row, const Doubles& wanted) {
    got.insert(got.end(), all.begin() + row * wanted.size(), all.begin() + (row + 1) * wanted.size());
    want.insert(want.end(), wanted.begin(), wanted.end());
  }
};

/// Compares both ops with the definition; of long matrices only every `step`-th row.
void compare(Check& check, const Dynamics& p, int64_t rowStart, int64_t rows, int64_t step = 1) {
  std::vector<int32_t> selection;
  for (int k = 0; k < 3; k++) selection.push_back((int32_t)(check.random() % p.channels));
  const Floats chosen = runMatrix(check, p, selection, rowStart, rows);
  Floats means[3];
  for (int32_t reduce = 0; reduce < 3; reduce++) means[reduce] = runReduced(check, p, rowStart, rows, reduce);
  check.label += " rows " + std::to_string(rowStart) + "+" + std::to_string(rows);

  Compared reduced[3];
  std::vector<Compared> matrices(p.batch * selection.size());
  for (int64_t b = 0; b < p.batch; b++)
    for (int64_t i = 0; i < rows; i += step) {
      Doubles want[3] = {Doubles(p.length), Doubles(p.length), Doubles(p.length)};
      for (int64_t d = 0; d < p.channels; d++) {
        const Doubles row = p.row(b, d, rowStart + i);
        for (int64_t j = 0; j < p.length; j++) {
          const double share = row[j] / p.channels;
          want[0][j] += share, want[1][j] += std::fabs(share), want[2][j] += std::fmax(share, 0);
        }
        for (size_t c = 0; c < selection.size(); c++)
          if (selection[c] == d) matrices[b * selection.size() + c].add(chosen, (b * selection.size() + c) * rows + i, row);
      }
      for (int k = 0; k < 3; k++) reduced[k].add(means[k], b * rows + i, want[k]);
      for (int64_t j = rowStart + i + 1; j < p.length; j++) check.that("zero above the diagonal", means[0][(b * rows + i) * p.length + j] == 0);
    }
  for (const Compared& matrix : matrices) check.close("matrix", matrix.got, matrix.want, 3e-6);
  const char* const names[] = {"mean", "mean of |α|", "mean of max(α, 0)"};
  for (int k = 0; k < 3; k++) check.close(names[k], reduced[k].got, reduced[k].want, 3e-6);
  if (check.played) return;
  check.equal("mean again", runReduced(check, p, rowStart, rows, Reduced::kMean), means[0]);
  check.equal("matrix again", runMatrix(check, p, selection, rowStart, rows), chosen);
}

TEST(attentionMatrix) {
  const int64_t shapes[][5] = {{1, 1, 1, 1, 1}, {2, 7, 3, 3, 1}, {1, 33, 17, 16, 1}, {1, 50, 33, 17, 3}, {2, 70, 5, 8, 5}, {1, 40, 100, 16, 4}, {1, 20, 3, 64, 7}};
  for (const auto& [batch, length, all, state, groups] : shapes)
    for (const auto& [low, high] : {std::pair{0.001f, 0.1f}, std::pair{0.01f, 3.0f}}) {
      const int64_t channels = check.played ? std::min<int64_t>(all, 11) : all;
      const Dynamics p(check, batch, length, channels, state, groups, low, high);
      compare(check, p, 0, length);
      const int64_t start = check.random() % length;
      compare(check, p, start, 1 + check.random() % (length - start));
    }
}

/// Rows and columns scaled in each channel, by numbers of either sign; one of the two, or both.
TEST(attentionMatrixScaled) {
  struct Scaled {
    int64_t length, channels, state, groups, rowStart, rows;
    bool sharedRate, byRow, byColumn;
  };
  for (const Scaled& s : {Scaled{33, 9, 16, 1, 0, 33, false, true, true}, Scaled{150, 5, 4, 5, 40, 90, false, true, true}, Scaled{140, 3, 3, 1, 0, 140, false, false, true},
                          Scaled{70, 18, 8, 2, 10, 60, true, true, true}, Scaled{150, 4, 5, 2, 0, 150, true, false, true}, Scaled{40, 7, 16, 1, 0, 40, true, true, false}}) {
    const int64_t length = check.played ? std::min<int64_t>(s.length, 70) : s.length, start = std::min(s.rowStart, length / 2);
    Dynamics p(check, 1 + s.channels % 2, length, s.channels, s.state, s.groups, 0.001f, 0.3f);
    for (size_t i = 0; s.sharedRate && i < p.A.size(); i++) p.A[i] = p.A[i / s.state * s.state];
    if (s.byRow) p.rowScale = check.normal(p.batch * length * s.channels);
    if (s.byColumn) p.columnScale = check.normal(p.batch * length * s.channels);
    const int64_t rows = std::min(s.rows, length - start);
    Floats means[3];
    for (int32_t reduce = 0; reduce < 3; reduce++) means[reduce] = runReduced(check, p, start, rows, reduce);
    check.label += s.sharedRate ? " one rate, scaled" : " scaled";
    Compared compared[3];
    for (int64_t b = 0; b < p.batch; b++)
      for (int64_t i = 0; i < rows; i += 3) {
        Doubles want[3] = {Doubles(length), Doubles(length), Doubles(length)};
        for (int64_t d = 0; d < s.channels; d++) {
          const Doubles row = p.row(b, d, start + i);
          for (int64_t j = 0; j < length; j++) {
            const double share = row[j] / s.channels;
            want[0][j] += share, want[1][j] += std::fabs(share), want[2][j] += std::fmax(share, 0);
          }
        }
        for (int k = 0; k < 3; k++) compared[k].add(means[k], b * rows + i, want[k]);
      }
    const char* const names[] = {"mean", "mean of |α|", "mean of max(α, 0)"};
    for (int k = 0; k < 3; k++) check.close(names[k], compared[k].got, compared[k].want, 3e-6);
  }
}

TEST(attentionMatrixLong) {
  const int64_t length = check.played ? 50 : 700;
  compare(check, Dynamics(check, 1, length, 20, 16, 1, 0.0005f, 0.01f), 0, length, 37);
  compare(check, Dynamics(check, 1, length, 18, 5, 2, 0.001f, 3), 0, length, 37);
  compare(check, Dynamics(check, 1, length, 20, 17, 1, 0.0001f, 0.01f), length * 10 / 21, length * 3 / 10, 37);
}

/// One decay for all states of a channel, as in Mamba-2: many channels, several groups, rows that begin inside a piece.
TEST(attentionMatrixSharedRate) {
  if (check.played) return;  // a GPU has no other way for it
  for (const auto& [length, channels, state, groups] :
       {std::array<int64_t, 4>{40, 3, 8, 1}, {150, 70, 3, 2}, {330, 6, 17, 1}, {300, 6, 40, 3}})
    for (const auto& [low, high] : {std::pair{0.0005f, 0.02f}, std::pair{0.01f, 3.0f}}) {
      Dynamics p(check, 1 + length % 3, length, channels, state, groups, low, high);
      for (size_t i = 0; i < p.A.size(); i++) p.A[i] = p.A[i / state * state];
      compare(check, p, 0, length, 29);
      compare(check, p, length / 3, length / 2, 23);
    }
}

/// Several tiles of positions, whole and cut, and rows that begin and end inside one; every state count has its own packing.
TEST(attentionMeanMatrixTiles) {
  for (const auto& [length, channels, state, groups, rowStart, rows] :
       {std::array<int64_t, 6>{300, 3, 16, 1, 0, 300}, {257, 5, 3, 2, 0, 257}, {256, 4, 10, 1, 100, 60}, {390, 2, 16, 2, 140, 250}, {131, 9, 4, 3, 130, 1}}) {
    const Dynamics p(check, 1 + length % 2, length, channels, state, groups, 0.0005f, length == 256 ? 2.f : 0.02f);
    check.label += " rows " + std::to_string(rowStart) + "+" + std::to_string(rows);
    const Floats mean = runReduced(check, p, rowStart, rows, Reduced::kMean);
    Compared compared;
    for (int64_t b = 0; b < p.batch; b++)
      for (int64_t i = 0; i < rows; i += rows > 20 ? 7 : 1) {
        Doubles want(length);
        for (int64_t d = 0; d < channels; d++) {
          const Doubles row = p.row(b, d, rowStart + i);
          for (int64_t j = 0; j < length; j++) want[j] += row[j] / channels;
        }
        compared.add(mean, b * rows + i, want);
      }
    check.close("mean", compared.got, compared.want, 3e-6);
    if (!check.played) check.equal("mean again", runReduced(check, p, rowStart, rows, Reduced::kMean), mean);
  }
}

/// Δ of 3 and A of −16: all but the diagonal and the entries beside it are 0, exactly, and nothing overflows on the way.
TEST(attentionMatrixDecaysToZero) {
  const int64_t length = check.played ? 60 : 300;
  Dynamics p(check, 1, length, 4, 16, 1, 3, 3);
  p.A.assign(p.A.size(), -16);
  const Floats mean = runReduced(check, p, 0, length, Reduced::kMean);
  for (int64_t i = 0; i < length; i++)
    for (int64_t j = 0; j < length; j++) {
      const float x = mean[i * length + j];
      check.that("zero away from the diagonal", j > i || j < i - 2 ? x == 0 : std::isfinite(x));
    }
}

}  // namespace
