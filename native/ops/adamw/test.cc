// Three AdamW steps of tensors of all sizes together, against the formula in double precision.
#include <cmath>
#include "../../test/check.h"

namespace {
using namespace ha;

struct Parameter {
  int64_t count;
  double decay;
  Floats p, m, v, gradient;
  Doubles wantP, wantM, wantV;
};

void testTensors(Check& check, const std::vector<int64_t>& counts) {
  const double rate = 1e-2, beta1 = 0.9f, beta2 = 0.95f, epsilon = 1e-8, gradientScale = 0.5;
  std::vector<Parameter> all;
  for (int64_t count : counts) {
    Parameter one{count, all.size() % 2 ? 0.1 : 0, check.normal(count), Floats(count), Floats(count), {}, {}, Doubles(count), Doubles(count)};
    one.wantP.assign(one.p.begin(), one.p.end());
    all.push_back(one);
  }
  for (int step = 1; step <= 3; step++) {
    const double correction1 = 1 - std::pow(beta1, step), correction2 = 1 - std::pow(beta2, step);
    Adamw arguments{(float)rate, (float)beta1, (float)beta2, (float)epsilon, (float)correction1, (float)correction2, (float)gradientScale, {}};
    for (Parameter& one : all) {
      one.gradient = check.normal(one.count);
      arguments.tensors.push_back({one.count, (float)one.decay, one.gradient.data(), one.p.data(), one.m.data(), one.v.data()});
      for (int64_t i = 0; i < one.count; i++) {
        const double g = gradientScale * one.gradient[i];
        one.wantM[i] = beta1 * one.wantM[i] + (1 - beta1) * g;
        one.wantV[i] = beta2 * one.wantV[i] + (1 - beta2) * g * g;
        one.wantP[i] -= rate * (one.wantM[i] / correction1 / (std::sqrt(one.wantV[i] / correction2) + epsilon) + one.decay * one.wantP[i]);
      }
    }
    check.op.adamw(check.context, arguments);
  }
  for (Parameter& one : all) {
    check.label = std::to_string(all.size()) + " tensors, " + std::to_string(one.count) + " numbers";
    check.close("p", one.p, one.wantP, 1e-6);
    check.close("m", one.m, one.wantM, 1e-6);
    check.close("v", one.v, one.wantV, 1e-6);
  }
}

TEST(adamwSteps) {
  const int64_t large = check.played ? 20001 : 200001;
  for (int64_t count : {int64_t{0}, int64_t{1}, int64_t{17}, int64_t{100}, large}) testTensors(check, {count});
  testTensors(check, {});
  testTensors(check, {0, 5000, 3, 0, 0, 4096, 4097, 1, large, 8192, 0});
}

TEST(adamwManyTensors) {
  std::vector<int64_t> counts;
  for (int i = 0; i < 160; i++) counts.push_back(i * 37 % 101);
  testTensors(check, counts);
}

}  // namespace
