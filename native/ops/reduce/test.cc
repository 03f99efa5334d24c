// Reductions against double precision; sums must not depend on the number of threads.
#include <cmath>
#include "../../test/check.h"

namespace {
using namespace ha;

double term(int kind, double x) {
  if (kind == ReduceLast::kSumAbs) return std::fabs(x);
  if (kind == ReduceLast::kSumPositive) return std::fmax(x, 0);
  return kind == ReduceLast::kSumSquares ? x * x : x;
}

TEST(reduceLastKinds) {
  const struct { int64_t rows, columns; } shapes[] = {{1, 1},     {5, 1},      {3, 3},      {7, 17}, {33, 100},
                                                  {3, 4097}, {2, 70001}, {400, 1000}, {0, 3}};
  Context& alone = *check.alone;
  for (auto [rows, columns] : shapes)
    for (int kind = 0; kind < 6; kind++)
      for (float shift : {0.0f, -20.0f, 20.0f}) {
        check.label = std::to_string(rows) + "x" + std::to_string(columns) + " kind " + std::to_string(kind) + " around " +
                      std::to_string(shift);
        Floats x = check.normal(rows * columns), y(rows), again(rows);
        for (float& v : x) v += shift;
        const float scale = 0.5f;
        check.op.reduceLast(check.context, {rows, columns, kind, scale, x.data(), y.data()});
        check.op.reduceLast(alone, {rows, columns, kind, scale, x.data(), again.data()});
        
        check.equal("on one thread", again, y);
        Doubles want(rows);
        double size = 0;
        for (int64_t r = 0; r < rows; r++) {
          double total = kind < 4 ? 0 : x[r * columns];
          for (int64_t c = 0; c < columns; c++) {
            const double v = x[r * columns + c];
            total = kind == ReduceLast::kMax   ? std::fmax(total, v)
                    : kind == ReduceLast::kMin ? std::fmin(total, v)
                                               : total + term(kind, v);
          }
          want[r] = scale * total;
          size = std::sqrt((double)columns);
        }
        check.close("y", y, want, kind < 4 ? 1e-6 : 1e-7, kind < 4 ? size : 1e-6);
      }
}

TEST(reduceNaN) {
  for (int kind = 0; kind < 6; kind++)
    for (int64_t columns : {1, 5, 40, 300, 40000})
      for (int64_t at : {int64_t{0}, columns / 2, columns - 1}) {
        Floats x(columns, -3), y(1);
        x[at] = NAN;
        check.label = "kind " + std::to_string(kind) + " of " + std::to_string(columns) + " at " + std::to_string(at);
        check.op.reduceLast(check.context, {1, columns, kind, 1, x.data(), y.data()});
        check.that("NaN stays", std::isnan(y[0]));
      }
}

TEST(reduceLeadingAndWeighted) {
  const struct { int64_t batch, rows, columns; } shapes[] = {{1, 1, 1},      {2, 3, 17},    {1, 5, 3},     {3, 257, 33},
                                                         {1, 1000, 600}, {2, 300, 100}, {1, 40, 2000}, {2, 0, 5}};
  Context& alone = *check.alone;
  for (auto [batch, rows, columns] : shapes) {
    check.label = std::to_string(batch) + "x" + std::to_string(rows) + "x" + std::to_string(columns);
    const Floats x = check.normal(batch * rows * columns), weights = check.normal(batch * rows);
    Floats leading(columns, 9), leadingAlone(columns), weighted(batch * columns, 9), weightedAlone(batch * columns);
    check.op.reduceLeading(check.context, {batch * rows, columns, x.data(), leading.data()});
    check.op.weightedSum(check.context, {batch, rows, columns, x.data(), weights.data(), weighted.data()});
    check.op.reduceLeading(alone, {batch * rows, columns, x.data(), leadingAlone.data()});
    check.op.weightedSum(alone, {batch, rows, columns, x.data(), weights.data(), weightedAlone.data()});
    
    Doubles wantLeading(columns), wantWeighted(batch * columns);
    for (int64_t i = 0; i < batch * rows * columns; i++) {
      wantLeading[i % columns] += x[i];
      wantWeighted[i / columns / rows * columns + i % columns] += (double)x[i] * weights[i / columns];
    }
    check.close("leading", leading, wantLeading, 2e-6);
    check.close("weighted", weighted, wantWeighted, 2e-6);
    check.equal("leading on one thread", leadingAlone, leading);
    check.equal("weighted on one thread", weightedAlone, weighted);
  }
}

}  // namespace
