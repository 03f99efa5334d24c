// The scan and its backward passes at the shape of mamba-130m's layers, the machine's limit for their arithmetic, and plain loops.
#include <algorithm>
#include <thread>
#include "../device/backend.h"
#include "../device/pool.h"
#include "bench.h"

namespace bench {

namespace {
/// A long text of fewer blocks of channels than threads, or of a number that leaves threads waiting; as many times the time of one thread.
void fewChannels(Run& run, long channels) {
  const Shape s{run.quick ? 4096 : 16384, channels, 16};
  const Data data(s);
  const size_t ld = s.length * s.channels;
  std::vector<float> y(ld), positive(ld, 0.001f);
  ha::SelectiveScan forward{1, s.length, s.channels, s.state, 1, true};
  forward.u = data.u.data(), forward.delta = data.delta.data(), forward.A = data.A.data(), forward.B = data.B.data(), forward.C = data.C.data();
  forward.D = data.D.data(), forward.deltaBias = data.bias.data(), forward.z = data.z.data(), forward.y = y.data();
  ha::SelectiveScanTransposed transposed{1, s.length, s.channels, s.state, 1, -1};
  transposed.delta = positive.data(), transposed.A = forward.A, transposed.B = forward.B, transposed.C = forward.C, transposed.D = forward.D;
  transposed.g = forward.u, transposed.out = y.data();

  ha::ThreadPool one(1);
  Run alone{run.op, one, 1, run.repeats, run.quick, run.processorTime, ""};
  const std::string width = std::to_string(channels), shape = "B=1 L=" + std::to_string(s.length) + " D=" + width + " N=16";
  const auto compare = [&](const std::string& name, const std::string& what, const auto& body) {
    const auto least = [](const Times& times) { return *std::min_element(times.begin(), times.end()); };
    const double all = least(run.time(name + width, what + ", few channels, " + shape, [&] { body(run.pool); }));
    const double single = least(alone.time(name + width + "Alone", "the same on one thread", [&] { body(one); }));
    run.output += ",\n " + alone.output, alone.output.clear();
    run.figure(name + width + "Gain", "times as fast as one thread", single / all);
  };
  compare("few", "fused scan", [&](ha::ThreadPool& pool) { run.op.selectiveScan(pool, forward); });
  compare("fewTransposed", "transposed scan", [&](ha::ThreadPool& pool) { run.op.selectiveScanTransposed(pool, transposed); });
}
}  // namespace

void scan(Run& run) {
  const Shape s{run.quick ? 512 : 2048, 1536, 16};
  const Data data(s);
  const size_t ld = s.length * s.channels, dn = s.channels * s.state, ln = s.length * s.state;
  using Floats = std::vector<float>;
  Floats y(ld), state(dn), checkpoints(ha::scanTiles(s.length) * dn), dy = normal(ld);
  Floats du(ld), ddelta(ld), dA(dn), dB(ln), dC(ln), dD(s.channels), dbias(s.channels), dz(ld), row(ld), positive(ld);
  const std::string shape = "B=1 L=" + std::to_string(s.length) + " D=1536 N=16";

  ha::SelectiveScan forward{1, s.length, s.channels, s.state, 1, true};
  forward.u = data.u.data(), forward.delta = data.delta.data(), forward.A = data.A.data(), forward.B = data.B.data();
  forward.C = data.C.data(), forward.D = data.D.data(), forward.deltaBias = data.bias.data(), forward.z = data.z.data();
  forward.y = y.data(), forward.finalState = state.data();
  ha::SelectiveScan saving = forward;
  saving.checkpoints = checkpoints.data();

  ha::SelectiveScanBackward backward{1, s.length, s.channels, s.state, 1, true};
  backward.u = forward.u, backward.delta = forward.delta, backward.A = forward.A, backward.B = forward.B, backward.C = forward.C;
  backward.D = forward.D, backward.deltaBias = forward.deltaBias, backward.z = forward.z, backward.dy = dy.data();
  backward.checkpoints = checkpoints.data();
  backward.du = du.data(), backward.ddelta = ddelta.data(), backward.dA = dA.data(), backward.dB = dB.data(), backward.dC = dC.data();
  backward.dD = dD.data(), backward.ddeltaBias = dbias.data(), backward.dz = dz.data();

  for (size_t i = 0; i < ld; i++) positive[i] = 0.001f + 0.02f * static_cast<float>(i % 97) / 97;
  ha::SelectiveScanTransposed transposed{1, s.length, s.channels, s.state, 1, s.length - 1};
  transposed.delta = positive.data(), transposed.A = forward.A, transposed.B = forward.B, transposed.C = forward.C, transposed.out = row.data();

  run.time("forward", "fused scan, " + shape, [&] { run.op.selectiveScan(run.pool, forward); });
  run.time("saving", "the same, keeping states for the backward", [&] { run.op.selectiveScan(run.pool, saving); });
  run.time("backward", "its backward, all gradients", [&] { run.op.selectiveScanBackward(run.pool, backward); });
  run.time("row", "attention row of the last position, all channels", [&] { run.op.selectiveScanTransposed(run.pool, transposed); });

  // the limit: each thread its share of the arithmetic, from registers
  static volatile float sink;
  run.time("limit", "the arithmetic of the fused scan, from registers", [&] {
    std::vector<std::thread> helpers;
    const long share = static_cast<long>(ld) * s.state / run.threads;
    for (int t = 1; t < run.threads; t++) helpers.emplace_back([&] { sink = scanArithmetic(share, s.state); });
    sink = scanArithmetic(share, s.state);
    for (auto& helper : helpers) helper.join();
  });
  Run once{run.op, run.pool, run.threads, 1, run.quick, run.processorTime, ""};
  once.time("plain", "plain C++ loop, one thread, -O3", [&] { plainScan(s, data.operands(), y.data()); });
  run.output += ",\n " + once.output;
  for (const long channels : {16, 48}) fewChannels(run, channels);
}

}  // namespace bench
