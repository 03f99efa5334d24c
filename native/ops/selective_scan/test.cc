// The scan and its backward passes against plain loops in double precision.
#include <algorithm>
#include <cmath>
#include <string>
#include "../../test/check.h"

namespace {
using namespace ha;

/// One call of the scan: shape, options and operands; an absent operand is empty.
template <class Real>
struct Problem {
  using Reals = std::vector<Real>;
  int64_t batch = 1, length = 1, channels = 1, state = 1, groups = 1;
  bool softplus = false;
  Reals u, delta, A, B, C, D, bias, z, initial;
  std::vector<int32_t> lengths, starts;
  int64_t bld() const { return batch * length * channels; }
  int64_t blgn() const { return batch * length * groups * state; }
  int64_t bdn() const { return batch * channels * state; }
  int64_t end(int64_t b) const { return lengths.empty() ? length : lengths[b]; }
  bool begins(int64_t b, int64_t i) const { return !starts.empty() && i > 0 && starts[b * length + i] == i; }
  int64_t at(int64_t b, int64_t i, int64_t d) const { return (b * length + i) * channels + d; }
  int64_t key(int64_t b, int64_t i, int64_t d) const { return ((b * length + i) * groups + d * groups / channels) * state; }
  template <class Other>
  Problem<Other> as() const {
    const auto copy = [](const Reals& v) { return std::vector<Other>(v.begin(), v.end()); };
    return {batch, length, channels, state, groups, softplus, copy(u), copy(delta), copy(A), copy(B),
            copy(C), copy(D), copy(bias), copy(z), copy(initial), lengths, starts};
  }
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double silu(double x) { return x * sigmoid(x); }

struct Forward {
  Doubles y, final, states, delta, plain;  // states: [b l d n]; plain: y before the gate
};

Forward forward(const Problem<double>& p) {
  Forward f{Doubles(p.bld()), Doubles(p.bdn()), Doubles(p.bld() * p.state), Doubles(p.bld()), Doubles(p.bld())};
  for (int64_t b = 0; b < p.batch; b++)
    for (int64_t d = 0; d < p.channels; d++) {
      Doubles s(p.state);
      for (int64_t n = 0; n < p.state; n++) s[n] = p.initial.empty() ? 0 : p.initial[(b * p.channels + d) * p.state + n];
      for (int64_t i = 0; i < p.end(b); i++) {
        const int64_t o = p.at(b, i, d), k = p.key(b, i, d);
        const double x = p.delta[o] + (p.bias.empty() ? 0 : p.bias[d]), delta = p.softplus ? std::log1p(std::exp(x)) : x;
        double y = p.D.empty() ? 0 : p.D[d] * p.u[o];
        for (int64_t n = 0; n < p.state; n++) {
          if (p.begins(b, i)) s[n] = 0;
          s[n] = std::exp(delta * p.A[d * p.state + n]) * s[n] + delta * p.B[k + n] * p.u[o];
          f.states[o * p.state + n] = s[n];
          y += p.C[k + n] * s[n];
        }
        f.delta[o] = delta, f.plain[o] = y, f.y[o] = p.z.empty() ? y : y * silu(p.z[o]);
      }
      for (int64_t n = 0; n < p.state; n++) f.final[(b * p.channels + d) * p.state + n] = s[n];
    }
  return f;
}

struct Gradients {
  Doubles u, delta, A, B, C, D, bias, z, initial;
};

Gradients backward(const Problem<double>& p, const Doubles& dy, const Doubles& dFinal) {
  const Forward f = forward(p);
  const int64_t N = p.state;
  Gradients g{Doubles(p.bld()), Doubles(p.bld()), Doubles(p.channels * N), Doubles(p.blgn()), Doubles(p.blgn()),
              Doubles(p.channels), Doubles(p.channels), Doubles(p.bld()), Doubles(p.bdn())};
  for (int64_t b = 0; b < p.batch; b++)
    for (int64_t d = 0; d < p.channels; d++) {
      Doubles q(N);
      for (int64_t n = 0; n < N; n++) q[n] = dFinal.empty() ? 0 : dFinal[(b * p.channels + d) * N + n];
      for (int64_t i = p.end(b) - 1; i >= 0; i--) {
        const int64_t o = p.at(b, i, d), k = p.key(b, i, d);
        double r = dy[o];
        if (!p.z.empty()) {
          const double z = p.z[o], s = sigmoid(z);
          g.z[o] = r * f.plain[o] * s * (1 + z * (1 - s));
          r *= silu(z);
        }
        double du = p.D.empty() ? 0 : p.D[d] * r, ddelta = 0;
        g.D[d] += r * p.u[o];
        for (int64_t n = 0; n < N; n++) {
          const double a = std::exp(f.delta[o] * p.A[d * N + n]);
          const double before = p.begins(b, i) ? 0 : i > 0 ? f.states[p.at(b, i - 1, d) * N + n] : p.initial.empty() ? 0 : p.initial[(b * p.channels + d) * N + n];
          q[n] += r * p.C[k + n];
          g.C[k + n] += r * f.states[o * N + n];
          g.B[k + n] += q[n] * f.delta[o] * p.u[o];
          du += q[n] * f.delta[o] * p.B[k + n];
          ddelta += q[n] * (p.B[k + n] * p.u[o] + a * before * p.A[d * N + n]);
          g.A[d * N + n] += q[n] * a * before * f.delta[o];
          q[n] *= p.begins(b, i) ? 0 : a;
        }
        g.u[o] = du;
        g.delta[o] = p.softplus ? ddelta * sigmoid(p.delta[o] + (p.bias.empty() ? 0 : p.bias[d])) : ddelta;
        g.bias[d] += g.delta[o];
      }
      for (int64_t n = 0; n < N; n++) g.initial[(b * p.channels + d) * N + n] = q[n];
    }
  return g;
}

struct Shape {
  int64_t batch, length, channels, state, groups;
};
const Shape kShapes[] = {{1, 1, 1, 1, 1},   {2, 1, 33, 16, 1},  {1, 2, 3, 3, 1},   {1, 15, 17, 8, 1}, {3, 16, 5, 17, 5},
                         {1, 17, 100, 16, 1}, {2, 33, 33, 16, 2}, {1, 50, 7, 64, 3}, {2, 37, 48, 5, 4}, {1, 70, 40, 16, 8},
                         {2, 3, 2, 4, 5},   {1, 40, 3, 250, 1}, {1, 100, 200, 16, 1}, {1, 40, 3, 300, 1},
                         {2, 70, 96, 16, 1}, {1, 45, 48, 16, 1}, {2, 33, 16, 16, 2}};  // whole blocks of channels, as a GPU takes them
/// The shapes; a GPU takes up to 256 states, a played one three tiles of 16 positions.
std::vector<Shape> shapes(const Check& check) {
  std::vector<Shape> result;
  for (Shape shape : kShapes) {
    if (shape.state > 256 && check.slack != 1) continue;
    if (check.played) shape.length = std::min<int64_t>(shape.length, 37);
    result.push_back(shape);
  }
  return result;
}
/// Sets of options (see problem); a played GPU goes without those in the middle.
std::vector<int> optionSets(Check& check) {
  const int any = (int)(check.random() % 256), other = (int)(check.random() % 256);
  if (check.played) return {0, 127, 255, any};
  return {0, 1, 63, 127, 255, any, other};
}

/// Texts of random lengths, one behind the other: where that of each position begins.
std::vector<int32_t> randomStarts(Check& check, int64_t batch, int64_t length) {
  std::vector<int32_t> starts;
  for (int64_t b = 0; b < batch; b++)
    for (int64_t i = 0, start = 0; i < length; i++) starts.push_back((int32_t)(start = check.random() % 6 ? start : i));
  return starts;
}

/// A random problem of the shape; bit k of `options` says whether the k-th optional thing is there.
Problem<float> problem(Check& check, const Shape& shape, int options) {
  Problem<float> p;
  p.batch = shape.batch, p.length = shape.length, p.channels = shape.channels, p.state = shape.state, p.groups = shape.groups;
  p.u = check.normal(p.bld()), p.B = check.normal(p.blgn()), p.C = check.normal(p.blgn());
  p.A = check.uniform(p.channels * p.state, -8, -0.01f);
  if (options & 64)  // one rate for all states of a channel, as in Mamba-2
    for (int64_t i = 0; i < p.channels * p.state; i++) p.A[i] = p.A[i / p.state * p.state];
  p.softplus = options & 1;
  p.delta = p.softplus ? check.normal(p.bld(), 2) : check.uniform(p.bld(), 0.001f, 1);
  if (options & 2) p.D = check.normal(p.channels);
  if (options & 4) p.z = check.normal(p.bld(), 2);
  if (options & 8) p.initial = check.normal(p.bdn());
  if (options & 16) p.bias = p.softplus ? check.normal(p.channels) : check.uniform(p.channels, 0, 0.5f);
  if (options & 32)
    for (int64_t b = 0; b < p.batch; b++) p.lengths.push_back((int32_t)(check.random() % (p.length + 1)));
  if (options & 128) p.starts = randomStarts(check, p.batch, p.length);
  check.label = "b" + std::to_string(p.batch) + " l" + std::to_string(p.length) + " d" + std::to_string(p.channels) + " n" +
                std::to_string(p.state) + " g" + std::to_string(p.groups) + " options " + std::to_string(options);
  return p;
}
const float* data(const Floats& v) { return v.empty() ? nullptr : v.data(); }
const int32_t* data(const std::vector<int32_t>& v) { return v.empty() ? nullptr : v.data(); }

struct Result {
  Floats y, final, checkpoints;
};
Result run(Check& check, const Problem<float>& p, bool inPlace = false, bool checkpoints = true, Context* context = nullptr) {
  Result r{Floats(p.bld(), NAN), Floats(p.bdn(), NAN), Floats(p.batch * scanTiles(p.length) * p.channels * p.state)};
  if (inPlace) r.final = p.initial;
  check.op.selectiveScan(context ? *context : check.context,
                         {p.batch, p.length, p.channels, p.state, p.groups, p.softplus, p.u.data(), p.delta.data(), p.A.data(),
                          p.B.data(), p.C.data(), data(p.D), data(p.bias), data(p.z), inPlace ? r.final.data() : data(p.initial),
                          data(p.lengths), data(p.starts), r.y.data(), r.final.data(), checkpoints ? r.checkpoints.data() : nullptr});
  return r;
}

struct TransposedResult {
  Floats out, initial;
};
TransposedResult runTransposed(Check& check, const Problem<float>& p, int64_t position, const Floats& g, const Floats& dFinal, Context* context = nullptr) {
  TransposedResult r{Floats(p.bld(), NAN), Floats(p.bdn(), NAN)};
  check.op.selectiveScanTransposed(context ? *context : check.context,
                                   {p.batch, p.length, p.channels, p.state, p.groups, position, p.delta.data(), p.A.data(), p.B.data(), p.C.data(),
                                    data(p.D), data(g), data(p.lengths), data(p.starts), data(dFinal), r.out.data(), r.initial.data()});
  for (Floats* numbers : {&r.out, &r.initial})
    for (float& x : *numbers) x += 0;  // of a zero, the sign says nothing
  return r;
}

struct GradientResult {
  Floats u, delta, A, B, C, D, bias, z, initial;
};
GradientResult runBackward(Check& check, const Problem<float>& p, const Floats& dy, const Floats& dFinal) {
  const Result r = run(check, p);
  const auto room = [](int64_t count) { return Floats(count, NAN); };
  GradientResult g{room(p.bld()), room(p.bld()), room(p.channels * p.state), room(p.blgn()), room(p.blgn()),
                   room(p.channels), room(p.channels), room(p.bld()), room(p.bdn())};
  check.op.selectiveScanBackward(check.context, {p.batch, p.length, p.channels, p.state, p.groups, p.softplus, p.u.data(), p.delta.data(),
                                                 p.A.data(), p.B.data(), p.C.data(), data(p.D), data(p.bias), data(p.z), data(p.lengths), data(p.starts),
                                                 r.checkpoints.data(), dy.data(), data(dFinal), g.u.data(), g.delta.data(), g.A.data(),
                                                 g.B.data(), g.C.data(), g.D.data(), g.bias.data(), p.z.empty() ? nullptr : g.z.data(),
                                                 g.initial.data()});
  if (p.z.empty()) g.z.assign(p.bld(), 0);
  return g;
}

TEST(selectiveScan) {
  for (const Shape& shape : shapes(check))
    for (int options : optionSets(check)) {
      const Problem<float> p = problem(check, shape, options);
      const Forward want = forward(p.as<double>());
      const Result got = run(check, p);
      check.close("y", got.y, want.y, 2e-6);
      check.close("finalState", got.final, want.final, 2e-6);
      if (!check.played) check.equal("y again", run(check, p).y, got.y);
      if (!p.initial.empty()) check.equal("state in place", run(check, p, true).final, got.final);
    }
}

TEST(selectiveScanStepByStep) {
  for (const Shape& shape : {Shape{2, 9, 33, 16, 1}, Shape{1, 9, 40, 5, 2}, Shape{1, 9, 20, 64, 1}, Shape{2, 5, 7, 17, 3}}) {
    const Problem<float> p = problem(check, shape, 31);
    const Result whole = run(check, p);
    Problem<float> step = p;
    step.length = 1;
    Floats y(p.bld());
    for (int64_t i = 0; i < p.length; i++) {
      const auto row = [&](const Floats& from, Floats& to, int64_t width) {
        to.clear();
        for (int64_t b = 0; b < p.batch; b++) to.insert(to.end(), &from[(b * p.length + i) * width], &from[(b * p.length + i + 1) * width]);
      };
      row(p.u, step.u, p.channels), row(p.delta, step.delta, p.channels), row(p.z, step.z, p.channels);
      row(p.B, step.B, p.groups * p.state), row(p.C, step.C, p.groups * p.state);
      const Result r = run(check, step, false, i % 2);  // with and without checkpoints: two ways
      for (int64_t b = 0; b < p.batch; b++)
        for (int64_t d = 0; d < p.channels; d++) y[p.at(b, i, d)] = r.y[b * p.channels + d];
      step.initial = r.final;
    }
    check.close("y", y, Doubles(whole.y.begin(), whole.y.end()), 2e-6);
    check.close("state", step.initial, Doubles(whole.final.begin(), whole.final.end()), 2e-6);
  }
}

TEST(selectiveScanBackward) {
  for (const Shape& shape : shapes(check))
    for (int options : optionSets(check)) {
      const Problem<float> p = problem(check, shape, options);
      const Floats dy = check.normal(p.bld()), dFinal = options % 3 ? check.normal(p.bdn()) : Floats();
      const Gradients want = backward(p.as<double>(), Doubles(dy.begin(), dy.end()), Doubles(dFinal.begin(), dFinal.end()));
      const GradientResult got = runBackward(check, p, dy, dFinal), again = check.played ? got : runBackward(check, p, dy, dFinal);
      check.close("du", got.u, want.u, 4e-6), check.equal("du again", again.u, got.u);
      check.close("ddelta", got.delta, want.delta, 4e-6), check.equal("ddelta again", again.delta, got.delta);
      check.close("dA", got.A, want.A, 4e-6), check.equal("dA again", again.A, got.A);
      check.close("dB", got.B, want.B, 4e-6), check.equal("dB again", again.B, got.B);
      check.close("dC", got.C, want.C, 4e-6), check.equal("dC again", again.C, got.C);
      check.close("dD", got.D, want.D, 4e-6), check.equal("dD again", again.D, got.D);
      check.close("ddeltaBias", got.bias, want.bias, 4e-6), check.equal("ddeltaBias again", again.bias, got.bias);
      check.close("dz", got.z, want.z, 4e-6), check.equal("dz again", again.z, got.z);
      check.close("dInitialState", got.initial, want.initial, 4e-6), check.equal("dInitialState again", again.initial, got.initial);
    }
}

/// Operands of 16 bits give what their numbers in f32 give, but for the rounding of results; in place of copies, GPUs read them as they are.
TEST(selectiveScanOf16Bits) {
  for (const Shape& shape : {Shape{2, 37, 32, 16, 1}, Shape{1, 18, 48, 16, 3}, Shape{1, 5, 7, 3, 1}, Shape{2, 1, 20, 16, 1}})
    for (DType dtype : {DType::bf16, DType::f16}) {
      Problem<float> p = problem(check, shape, 31);
      check.label += std::string(" ") + nameOf(dtype);
      std::vector<std::vector<uint16_t>> memory;
      const auto narrow = [&](Floats& x) {  // x itself is rounded as well
        memory.emplace_back(x.size());
        const In in(memory.back().data(), dtype);
        check.op.cast(check.context, {(int64_t)x.size(), x.data(), {memory.back().data(), dtype}});
        check.op.cast(check.context, {(int64_t)x.size(), in, x.data()});
        return in;
      };
      const auto room = [&](int64_t count) {
        memory.emplace_back(count);
        return Out(memory.back().data(), dtype);
      };
      const auto close = [&](const char* what, const Out& got, const Floats& want) {
        Floats wide(want.size());
        check.op.cast(check.context, {(int64_t)want.size(), got, wide.data()});
        check.close(what, wide, Doubles(want.begin(), want.end()), dtype == DType::bf16 ? 5e-3 : 6e-4);
      };
      Floats dy = check.normal(p.bld());
      const In u = narrow(p.u), delta = narrow(p.delta), B = narrow(p.B), C = narrow(p.C), z = narrow(p.z), given = narrow(dy);
      const Result want = run(check, p);
      const Out y = room(p.bld());
      Floats final(p.bdn(), NAN), checkpoints(p.batch * scanTiles(p.length) * p.channels * p.state);
      check.op.selectiveScan(check.context, {p.batch, p.length, p.channels, p.state, p.groups, p.softplus, u, delta, p.A.data(), B, C, data(p.D), data(p.bias), z,
                                             data(p.initial), nullptr, nullptr, y, final.data(), checkpoints.data()});
      close("y", y, want.y);
      check.close("finalState", final, Doubles(want.final.begin(), want.final.end()), 2e-6);
      const GradientResult wanted = runBackward(check, p, dy, {});
      const Out du = room(p.bld()), ddelta = room(p.bld()), dB = room(p.blgn()), dC = room(p.blgn()), dz = room(p.bld());
      Floats dA(p.channels * p.state, NAN), dD(p.channels, NAN), dBias(p.channels, NAN), dInitial(p.bdn(), NAN);
      check.op.selectiveScanBackward(check.context, {p.batch, p.length, p.channels, p.state, p.groups, p.softplus, u, delta, p.A.data(), B, C, data(p.D), data(p.bias), z, nullptr,
                                                     nullptr, checkpoints.data(), given, {}, du, ddelta, dA.data(), dB, dC, dD.data(), dBias.data(), dz, dInitial.data()});
      close("du", du, wanted.u), close("ddelta", ddelta, wanted.delta), close("dB", dB, wanted.B), close("dC", dC, wanted.C), close("dz", dz, wanted.z);
      const auto same = [&](const char* what, const Floats& got, const Floats& x) { check.close(what, got, Doubles(x.begin(), x.end()), 4e-6); };
      same("dA", dA, wanted.A), same("dD", dD, wanted.D), same("ddeltaBias", dBias, wanted.bias), same("dInitialState", dInitial, wanted.initial);
    }
}

TEST(selectiveScanBackwardByDifferences) {
  const Problem<float> p = problem(check, {2, 19, 3, 2, 2}, 31);
  const Floats dy = check.normal(p.bld()), dFinal = check.normal(p.bdn());
  const GradientResult got = runBackward(check, p, dy, dFinal);
  Problem<double> exact = p.as<double>();
  const auto loss = [&] {
    const Forward f = forward(exact);
    double total = 0;
    for (int64_t i = 0; i < p.bld(); i++) total += dy[i] * f.y[i];
    for (int64_t i = 0; i < p.bdn(); i++) total += dFinal[i] * f.final[i];
    return total;
  };
  const auto compare = [&](const char* what, Doubles& operand, const Floats& gradient) {
    Doubles want;
    for (double& x : operand) {
      const double middle = x, h = 1e-5;
      x = middle + h;
      const double above = loss();
      x = middle - h;
      want.push_back((above - loss()) / (2 * h));
      x = middle;
    }
    check.close(what, gradient, want, 4e-6);
  };
  compare("du", exact.u, got.u), compare("ddelta", exact.delta, got.delta), compare("dA", exact.A, got.A);
  compare("dB", exact.B, got.B), compare("dC", exact.C, got.C), compare("dD", exact.D, got.D);
  compare("ddeltaBias", exact.bias, got.bias), compare("dz", exact.z, got.z), compare("dInitialState", exact.initial, got.initial);
}

TEST(selectiveScanTransposed) {
  for (const Shape& shape : shapes(check))
    for (int options : check.played ? std::vector<int>{2, 32, 64, 226} : std::vector<int>{0, 2, 32, 34, 2, 32, 64, 98, 128, 226}) {
      const Problem<float> p = problem(check, shape, options);
      const int64_t kind = check.random() % 3, position = kind == 0 ? (int64_t)(check.random() % p.length) : -1;
      const Floats g = kind == 2 ? check.normal(p.bld()) : Floats(), dFinal = check.random() % 2 ? check.normal(p.bdn()) : Floats();
      check.label += " position " + std::to_string(position) + (g.empty() ? "" : " g");
      Doubles dy(p.bld());
      for (int64_t b = 0; b < p.batch; b++)
        for (int64_t i = 0; i < p.end(b); i++)
          for (int64_t d = 0; d < p.channels; d++)
            dy[p.at(b, i, d)] = g.empty() ? i == (position < 0 ? p.end(b) - 1 : position) : g[p.at(b, i, d)];
      const Gradients want = backward(p.as<double>(), dy, Doubles(dFinal.begin(), dFinal.end()));
      const TransposedResult got = runTransposed(check, p, position, g, dFinal);
      check.close("out", got.out, want.u, 3e-6);
      check.close("dInitialState", got.initial, want.initial, 3e-6);
    }
}

/// Long texts of few channels, which go through the threads in pieces: the numbers that one thread finds.
TEST(selectiveScanInPieces) {
  if (!check.withThreads || check.context.threads() > 1) return;  // of the processor alone, and once a level
  for (const Shape& shape : {Shape{1, 4300, 4, 16, 1}, {1, 4296, 16, 16, 1}, {1, 2200, 48, 16, 1}, {2, 4200, 3, 7, 2}, {1, 1500, 11, 64, 1}, {3, 11200, 2, 1, 1}, {1, 450, 5, 250, 1}})
    for (int options : {0, 63, 64 | 5, 255}) {
      const Problem<float> p = problem(check, shape, options);
      Problem<float> positive = p;
      for (float& x : positive.delta) x = std::abs(x) + 0.001f;
      const bool row = options % 2;
      const Floats g = row ? Floats() : check.normal(p.bld()), dFinal = options & 16 ? check.normal(p.bdn()) : Floats();
      const int64_t position = row ? p.length * 2 / 3 : -1;
      const Result want = run(check, p, false, true, check.alone);
      const TransposedResult wanted = runTransposed(check, positive, position, g, dFinal, check.alone);
      check.close("y", want.y, forward(p.as<double>()).y, 2e-6);
      for (int threads : {2, 3, 4, 16}) {
        const auto context = check.withThreads(threads);
        const std::string label = check.label;
        check.label += " threads " + std::to_string(threads);
        const Result got = run(check, p, false, true, context.get());
        check.equal("y", got.y, want.y), check.equal("finalState", got.final, want.final), check.equal("checkpoints", got.checkpoints, want.checkpoints);
        if (!p.initial.empty()) check.equal("state in place", run(check, p, true, false, context.get()).final, want.final);
        const TransposedResult transposed = runTransposed(check, positive, position, g, dFinal, context.get());
        check.equal("out", transposed.out, wanted.out), check.equal("dInitialState", transposed.initial, wanted.initial);
        check.label = label;
      }
    }
}

}  // namespace
