// The scan and its backward passes at the shape of mamba-130m's layers, the machine's limit for their arithmetic, and plain loops.
#include <thread>
#include "../device/backend.h"
#include "../device/pool.h"
#include "bench.h"

namespace bench {

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
}

}  // namespace bench
