// Cross-entropy and its gradient against double precision, ignored rows, large logits and wrong labels.
#include <cmath>
#include <stdexcept>
#include "../../test/check.h"

namespace {
using namespace ha;

double lossOf(const Doubles& logits, int32_t label) {
  double most = -INFINITY, total = 0;
  for (double x : logits) most = std::fmax(most, x);
  for (double x : logits) total += std::exp(x - most);
  return most + std::log(total) - (label < 0 ? 0 : logits[label]);
}

void testShape(Check& check, int64_t rows, int64_t vocabulary, float scale) {
  check.label = std::to_string(rows) + "x" + std::to_string(vocabulary) + " of size " + std::to_string(scale);
  const Floats logits = check.normal(rows * vocabulary, scale), dloss = check.normal(rows);
  std::vector<int32_t> labels(rows);
  for (auto& label : labels) label = check.random() % 5 ? (int32_t)(check.random() % vocabulary) : -100;
  Floats loss(rows, 9), lossOnly(rows, 9), total(rows), dlogits(rows * vocabulary, 9);
  check.op.crossEntropy(check.context, {rows, vocabulary, logits.data(), labels.data(), loss.data(), total.data()});
  check.op.crossEntropy(check.context, {rows, vocabulary, logits.data(), labels.data(), lossOnly.data(), nullptr});
  check.op.crossEntropyBackward(check.context, {rows, vocabulary, logits.data(), total.data(), dloss.data(), labels.data(), dlogits.data()});
  check.equal("without logSumExp", lossOnly, loss);
  Doubles wantLoss(rows), wantTotal(rows), wantGradient(rows * vocabulary);
  for (int64_t r = 0; r < rows; r++) {
    Doubles row(logits.begin() + r * vocabulary, logits.begin() + (r + 1) * vocabulary);
    wantTotal[r] = lossOf(row, -1);
    wantLoss[r] = labels[r] < 0 ? 0 : lossOf(row, labels[r]);
    if (labels[r] < 0) continue;
    for (int64_t v = 0; v < vocabulary; v++) {
      double& gradient = wantGradient[r * vocabulary + v];
      gradient = dloss[r] * (std::exp(row[v] - wantTotal[r]) - (v == labels[r]));
      if (rows == 5 && vocabulary == 17) {
        const double step = 1e-6;
        Doubles up = row, down = row;
        up[v] += step, down[v] -= step;
        const double slope = dloss[r] * (lossOf(up, labels[r]) - lossOf(down, labels[r])) / (2 * step);
        check.that("the derivative", std::fabs(slope - gradient) < 1e-6 * (1 + scale));
      }
    }
  }
  check.close("loss", loss, wantLoss, 2e-6);
  check.close("logSumExp", total, wantTotal, 1e-6);
  check.close("dlogits", dlogits, wantGradient, 2e-6 * std::fmax(1, scale));
}

TEST(crossEntropyShapes) {
  for (float scale : {1.0f, 30.0f}) {
    for (int64_t vocabulary : {1, 3, 17, 33, 100}) testShape(check, 5, vocabulary, scale);
    testShape(check, 1, 50280, scale);
    testShape(check, check.played ? 20 : 300, 1003, scale);
    testShape(check, 0, 10, scale);
  }
}

TEST(crossEntropyExtremes) {
  const Floats logits = {-1000, -1001, -1003, 0, -INFINITY, 5, 3, NAN, 1}, dloss(3, 1);
  const std::vector<int32_t> labels = {1, 2, 0};
  Floats loss(3), total(3), dlogits(9);
  check.op.crossEntropy(check.context, {3, 3, logits.data(), labels.data(), loss.data(), total.data()});
  check.op.crossEntropyBackward(check.context, {3, 3, logits.data(), total.data(), dloss.data(), labels.data(), dlogits.data()});
  check.that("far below zero", std::fabs(loss[0] - (1 + std::log(1 + std::exp(-1.) + std::exp(-3.)))) < 1e-4);
  check.that("a masked logit", std::fabs(loss[1] - std::log1p(std::exp(-5.))) < 1e-6 && dlogits[4] == 0);
  check.that("NaN stays", std::isnan(loss[2]) && std::isnan(dlogits[6]) && std::isnan(dlogits[7]));
}

TEST(crossEntropyRange) {
  const Floats logits(9), total(3), dloss(3);
  Floats loss(3), dlogits(9);
  const int32_t labels[] = {0, 3, 4};
  const auto refused = [&](const std::function<void()>& call) {
    try {
      call();
    } catch (const std::runtime_error& error) {
      return std::string(error.what()) == "crossEntropy: label 3 at row 1 is not below the vocabulary 3";
    }
    return false;
  };
  check.that("message", refused([&] { check.op.crossEntropy(check.context, {3, 3, logits.data(), labels, loss.data(), nullptr}); }));
  check.that("message of the backward",
             refused([&] { check.op.crossEntropyBackward(check.context, {3, 3, logits.data(), total.data(), dloss.data(), labels, dlogits.data()}); }));
}

}  // namespace
