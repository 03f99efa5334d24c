// native_bench [threads]: the figures of the kernels against the machine and against plain loops, in one run, as JSON.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>
#include "../device/pool.h"
#include "../device/backend.h"
#include "bench.h"

namespace {

using Floats = std::vector<float>;

/// The least of `repeats` runs in milliseconds, after one to warm up.
template <class F> double best(int repeats, F body) {
  double least = 1e30;
  for (int i = 0; i <= repeats; i++) {
    const auto start = std::chrono::steady_clock::now();
    body();
    const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    if (i > 0) least = std::min(least, ms);
  }
  return least;
}

std::mt19937 generator{1};
Floats normal(size_t count, float scale = 1, float mean = 0) {
  std::normal_distribution<float> distribution(mean, scale);
  Floats v(count);
  for (auto& x : v) x = distribution(generator);
  return v;
}

struct Data {
  bench::Shape shape;
  Floats u, delta, z, A, B, C, D, bias;
  explicit Data(bench::Shape s)
      : shape(s), u(normal(s.length * s.channels)), delta(normal(s.length * s.channels, 0.3f)), z(normal(s.length * s.channels)),
        A(s.channels * s.state), B(normal(s.length * s.state)), C(normal(s.length * s.state)), D(s.channels, 1.0f),
        bias(normal(s.channels, 1.0f, -4.6f)) {
    for (size_t i = 0; i < A.size(); i++) A[i] = -static_cast<float>(i % s.state + 1);
  }
  bench::Operands operands() const { return {u.data(), delta.data(), z.data(), A.data(), B.data(), C.data(), D.data(), bias.data()}; }
};

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : static_cast<int>(std::thread::hardware_concurrency());
  const ha::Backend& op = *ha::cpuBackend(nullptr);
  ha::ThreadPool pool(threads);
  auto measure = [&](int repeats, auto body) { return best(repeats, [&] { body(), pool.reset(); }); };

  const bench::Shape s{2048, 1536, 16};
  const Data data(s);
  const size_t ld = s.length * s.channels, dn = s.channels * s.state, ln = s.length * s.state;
  Floats y(ld), state(dn), checkpoints(ha::scanTiles(s.length) * dn), dy = normal(ld);
  Floats du(ld), ddelta(ld), dA(dn), dB(ln), dC(ln), dD(s.channels), dbias(s.channels), dz(ld), row(ld), positive(ld);

  ha::SelectiveScan scan{1, s.length, s.channels, s.state, 1, true};
  scan.u = data.u.data(), scan.delta = data.delta.data(), scan.A = data.A.data(), scan.B = data.B.data(), scan.C = data.C.data();
  scan.D = data.D.data(), scan.deltaBias = data.bias.data(), scan.z = data.z.data(), scan.y = y.data(), scan.finalState = state.data();
  const double forward = measure(20, [&] { op.selectiveScan(pool, scan); });
  ha::SelectiveScan saving = scan;
  saving.checkpoints = checkpoints.data();
  const double forwardSaving = measure(10, [&] { op.selectiveScan(pool, saving); });

  ha::SelectiveScanBackward backward{1, s.length, s.channels, s.state, 1, true};
  backward.u = scan.u, backward.delta = scan.delta, backward.A = scan.A, backward.B = scan.B, backward.C = scan.C, backward.D = scan.D;
  backward.deltaBias = scan.deltaBias, backward.z = scan.z, backward.checkpoints = checkpoints.data(), backward.dy = dy.data();
  backward.du = du.data(), backward.ddelta = ddelta.data(), backward.dA = dA.data(), backward.dB = dB.data(), backward.dC = dC.data();
  backward.dD = dD.data(), backward.ddeltaBias = dbias.data(), backward.dz = dz.data();
  const double backwards = measure(10, [&] { op.selectiveScanBackward(pool, backward); });

  for (size_t i = 0; i < ld; i++) positive[i] = 0.001f + 0.02f * static_cast<float>(i % 97) / 97;
  ha::SelectiveScanTransposed transposed{1, s.length, s.channels, s.state, 1, s.length - 1};
  transposed.delta = positive.data(), transposed.A = scan.A, transposed.B = scan.B, transposed.C = scan.C, transposed.out = row.data();
  const double attentionRow = measure(20, [&] { op.selectiveScanTransposed(pool, transposed); });

  // the limit: each thread its share of the arithmetic, from registers
  volatile float sink = 0;
  const double limit = best(5, [&] {
    std::vector<std::thread> helpers;
    const long share = static_cast<long>(ld) * s.state / threads;
    for (int t = 1; t < threads; t++) helpers.emplace_back([&] { sink = bench::scanArithmetic(share, s.state); });
    sink = bench::scanArithmetic(share, s.state);
    for (auto& helper : helpers) helper.join();
  });
  const double plain = best(1, [&] { bench::plainScan(s, data.operands(), y.data()); });

  const bench::Shape m{1024, 64, 16};
  Data small(m);
  for (auto& x : small.delta) x = 0.001f + 0.02f * (x < 0 ? -x : x);
  Floats matrix(m.length * m.length);
  ha::AttentionMatrixReduced mean{1, m.length, m.channels, m.state, 1, 0, m.length, ha::AttentionMatrixReduced::kMean};
  mean.delta = small.delta.data(), mean.A = small.A.data(), mean.B = small.B.data(), mean.C = small.C.data(), mean.out = matrix.data();
  const double meanMatrix = measure(5, [&] { op.attentionMatrixReduced(pool, mean); });
  const double plainMatrix = best(1, [&] { bench::plainMeanMatrix(m, small.operands(), matrix.data()); });

  std::printf(
      "{\"level\":\"%s\",\"threads\":%d,\"shape\":\"B=1 L=%ld D=%ld N=%ld\",\"forwardMs\":%.3f,\"forwardSavingMs\":%.3f,\"backwardMs\":%.3f,"
      "\"rowMs\":%.3f,\"limitMs\":%.3f,\"plainMs\":%.1f,\"matrixShape\":\"L=%ld D=%ld N=%ld\",\"meanMatrixMs\":%.3f,\"plainMatrixMs\":%.1f}\n",
      op.name, threads, s.length, s.channels, s.state, forward, forwardSaving, backwards, attentionRow, limit, plain, m.length, m.channels, m.state,
      meanMatrix, plainMatrix);
}
