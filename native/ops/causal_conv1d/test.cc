// The causal convolution and its backward against plain loops in double precision.
#include <algorithm>
#include <cmath>
#include "../../test/check.h"

namespace {
using namespace ha;

template <class Real>
struct Problem {
  using Reals = std::vector<Real>;
  int64_t batch, length, channels, width;
  bool silu;
  Reals x, weight, bias, initial;  // bias and initial may be empty
  std::vector<int32_t> lengths, starts;
  /// Whether an input at position `from` belongs to another text than position i.
  bool parted(int64_t b, int64_t from, int64_t i) const {
    return !starts.empty() && i >= 0 && starts[b * length + i] > 0 && from < starts[b * length + i];
  }
  int64_t bld() const { return batch * length * channels; }
  int64_t carried() const { return batch * channels * (width - 1); }
  int64_t end(int64_t b) const { return lengths.empty() ? length : lengths[b]; }
  /// The place of input i ≥ −(width−1): in x, or in `initial` (negative: −1 − place).
  int64_t place(int64_t b, int64_t i, int64_t d) const {
    return i >= 0 ? (b * length + i) * channels + d : -1 - ((b * channels + d) * (width - 1) + i + width - 1);
  }
  Real input(int64_t place) const { return place >= 0 ? x[place] : initial.empty() ? 0 : initial[-1 - place]; }
  template <class Other>
  Problem<Other> as() const {
    const auto copy = [](const Reals& v) { return std::vector<Other>(v.begin(), v.end()); };
    return {batch, length, channels, width, silu, copy(x), copy(weight), copy(bias), copy(initial), lengths, starts};
  }
};

struct Forward {
  Doubles y, final;
  Doubles slopes;  // dy/dc, c the sum before the activation
};
Forward forward(const Problem<double>& p) {
  Forward f{Doubles(p.bld()), Doubles(p.carried()), Doubles(p.bld(), 1)};
  for (int64_t b = 0; b < p.batch; b++)
    for (int64_t d = 0; d < p.channels; d++) {
      for (int64_t i = 0; i < p.end(b); i++) {
        double c = p.bias.empty() ? 0 : p.bias[d];
        for (int64_t k = 0; k < p.width; k++)
          if (!p.parted(b, i - (p.width - 1) + k, i)) c += p.weight[d * p.width + k] * p.input(p.place(b, i - (p.width - 1) + k, d));
        const double open = p.silu ? 1 / (1 + std::exp(-c)) : 1;
        f.y[(b * p.length + i) * p.channels + d] = c * open;
        f.slopes[(b * p.length + i) * p.channels + d] = open * (1 + c * (1 - open));
      }
      for (int64_t k = 0; k < p.width - 1; k++)
        f.final[(b * p.channels + d) * (p.width - 1) + k] =
            p.parted(b, p.end(b) - (p.width - 1) + k, p.end(b) - 1) ? 0 : p.input(p.place(b, p.end(b) - (p.width - 1) + k, d));
    }
  return f;
}

struct Gradients {
  Doubles dx, dweight, dbias, dInitial;
};
Gradients backward(const Problem<double>& p, const Doubles& dy, const Doubles& dFinal) {
  Gradients g{Doubles(p.bld()), Doubles(p.channels * p.width), Doubles(p.channels), Doubles(p.carried())};
  const Doubles slopes = forward(p).slopes;
  for (int64_t b = 0; b < p.batch; b++)
    for (int64_t d = 0; d < p.channels; d++) {
      const auto add = [&](int64_t i, double gradient) {
        const int64_t place = p.place(b, i, d);
        (place >= 0 ? g.dx[place] : g.dInitial[-1 - place]) += gradient;
      };
      for (int64_t i = 0; i < p.end(b); i++) {
        const double grown = dy[(b * p.length + i) * p.channels + d] * slopes[(b * p.length + i) * p.channels + d];
        g.dbias[d] += grown;
        for (int64_t k = 0; k < p.width; k++) {
          const int64_t from = i - (p.width - 1) + k;
          if (p.parted(b, from, i)) continue;
          add(from, grown * p.weight[d * p.width + k]);
          g.dweight[d * p.width + k] += grown * p.input(p.place(b, from, d));
        }
      }
      for (int64_t k = 0; k < p.width - 1 && !dFinal.empty(); k++)
        if (!p.parted(b, p.end(b) - (p.width - 1) + k, p.end(b) - 1)) add(p.end(b) - (p.width - 1) + k, dFinal[(b * p.channels + d) * (p.width - 1) + k]);
    }
  return g;
}

const float* dataOf(const Floats& x) { return x.empty() ? nullptr : x.data(); }
const int32_t* dataOf(const std::vector<int32_t>& x) { return x.empty() ? nullptr : x.data(); }

void checkDifferences(Check& check, const Problem<double>& p, const Doubles& dy, const Doubles& dFinal, const Gradients& g) {
  const auto loss = [&](const Problem<double>& at) {
    const Forward f = forward(at);
    double total = 0;
    for (size_t i = 0; i < f.y.size(); i++) total += f.y[i] * dy[i];
    for (size_t i = 0; i < dFinal.size(); i++) total += f.final[i] * dFinal[i];
    return total;
  };
  const auto slopes = [&](const char* what, Doubles Problem<double>::*member, const Doubles& gradient) {
    for (size_t i = 0; i < (p.*member).size(); i++) {
      Problem<double> up = p, down = p;
      const double step = p.silu ? 1e-5 : 0.5;  // without silu, the loss is linear in each number
      (up.*member)[i] += step, (down.*member)[i] -= step;
      check.that(what, std::fabs((loss(up) - loss(down)) / (2 * step) - gradient[i]) < (p.silu ? 1e-7 : 1e-9));
    }
  };
  slopes("the derivative to x", &Problem<double>::x, g.dx);
  slopes("the derivative to the weight", &Problem<double>::weight, g.dweight);
  slopes("the derivative to the bias", &Problem<double>::bias, g.dbias);
  slopes("the derivative to initial", &Problem<double>::initial, g.dInitial);
}

void testCase(Check& check, int64_t batch, int64_t length, int64_t channels, int64_t width, int options, bool differences = false) {
  const bool bias = options & 1, initial = options & 2, ragged = options & 4, withFinal = options & 8, texts = options & 16, silu = options & 32;
  check.label = std::to_string(batch) + "x" + std::to_string(length) + "x" + std::to_string(channels) + " width " + std::to_string(width) +
                " options " + std::to_string(options);
  Problem<float> p{batch, length, channels, width, silu, check.normal(batch * length * channels), check.normal(channels * width), {}, {}, {}, {}};
  if (bias) p.bias = check.normal(channels);
  if (initial) p.initial = check.normal(p.carried());
  for (int64_t b = 0; ragged && b < batch; b++) p.lengths.push_back((int32_t)(check.random() % (length + 1)));
  for (int64_t b = 0; texts && b < batch; b++)  // several texts a row, many shorter than the filter
    for (int64_t i = 0, start = 0; i < length; i++) p.starts.push_back((int32_t)(start = check.random() % 5 ? start : i));
  const Problem<double> exact = p.as<double>();
  const Forward f = forward(exact);
  Floats y(p.bld(), 9), final(p.carried(), 9);
  check.op.causalConv1d(check.context, {batch, length, channels, width, silu, p.x.data(), p.weight.data(), dataOf(p.bias), dataOf(p.initial),
                                        dataOf(p.lengths), dataOf(p.starts), y.data(), final.data()});
  check.close("y", y, f.y, 1e-6);
  check.close("final", final, f.final, 0);
  if (initial && width > 1) {
    Floats state = p.initial, y2(p.bld());
    check.op.causalConv1d(check.context, {batch, length, channels, width, silu, p.x.data(), p.weight.data(), dataOf(p.bias), state.data(),
                                          dataOf(p.lengths), dataOf(p.starts), y2.data(), state.data()});
    check.equal("final in place of initial", state, final);
    check.equal("y beside it", y2, y);
  }

  const Floats dy = check.normal(p.bld()), dFinal = withFinal ? check.normal(p.carried()) : Floats();
  const Gradients g = backward(exact, Doubles(dy.begin(), dy.end()), Doubles(dFinal.begin(), dFinal.end()));
  if (differences) checkDifferences(check, exact, Doubles(dy.begin(), dy.end()), Doubles(dFinal.begin(), dFinal.end()), g);
  Floats dx(p.bld(), 9), dweight(channels * width, 9), dbias(channels, 9), dInitial(p.carried(), 9);
  const auto call = [&](float* dx, float* dweight, float* dbias, float* dInitial) {
    check.op.causalConv1dBackward(check.context, {batch, length, channels, width, silu, dweight || silu ? p.x.data() : nullptr, p.weight.data(),
                                                  dataOf(p.bias), dataOf(p.initial), dataOf(p.lengths), dataOf(p.starts), dy.data(), dataOf(dFinal), dx, dweight, dbias, dInitial});
  };
  call(dx.data(), dweight.data(), dbias.data(), dInitial.data());
  check.close("dx", dx, g.dx, 1e-6);
  check.close("dweight", dweight, g.dweight, 3e-6, 0.1);
  check.close("dbias", dbias, g.dbias, 3e-6, 0.1);
  check.close("dInitial", dInitial, g.dInitial, 1e-6);
  Floats dx2 = dx, dweight2 = dweight, dbias2 = dbias, dInitial2 = dInitial;
  call(dx2.data(), nullptr, nullptr, nullptr);
  call(nullptr, dweight2.data(), nullptr, nullptr);
  call(nullptr, nullptr, dbias2.data(), nullptr);
  call(nullptr, nullptr, nullptr, dInitial2.data());
  check.equal("dx alone", dx2, dx);
  check.equal("dweight alone", dweight2, dweight);
  check.equal("dbias alone", dbias2, dbias);
  check.equal("dInitial alone", dInitial2, dInitial);
}

TEST(causalConv1dCases) {
  const int64_t lengths[] = {1, 2, 3, 4, 7, 8, 9, 30}, channels[] = {1, 3, 16, 17, 33, 100};
  for (int64_t width : {1, 2, 3, 4, 5, 7})
    for (int options = 0; options < 64; options++)
      testCase(check, 1 + options % 3, lengths[check.random() % 8], channels[check.random() % 6], width, options);
  for (int options = 0; options < 64; options++) testCase(check, 2, 5, 2, 4, options, true);
  testCase(check, 2, 2, 2, 4, 15, true);  // shorter than the filter
  testCase(check, 2, 2, 2, 4, 47, true);
}

TEST(causalConv1dSingleStep) {
  for (int64_t width : {2, 3, 4, 5})
    for (int64_t channels : {16, 48, 40})
      for (int options = 0; options < 64; options++) testCase(check, 1 + options % 3, 1, channels, width, options);
}

TEST(causalConv1dChunks) {
  const int64_t length = check.played ? 300 : 2100;  // several chunks of positions
  for (int options : {15, 31, 47, 63}) testCase(check, 1, length, 40, 4, options);
  for (int options : {15, 47}) {
    testCase(check, 3, check.played ? 40 : 200, 384, 4, options);
    testCase(check, 1, 37, 100, 40, options);  // a filter longer than the sequence
  }
}

TEST(causalConv1dOf16Bits) {
  // the same as on the rounded numbers in f32: in packs of four channels and one by one, of four taps and of three
  for (DType dtype : {DType::bf16, DType::f16})
    for (int64_t channels : {8, 13})
      for (int64_t width : {4, 3})
        for (bool silu : {false, true}) {
          const int64_t batch = 2, length = 35, count = batch * length * channels;
          check.label = std::string(nameOf(dtype)) + " channels " + std::to_string(channels) + " width " + std::to_string(width) + (silu ? " silu" : "");
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
          const auto x = narrow(check.normal(count)), dy = narrow(check.normal(count)), weight = narrow(check.normal(channels * width)), bias = narrow(check.normal(channels));
          const Floats xWide = wide(x), dyWide = wide(dy), weightWide = wide(weight), biasWide = wide(bias);
          std::vector<uint16_t> y(count), dx(count);
          Floats wantY(count), wantDx(count), dweight(channels * width), wantDweight(channels * width);
          check.op.causalConv1d(check.context, {batch, length, channels, width, silu, {x.data(), dtype}, {weight.data(), dtype}, {bias.data(), dtype}, {}, {}, {},
                                                {y.data(), dtype}, {}});
          check.op.causalConv1d(check.context, {batch, length, channels, width, silu, xWide.data(), weightWide.data(), biasWide.data(), {}, {}, {}, wantY.data(), {}});
          check.op.causalConv1dBackward(check.context, {batch, length, channels, width, silu, {x.data(), dtype}, {weight.data(), dtype}, {bias.data(), dtype}, {}, {}, {},
                                                        {dy.data(), dtype}, {}, {dx.data(), dtype}, dweight.data(), {}, {}});
          check.op.causalConv1dBackward(check.context, {batch, length, channels, width, silu, xWide.data(), weightWide.data(), biasWide.data(), {}, {}, {},
                                                        dyWide.data(), {}, wantDx.data(), wantDweight.data(), {}, {}});
          const double tolerance = dtype == DType::bf16 ? 1. / 256 : 1. / 2048;
          check.close("y", wide(y), Doubles(wantY.begin(), wantY.end()), tolerance);
          check.close("dx", wide(dx), Doubles(wantDx.begin(), wantDx.end()), tolerance);
          check.close("dweight", dweight, Doubles(wantDweight.begin(), wantDweight.end()), 3e-6);
        }
}

}  // namespace
