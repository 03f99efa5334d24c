// Every function of one number and of two against <cmath>, on ordinary and on special numbers.
#include <cmath>
#include <limits>
#include "../../test/check.h"

namespace {
using namespace ha;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int kKinds = 13;
const char* const kNames[kKinds] = {"silu", "softplus", "sigmoid", "exp", "negExp", "positive", "abs", "affine", "square", "log", "gelu", "geluTanh", "normalDistribution"};
constexpr float kScale = 1.5f, kShift = -0.25f;

/// Whether the derivative goes through 0, where its terms cancel.
bool crosses(int kind) { return kind == UnaryKind::kSilu || kind == UnaryKind::kGelu || kind == UnaryKind::kGeluTanh; }

double function(int kind, double x) {
  switch (kind) {
    case UnaryKind::kSilu: return x / (1 + std::exp(-x));
    case UnaryKind::kSoftplus: return x > 20 ? x : std::log1p(std::exp(x));
    case UnaryKind::kSigmoid: return 1 / (1 + std::exp(-x));
    case UnaryKind::kExp: return std::exp(x);
    case UnaryKind::kNegExp: return -std::exp(x);
    case UnaryKind::kPositive: return x > 0 ? x : 0;
    case UnaryKind::kAbs: return std::fabs(x);
    case UnaryKind::kAffine: return kScale * x + kShift;
    case UnaryKind::kSquare: return x * x;
    case UnaryKind::kNormalDistribution: return 0.5 * std::erfc(-x / std::sqrt(2.0));
    case UnaryKind::kGelu: return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
    case UnaryKind::kGeluTanh: return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
    default: return std::log(x);
  }
}

double derivative(int kind, double x) {
  const double s = 1 / (1 + std::exp(-x));
  switch (kind) {
    case UnaryKind::kSilu: return s * (1 + x * (1 - s));
    case UnaryKind::kSoftplus: return x > 20 ? 1 : s;
    case UnaryKind::kSigmoid: return s * (1 - s);
    case UnaryKind::kExp: return std::exp(x);
    case UnaryKind::kNegExp: return -std::exp(x);
    case UnaryKind::kPositive: return x > 0;
    case UnaryKind::kAbs: return (x > 0) - (x < 0);
    case UnaryKind::kAffine: return kScale;
    case UnaryKind::kSquare: return 2 * x;
    case UnaryKind::kNormalDistribution: return std::exp(-x * x / 2) / std::sqrt(2 * std::acos(-1.0));
    case UnaryKind::kGelu: return 0.5 * std::erfc(-x / std::sqrt(2.0)) + x * std::exp(-x * x / 2) / std::sqrt(2 * std::acos(-1.0));
    case UnaryKind::kGeluTanh: {
      const double c = std::sqrt(2 / std::acos(-1.0)), t = std::tanh(c * (x + 0.044715 * x * x * x));
      return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x);
    }
    default: return 1 / x;
  }
}

TEST(unaryKinds) {
  for (int kind = 0; kind < kKinds; kind++)
    for (int64_t count : {0, 1, 3, 17, 100, 5000, kind == 0 ? 300001 : 4096}) {
      check.label = std::string(kNames[kind]) + " of " + std::to_string(count);
      const Floats x = kind == UnaryKind::kLog ? check.uniform(count, 1e-3f, 30) : check.normal(count, 4), dy = check.normal(count);
      Floats y(count), again = x, dx(count);
      check.op.unary(check.context, {count, kind, kScale, kShift, x.data(), y.data()});
      check.op.unary(check.context, {count, kind, kScale, kShift, again.data(), again.data()});
      check.op.unaryBackward(check.context, {count, kind, kScale, x.data(), dy.data(), dx.data()});
      check.equal("in place", again, y);
      Doubles ones(count, 1), dones(count, 1);
      Floats relative(count), dRelative(count);  // compared number by number, not to the largest, but where terms cancel
      for (int64_t i = 0; i < count; i++) {
        const double want = function(kind, x[i]), dWant = dy[i] * derivative(kind, x[i]);
        relative[i] = (float)(1 + (y[i] - want) / std::fmax(std::fabs(want), kind == UnaryKind::kAffine ? 1 : 1e-3));
        dRelative[i] = (float)(1 + (dx[i] - dWant) / std::fmax(std::fabs(dWant), crosses(kind) ? std::fabs(dy[i]) : 1e-3));
        const double step = 1e-6;
        if (i < 5 && std::fabs(x[i]) > 1e-3) {
          const double slope = (function(kind, x[i] + step) - function(kind, x[i] - step)) / (2 * step);
          check.that("derivative", std::fabs(slope - derivative(kind, x[i])) < 1e-4 * (1 + std::fabs(slope)));
        }
      }
      check.close("y", relative, ones, 3e-6);
      check.close("dx", dRelative, dones, 6e-6);
    }
}

TEST(unarySpecial) {
  for (int kind = 0; kind < kKinds; kind++) {
    check.label = kNames[kind];
    const Floats x = {NAN, kInfinity, -kInfinity, 0, -0.0f, 1, -1, 100, -100, 20, 20.5f, 1e-20f};
    const int64_t count = x.size();
    const Floats dy(count, 1);
    Floats y(count), dx(count);
    check.op.unary(check.context, {count, kind, kScale, kShift, x.data(), y.data()});
    check.op.unaryBackward(check.context, {count, kind, kScale, x.data(), dy.data(), dx.data()});
    check.that("NaN stays", std::isnan(y[0]));
    check.that("NaN stays in the gradient", std::isnan(dx[0]) || kind == UnaryKind::kAffine);
    for (int64_t i = 1; i < count; i++) {
      const float want = (float)function(kind, x[i]), dWant = (float)derivative(kind, x[i]);
      const auto same = [](float got, float want) {
        return (std::isnan(want) && std::isnan(got)) || got == want || std::fabs(got - want) <= 1e-5 * std::fabs(want) + 1e-30;
      };
      const bool subtle = std::isinf(x[i]) && crosses(kind);  // ∞·0 on the way
      if (!subtle && !same(y[i], want)) check.that(("value at " + std::to_string(x[i]) + ": " + std::to_string(y[i])).c_str(), false);
      if (!subtle && !same(dx[i], dWant)) check.that(("slope at " + std::to_string(x[i]) + ": " + std::to_string(dx[i])).c_str(), false);
    }
  }
}

double combined(int kind, double a, double b) {
  return kind == Binary::kAdd ? a + b : kind == Binary::kSubtract ? a - b : kind == Binary::kMultiply ? a * b : a / b;
}

TEST(binaryStrides) {
  const struct { int64_t rows, columns; } shapes[] = {{1, 1}, {5, 1}, {1, 7}, {3, 17}, {64, 33}, {200, 1000}, {0, 4}, {4, 0}};
  for (auto [rows, columns] : shapes) {
    const struct { int64_t row, column; } strides[] = {{columns, 1}, {0, 1}, {1, 0}, {0, 0}, {1, rows}, {2 * columns, 2}};
    for (auto [rowStride, columnStride] : strides)
      for (int kind = 0; kind < 4; kind++) {
        check.label = std::to_string(rows) + "x" + std::to_string(columns) + " strides " + std::to_string(rowStride) + ", " +
                      std::to_string(columnStride) + " kind " + std::to_string(kind);
        const int64_t count = rows * columns, bCount = count ? (rows - 1) * rowStride + (columns - 1) * columnStride + 1 : 0;
        const Floats a = check.normal(count), b = check.uniform(bCount, 0.5, 2);
        Floats y(count), inPlace = a;
        check.op.binary(check.context, {rows, columns, rowStride, columnStride, kind, a.data(), b.data(), y.data()});
        check.op.binary(check.context, {rows, columns, rowStride, columnStride, kind, inPlace.data(), b.data(), inPlace.data()});
        Doubles want(count);
        for (int64_t r = 0; r < rows; r++)
          for (int64_t c = 0; c < columns; c++)
            want[r * columns + c] = combined(kind, a[r * columns + c], b[r * rowStride + c * columnStride]);
        check.close("y", y, want, 2e-7);
        check.equal("in place", inPlace, y);
      }
  }
}

}  // namespace
