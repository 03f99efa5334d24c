// The norm and its backward against double precision, with and without residual, gate, groups and held scale.
#include <cmath>
#include "../../test/check.h"

namespace {
using namespace ha;

double silu(double x) { return x / (1 + std::exp(-x)); }
double siluGradient(double x) {
  const double s = 1 / (1 + std::exp(-x));
  return s * (1 + x * (1 - s));
}

struct Problem {
  int64_t rows, width, groups;
  double epsilon;
  int gate;
  Doubles x, weight, z;  // x: residual added; weight and z may be empty
};

Doubles forward(const Problem& p, Doubles* scales = nullptr, const Doubles* held = nullptr) {
  Doubles y(p.rows * p.width);
  const int64_t size = p.width / p.groups;
  for (int64_t i = 0; i < p.rows * p.groups; i++) {
    double squares = 0;
    const auto inner = [&](int64_t c) { return p.x[i * size + c] * (p.gate == RmsNorm::kBefore ? silu(p.z[i * size + c]) : 1); };
    for (int64_t c = 0; c < size; c++) squares += inner(c) * inner(c);
    const double scale = held ? (*held)[i] : 1 / std::sqrt(squares / size + p.epsilon);
    if (scales) scales->push_back(scale);
    for (int64_t c = 0; c < size; c++)
      y[i * size + c] = inner(c) * scale * (p.weight.empty() ? 1 : p.weight[i % p.groups * size + c]) *
                        (p.gate == RmsNorm::kAfter ? silu(p.z[i * size + c]) : 1);
  }
  return y;
}

struct Gradients {
  Doubles dx, dweight, dz;
};
Gradients backward(const Problem& p, const Doubles& scales, const Doubles& dy, bool hold) {
  Gradients g{Doubles(p.rows * p.width), Doubles(p.width), Doubles(p.rows * p.width)};
  const int64_t size = p.width / p.groups;
  for (int64_t i = 0; i < p.rows * p.groups; i++) {
    double mean = 0;
    for (int turn = 0; turn < 2; turn++)
      for (int64_t c = 0; c < size; c++) {
        const int64_t at = i * size + c, w = i % p.groups * size + c;
        const double weight = p.weight.empty() ? 1 : p.weight[w], z = p.gate ? p.z[at] : 0;
        const double xHat = p.x[at] * scales[i] * (p.gate == RmsNorm::kBefore ? silu(z) : 1);
        const double outer = dy[at] * (p.gate == RmsNorm::kAfter ? silu(z) : 1);
        if (turn == 0) {
          mean += hold ? 0 : outer * weight * xHat / size;
          continue;
        }
        const double dt = scales[i] * (outer * weight - xHat * mean);
        g.dx[at] = dt * (p.gate == RmsNorm::kBefore ? silu(z) : 1);
        g.dweight[w] += outer * xHat;
        if (p.gate == RmsNorm::kBefore) g.dz[at] = dt * p.x[at] * siluGradient(z);
        if (p.gate == RmsNorm::kAfter) g.dz[at] = dy[at] * xHat * weight * siluGradient(z);
      }
  }
  return g;
}

Doubles doubles(const Floats& x) { return Doubles(x.begin(), x.end()); }

void testCase(Check& check, int64_t rows, int64_t width, int64_t groups, int gate, bool withWeight, bool withResidual, bool hold,
              bool differences) {
  check.label = std::to_string(rows) + "x" + std::to_string(width) + "/" + std::to_string(groups) + " gate " + std::to_string(gate) +
                (withWeight ? " weight" : "") + (withResidual ? " residual" : "") + (hold ? " hold" : "");
  const float epsilon = 1e-5f;
  const int64_t count = rows * width;
  const Floats x = check.normal(count), residual = check.normal(count), weight = check.normal(width), z = check.normal(count, 2);
  const Floats dy = check.normal(count), dResidualOut = check.normal(count);
  Floats y(count), y2(count), sum(count), scale(rows * groups);
  const float* w = withWeight ? weight.data() : nullptr;
  const float* r = withResidual ? residual.data() : nullptr;
  const float* gateInput = gate ? z.data() : nullptr;
  check.op.rmsNorm(check.context, {rows, width, groups, epsilon, gate, x.data(), w, r, gateInput, y.data(), sum.data(), scale.data()});
  check.op.rmsNorm(check.context, {rows, width, groups, epsilon, gate, x.data(), w, r, gateInput, y2.data(), nullptr, nullptr});
  check.equal("without the optional results", y2, y);

  Problem p{rows, width, groups, epsilon, gate, doubles(x), {}, {}};
  if (withResidual)
    for (int64_t i = 0; i < count; i++) p.x[i] += residual[i];
  if (withWeight) p.weight = doubles(weight);
  if (gate) p.z = doubles(z);
  Doubles scales;
  const Doubles want = forward(p, &scales);
  check.close("y", y, want, 1e-6);
  check.close("residualOut", sum, p.x, 1e-6);
  check.close("scale", scale, scales, 1e-6);

  Floats dx(count), dweight(width), dz(count), dx2(count), dweight2(width);
  check.op.rmsNormBackward(check.context, {rows, width, groups, gate, hold, sum.data(), w, gateInput, scale.data(), dy.data(),
                                           withResidual ? dResidualOut.data() : nullptr, dx.data(), dweight.data(), gate ? dz.data() : nullptr});
  check.op.rmsNormBackward(check.context, {rows, width, groups, gate, hold, sum.data(), w, gateInput, scale.data(), dy.data(),
                                           withResidual ? dResidualOut.data() : nullptr, dx2.data(), dweight2.data(), nullptr});
  check.equal("dx twice", dx2, dx);
  check.equal("dweight twice", dweight2, dweight);
  Gradients g = backward(p, scales, doubles(dy), hold);
  if (differences) {
    const auto loss = [&](const Problem& at) {
      const Doubles y = forward(at, nullptr, hold ? &scales : nullptr);
      double total = 0;
      for (int64_t i = 0; i < count; i++) total += y[i] * dy[i];
      return total;
    };
    const auto slopes = [&](const char* what, Doubles Problem::*member, const Doubles& gradient) {
      for (size_t i = 0; i < (p.*member).size(); i++) {
        const double step = 1e-6;
        Problem up = p, down = p;
        (up.*member)[i] += step, (down.*member)[i] -= step;
        check.that(what, std::fabs((loss(up) - loss(down)) / (2 * step) - gradient[i]) < 1e-6);
      }
    };
    slopes("the derivative to x", &Problem::x, g.dx);
    slopes("the derivative to the weight", &Problem::weight, g.dweight);
    // a held scale does not depend on z either
    slopes("the derivative to z", &Problem::z, g.dz);
  }
  if (withResidual)
    for (int64_t i = 0; i < count; i++) g.dx[i] += dResidualOut[i];
  check.close("dx", dx, g.dx, 3e-6, 1);  // a group of one number cancels
  check.close("dweight", dweight, g.dweight, 3e-6, 1);
  if (gate) check.close("dz", dz, g.dz, 3e-6, 1);
}

TEST(rmsNormCases) {
  for (int gate = 0; gate < 3; gate++)
    for (int options = 0; options < 8; options++) {
      const bool weight = options & 1, residual = options & 2, hold = options & 4;
      testCase(check, 3, 6, 2, gate, weight, residual, hold, true);
      testCase(check, 1, 1, 1, gate, weight, residual, hold, false);
      testCase(check, 2, 3, 1, gate, weight, residual, hold, false);
      testCase(check, 5, 51, 3, gate, weight, residual, hold, false);
      testCase(check, 4, 100, 1, gate, weight, residual, hold, false);
    }
  for (int gate = 0; gate < 3; gate++) {
    if (check.played) testCase(check, 300, 64, 1, gate, true, true, false, false);
    else testCase(check, 200, 768, 1, gate, true, true, false, false);
    testCase(check, 3, 9000, 2, gate, true, false, false, false);
    testCase(check, 3, 90, 9, gate, true, true, false, false);  // more groups than warps
  }
  testCase(check, 2, 13000, 1, 1, true, true, false, false);  // its sums do not fit into a block's memory
  testCase(check, 0, 5, 1, 0, true, false, false, false);
}

TEST(rmsNormOf16Bits) {
  // the same as on the rounded numbers in f32, with the weight in f32 or in 16 bits, in packs (1600) and one by one (99)
  for (DType dtype : {DType::bf16, DType::f16})
    for (int64_t width : {99, 1600})
      for (int gate = 0; gate < 3; gate++)
        for (bool narrowWeight : {false, true}) {
          const int64_t rows = 9, groups = 1, count = rows * width;
          check.label = std::string(nameOf(dtype)) + " width " + std::to_string(width) + " gate " + std::to_string(gate) + (narrowWeight ? " narrow weight" : "");
          const auto narrow = [&](const Floats& x) {
            std::vector<uint16_t> y(x.size());
            check.op.cast(check.context, {(int64_t)x.size(), x.data(), {y.data(), dtype}});
            return y;
          };
          const auto wide = [&](const std::vector<uint16_t>& x) {
            Floats y(x.size());
            check.op.cast(check.context, {(int64_t)x.size(), {x.data(), dtype}, y.data()});
            return y;
          };
          const auto x = narrow(check.normal(count)), residual = narrow(check.normal(count)), z = narrow(check.normal(count)), dy = narrow(check.normal(count));
          const auto weight = narrow(check.normal(width));
          const Floats xWide = wide(x), residualWide = wide(residual), zWide = wide(z), dyWide = wide(dy), weightWide = wide(weight);
          const In weightIn = narrowWeight ? In(weight.data(), dtype) : In(weightWide.data());
          std::vector<uint16_t> y(count), sum(count), dx(count), dz(count), dweight(width);
          Floats scale(rows), wantY(count), wantSum(count), wantScale(rows), wantDx(count), wantDz(count), wantDweight(width), gotDweight(width);
          check.op.rmsNorm(check.context, {rows, width, groups, 1e-5f, gate, {x.data(), dtype}, weightIn, {residual.data(), dtype}, {z.data(), dtype},
                                           {y.data(), dtype}, {sum.data(), dtype}, scale.data()});
          check.op.rmsNorm(check.context, {rows, width, groups, 1e-5f, gate, xWide.data(), weightWide.data(), residualWide.data(), zWide.data(), wantY.data(),
                                           wantSum.data(), wantScale.data()});
          check.op.rmsNormBackward(check.context, {rows, width, groups, gate, false, {x.data(), dtype}, weightIn, {z.data(), dtype}, wantScale.data(),
                                                   {dy.data(), dtype}, {residual.data(), dtype}, {dx.data(), dtype},
                                                   narrowWeight ? Out(dweight.data(), dtype) : Out(gotDweight.data()), {dz.data(), dtype}});
          check.op.rmsNormBackward(check.context, {rows, width, groups, gate, false, xWide.data(), weightWide.data(), zWide.data(), wantScale.data(),
                                                   dyWide.data(), residualWide.data(), wantDx.data(), wantDweight.data(), wantDz.data()});
          if (narrowWeight) gotDweight = wide(dweight);
          const double tolerance = dtype == DType::bf16 ? 1. / 256 : 1. / 2048;
          check.close("y", wide(y), doubles(wantY), tolerance);
          check.close("residualOut", wide(sum), doubles(wantSum), tolerance);
          check.close("scale", scale, doubles(wantScale), 1e-6);
          check.close("dx", wide(dx), doubles(wantDx), tolerance);
          check.close("dz", wide(dz), doubles(wantDz), tolerance, 1);
          check.close("dweight", gotDweight, doubles(wantDweight), narrowWeight ? tolerance : 3e-6);
        }
}

TEST(rmsNormNaN) {
  Floats x(40, 1), y(40);
  x[3] = NAN;
  check.op.rmsNorm(check.context, {2, 20, 1, 1e-5f, 0, x.data(), nullptr, nullptr, nullptr, y.data(), nullptr, nullptr});
  for (int i = 0; i < 40; i++) check.that("a NaN fills its row, and no other", std::isnan(y[i]) == (i < 20));
}

}  // namespace
