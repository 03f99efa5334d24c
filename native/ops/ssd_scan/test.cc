// The scan in chunks and its backward passes against plain loops in double precision.
#include <cmath>
#include <iterator>
#include <string>
#include "../../test/check.h"

namespace {
using namespace ha;

template <class Real> struct Problem {
  using Reals = std::vector<Real>;
  SsdShape shape{};
  Reals x, delta, A, B, C, D, initial;
  std::vector<int32_t> lengths, starts;
  int64_t end(int64_t b) const { return lengths.empty() ? shape.length : lengths[b]; }
  int64_t at(int64_t b, int64_t i, int64_t h) const { return (b * shape.length + i) * shape.heads + h; }
  int64_t key(int64_t b, int64_t i, int64_t h) const { return ((b * shape.length + i) * shape.groups + h * shape.groups / shape.heads) * shape.state; }
  bool begins(int64_t b, int64_t i) const { return !starts.empty() && i > 0 && starts[b * shape.length + i] == i; }
  template <class Other> Problem<Other> as() const {
    const auto copy = [](const Reals& v) { return std::vector<Other>(v.begin(), v.end()); };
    return {shape, copy(x), copy(delta), copy(A), copy(B), copy(C), copy(D), copy(initial), lengths, starts};
  }
};

struct Forward {
  Doubles y, final, states;  // states: [b l h p n]
};
Forward forward(const Problem<double>& o) {
  const SsdShape& s = o.shape;
  const int64_t each = s.width * s.state;
  Forward f{Doubles(s.valueCount()), Doubles(s.stateCount()), Doubles(s.stepCount() * each)};
  for (int64_t b = 0; b < s.batch; b++)
    for (int64_t h = 0; h < s.heads; h++) {
      Doubles state(each);
      for (int64_t k = 0; k < each; k++) state[k] = o.initial.empty() ? 0 : o.initial[(b * s.heads + h) * each + k];
      for (int64_t i = 0; i < o.end(b); i++) {
        const int64_t at = o.at(b, i, h), key = o.key(b, i, h);
        const double decay = o.begins(b, i) ? 0 : std::exp(o.delta[at] * o.A[h]);
        for (int64_t p = 0; p < s.width; p++) {
          double y = o.D.empty() ? 0 : o.D[h] * o.x[at * s.width + p];
          for (int64_t n = 0; n < s.state; n++) {
            double& now = state[p * s.state + n];
            now = decay * now + o.delta[at] * o.x[at * s.width + p] * o.B[key + n];
            f.states[at * each + p * s.state + n] = now;
            y += o.C[key + n] * now;
          }
          f.y[at * s.width + p] = y;
        }
      }
      for (int64_t k = 0; k < each; k++) f.final[(b * s.heads + h) * each + k] = state[k];
    }
  return f;
}

struct Gradients {
  Doubles x, delta, A, B, C, D, initial;
};
Gradients backward(const Problem<double>& o, const Doubles& dy, const Doubles& dFinal) {
  const SsdShape& s = o.shape;
  const int64_t each = s.width * s.state;
  const Forward f = forward(o);
  Gradients g{Doubles(s.valueCount()), Doubles(s.stepCount()), Doubles(s.heads), Doubles(s.keyCount()), Doubles(s.keyCount()), Doubles(s.heads), Doubles(s.stateCount())};
  for (int64_t b = 0; b < s.batch; b++)
    for (int64_t h = 0; h < s.heads; h++) {
      Doubles q(each);
      for (int64_t k = 0; k < each; k++) q[k] = dFinal.empty() ? 0 : dFinal[(b * s.heads + h) * each + k];
      for (int64_t i = o.end(b) - 1; i >= 0; i--) {
        const int64_t at = o.at(b, i, h), key = o.key(b, i, h);
        const bool begins = o.begins(b, i);
        const double decay = begins ? 0 : std::exp(o.delta[at] * o.A[h]);
        for (int64_t p = 0; p < s.width; p++) {
          const int64_t value = at * s.width + p;
          g.D[h] += dy[value] * o.x[value];
          g.x[value] = o.D.empty() ? 0 : o.D[h] * dy[value];
          for (int64_t n = 0; n < s.state; n++) {
            const int64_t k = p * s.state + n;
            const double before = i > 0 ? f.states[o.at(b, i - 1, h) * each + k] : o.initial.empty() ? 0 : o.initial[(b * s.heads + h) * each + k];
            q[k] += dy[value] * o.C[key + n];
            g.C[key + n] += dy[value] * f.states[at * each + k];
            g.B[key + n] += q[k] * o.delta[at] * o.x[value];
            g.x[value] += q[k] * o.delta[at] * o.B[key + n];
            g.delta[at] += q[k] * (o.B[key + n] * o.x[value] + decay * before * o.A[h]);
            g.A[h] += q[k] * decay * before * o.delta[at];
            q[k] *= decay;
          }
        }
      }
      for (int64_t k = 0; k < each; k++) g.initial[(b * s.heads + h) * each + k] = q[k];
    }
  return g;
}

// batch, length, heads, width, state, groups
const SsdShape kShapes[] = {{1, 1, 1, 1, 1, 1},   {2, 1, 3, 17, 16, 1}, {1, 3, 2, 5, 20, 2},  {2, 5, 3, 4, 7, 1},    {1, 63, 2, 8, 16, 1},
                            {1, 64, 4, 16, 32, 2}, {2, 65, 3, 3, 5, 3}, {1, 130, 5, 7, 33, 2}, {1, 70, 2, 64, 128, 1}, {1, 66, 1, 33, 256, 1},
                            {3, 129, 6, 1, 16, 1}, {1, 20, 2, 130, 40, 1}, {1, 7, 2, 3, 4, 5}, {1, 200, 3, 70, 12, 1}};
// those that a played GPU gets through: two chunks, two slices, two tiles of the width and of the state, ragged groups
const SsdShape kPlayed[] = {{1, 1, 2, 3, 5, 1}, {2, 3, 3, 5, 20, 2}, {1, 66, 1, 3, 70, 1}, {1, 40, 1, 66, 7, 1}};
std::vector<SsdShape> shapes(const Check& check) {
  if (check.played) return {std::begin(kPlayed), std::end(kPlayed)};
  return {std::begin(kShapes), std::end(kShapes)};
}
std::vector<int> optionSets(Check& check) {
  const int any = (int)(check.random() % 32);
  if (check.played) return {15, any};
  return {0, 15, 19, any, (int)(check.random() % 32)};
}

/// A random problem of the shape; bit k of `options` says whether the k-th optional thing is there.
Problem<float> problem(Check& check, const SsdShape& s, int options) {
  Problem<float> o;
  o.shape = s;
  o.x = check.normal(s.valueCount()), o.B = check.normal(s.keyCount()), o.C = check.normal(s.keyCount());
  o.delta = check.uniform(s.stepCount(), 0.001f, options & 16 ? 1 : 0.1f), o.A = check.uniform(s.heads, -8, -0.01f);
  if (options & 1) o.D = check.normal(s.heads);
  if (options & 2) o.initial = check.normal(s.stateCount());
  if (options & 4)
    for (int64_t b = 0; b < s.batch; b++) o.lengths.push_back((int32_t)(check.random() % (s.length + 1)));
  if (options & 8)
    for (int64_t b = 0; b < s.batch; b++)
      for (int64_t i = 0, start = 0; i < s.length; i++) {
        if (check.random() % 9 == 0) start = i;
        o.starts.push_back((int32_t)start);
      }
  check.label = "b" + std::to_string(s.batch) + " l" + std::to_string(s.length) + " h" + std::to_string(s.heads) + " p" + std::to_string(s.width) +
                " n" + std::to_string(s.state) + " g" + std::to_string(s.groups) + " options " + std::to_string(options);
  return o;
}
template <class T> const T* data(const std::vector<T>& v) { return v.empty() ? nullptr : v.data(); }

struct Result {
  Floats y, final, checkpoints;
};
Result run(Check& check, const Problem<float>& o, bool inPlace = false, bool checkpoints = true) {
  const SsdShape& s = o.shape;
  Result r{Floats(s.valueCount(), NAN), Floats(s.stateCount(), NAN), Floats(ssdChunks(s.length) * s.stateCount(), NAN)};
  if (inPlace) r.final = o.initial;
  check.op.ssdScan(check.context, {s, o.x.data(), o.delta.data(), o.A.data(), o.B.data(), o.C.data(), data(o.D), inPlace ? r.final.data() : data(o.initial),
                                   data(o.lengths), data(o.starts), r.y.data(), r.final.data(), checkpoints ? r.checkpoints.data() : nullptr});
  return r;
}

struct GradientResult {
  Floats x, delta, A, B, C, D, initial;
};
GradientResult runBackward(Check& check, const Problem<float>& o, const Floats& dy, const Floats& dFinal) {
  const SsdShape& s = o.shape;
  const Result r = run(check, o);
  const auto room = [](int64_t count) { return Floats(count, NAN); };
  GradientResult g{room(s.valueCount()), room(s.stepCount()), room(s.heads), room(s.keyCount()), room(s.keyCount()), room(s.heads), room(s.stateCount())};
  check.op.ssdScanBackward(check.context, {s, o.x.data(), o.delta.data(), o.A.data(), o.B.data(), o.C.data(), data(o.D), data(o.lengths), data(o.starts),
                                           r.checkpoints.data(), dy.data(), data(dFinal), g.x.data(), g.delta.data(), g.A.data(), g.B.data(), g.C.data(),
                                           g.D.data(), g.initial.data()});
  return g;
}

TEST(ssdScan) {
  for (const SsdShape& shape : shapes(check))
    for (int options : optionSets(check)) {
      const Problem<float> o = problem(check, shape, options);
      const Forward want = forward(o.as<double>());
      const Result got = run(check, o);
      check.close("y", got.y, want.y, 2e-6);
      check.close("finalState", got.final, want.final, 2e-6);
      if (!check.played) check.equal("y again", run(check, o).y, got.y);
      const Result plain = run(check, o, false, false);  // few positions: the recurrence
      check.close("y without checkpoints", plain.y, want.y, 2e-6);
      check.close("finalState without checkpoints", plain.final, want.final, 2e-6);
      if (!o.initial.empty()) check.equal("state in place", run(check, o, true, false).final, plain.final);
    }
}

TEST(ssdScanBackward) {
  for (const SsdShape& shape : shapes(check))
    for (int options : optionSets(check)) {
      const Problem<float> o = problem(check, shape, options);
      const Floats dy = check.normal(shape.valueCount()), dFinal = options & 2 ? check.normal(shape.stateCount()) : Floats();
      const Gradients want = backward(o.as<double>(), Doubles(dy.begin(), dy.end()), Doubles(dFinal.begin(), dFinal.end()));
      const GradientResult got = runBackward(check, o, dy, dFinal);
      check.close("dx", got.x, want.x, 4e-6);
      check.close("ddelta", got.delta, want.delta, 4e-6);
      check.close("dA", got.A, want.A, 2e-5);
      check.close("dB", got.B, want.B, 4e-6);
      check.close("dC", got.C, want.C, 4e-6);
      check.close("dD", got.D, want.D, 4e-6);
      check.close("dInitialState", got.initial, want.initial, 4e-6);
      if (!check.played) check.equal("dB again", runBackward(check, o, dy, dFinal).B, got.B);
    }
}

TEST(ssdScanTransposed) {
  for (const SsdShape& shape : shapes(check))
    for (int options : optionSets(check)) {
      const Problem<float> o = problem(check, shape, options);
      const SsdShape& s = shape;
      const Floats g = check.normal(s.valueCount()), dFinal = options & 2 ? check.normal(s.stateCount()) : Floats();
      const Gradients want = backward(o.as<double>(), Doubles(g.begin(), g.end()), Doubles(dFinal.begin(), dFinal.end()));
      Floats out(s.valueCount(), NAN), initial(s.stateCount(), NAN);
      check.op.ssdScanTransposed(check.context, {s, o.delta.data(), o.A.data(), o.B.data(), o.C.data(), data(o.D), g.data(), data(o.lengths), data(o.starts),
                                                 data(dFinal), out.data(), initial.data()});
      check.close("out", out, want.x, 4e-6);
      check.close("dInitialState", initial, want.initial, 4e-6);
    }
}

/// The same as on the rounded numbers in f32, up to one rounding of what comes out.
TEST(ssdScanOf16Bits) {
  for (const auto& [dtype, wideSteps] : {std::pair{DType::bf16, false}, {DType::f16, false}, {DType::bf16, true}}) {
    const DType narrowed = dtype;
    const SsdShape s = check.played ? SsdShape{1, 20, 1, 9, 10, 1} : SsdShape{1, 130, 2, 20, 18, 1};
    Problem<float> o = problem(check, s, 3);
    check.label += std::string(" ") + nameOf(dtype) + (wideSteps ? ", delta in f32" : "");
    std::vector<std::vector<uint16_t>> kept;
    const auto narrow = [&](Floats& x) {
      kept.emplace_back(x.size());
      check.op.cast(check.context, {(int64_t)x.size(), x.data(), {kept.back().data(), narrowed}});
      check.op.cast(check.context, {(int64_t)x.size(), {kept.back().data(), narrowed}, x.data()});
      return In(kept.back().data(), narrowed);
    };
    Floats dy = check.normal(s.valueCount());
    const In x = narrow(o.x), delta = wideSteps ? In(o.delta.data()) : narrow(o.delta), B = narrow(o.B), C = narrow(o.C), g = narrow(dy);
    const Result want = run(check, o);
    const GradientResult wantGradients = runBackward(check, o, dy, {});
    Result got{Floats(s.valueCount()), Floats(s.stateCount()), Floats(ssdChunks(s.length) * s.stateCount())};
    std::vector<uint16_t> y(s.valueCount()), dx(s.valueCount()), ddelta(s.stepCount()), dB(s.keyCount()), dC(s.keyCount());
    Floats dA(s.heads), dD(s.heads), dInitial(s.stateCount()), wideDelta(s.stepCount());
    check.op.ssdScan(check.context, {s, x, delta, o.A.data(), B, C, o.D.data(), o.initial.data(), nullptr, nullptr, {y.data(), dtype}, got.final.data(),
                                     got.checkpoints.data()});
    check.op.ssdScanBackward(check.context, {s, x, delta, o.A.data(), B, C, o.D.data(), nullptr, nullptr, got.checkpoints.data(), g, {}, {dx.data(), dtype},
                                             wideSteps ? Out(wideDelta.data()) : Out(ddelta.data(), dtype), dA.data(), {dB.data(), dtype}, {dC.data(), dtype}, dD.data(), dInitial.data()});
    const double tolerance = dtype == DType::bf16 ? 1. / 256 : 1. / 2048;
    const auto close = [&](const char* what, const std::vector<uint16_t>& numbers, const Floats& wanted) {
      Floats wide(numbers.size());
      check.op.cast(check.context, {(int64_t)wide.size(), {numbers.data(), narrowed}, wide.data()});
      check.close(what, wide, Doubles(wanted.begin(), wanted.end()), tolerance);
    };
    close("y", y, want.y), close("dx", dx, wantGradients.x);
    if (wideSteps) check.close("ddelta", wideDelta, Doubles(wantGradients.delta.begin(), wantGradients.delta.end()), 1e-4);
    else close("ddelta", ddelta, wantGradients.delta);
    close("dB", dB, wantGradients.B), close("dC", dC, wantGradients.C);
    check.close("finalState", got.final, Doubles(want.final.begin(), want.final.end()), 3e-5);  // two terms of bf16 on a GPU
    check.close("dA", dA, Doubles(wantGradients.A.begin(), wantGradients.A.end()), 1e-4);
  }
}

/// Differences of sums stay exact where the sums are large: fast decays behind slow ones, over many chunks.
TEST(ssdScanFastDecays) {
  if (check.played) return;
  Problem<float> o = problem(check, {1, 1000, 2, 4, 8, 1}, 0);
  o.A = {-16, -200};
  o.delta = check.uniform(o.shape.stepCount(), 0.0001f, 2);
  const Forward want = forward(o.as<double>());
  const Result got = run(check, o);
  check.close("y", got.y, want.y, 1e-6);
  const Floats dy = check.normal(o.shape.valueCount());
  const Gradients gradients = backward(o.as<double>(), Doubles(dy.begin(), dy.end()), {});
  const GradientResult gotten = runBackward(check, o, dy, {});
  check.close("ddelta", gotten.delta, gradients.delta, 3e-6);
  check.close("dA", gotten.A, gradients.A, 3e-6);
}

}  // namespace
