// Hidden attention as a matrix, beside one matrix product of the same size and beside the way of the paper's released code.
#include "../device/backend.h"
#include "../device/pool.h"
#include "bench.h"

namespace bench {
namespace {

using Floats = std::vector<float>;

/// Operands whose delta is positive already.
Data positive(Shape s) {
  Data data(s);
  for (float& x : data.delta) x = 0.001f + 0.02f * (x < 0 ? -x : x);
  return data;
}

void mean(Run& run, const char* name, Shape s) {
  const Data data = positive(s);
  Floats out(s.length * s.length);
  ha::AttentionMatrixReduced m{1, s.length, s.channels, s.state, 1, 0, s.length, ha::AttentionMatrixReduced::kMean};
  m.delta = data.delta.data(), m.A = data.A.data(), m.B = data.B.data(), m.C = data.C.data(), m.out = out.data();
  run.time(name, "mean over channels, L=" + std::to_string(s.length) + " D=" + std::to_string(s.channels) + " N=16",
           [&] { run.op.attentionMatrixReduced(run.pool, m); });
}

void reference(Run& run, const char* name, Shape s) {
  const Data data = positive(s);
  Floats out(s.length * s.length * s.channels);
  run.time(name, "the released code's way, plain loops, L=" + std::to_string(s.length) + " D=" + std::to_string(s.channels) + " N=16",
           [&] { plainMatrix(s, data.operands(), out.data()); });
}

}  // namespace

void matrices(Run& run) {
  const long length = run.quick ? 512 : 1024;
  const Shape dense{197, 384, 16};
  const Data data = positive(dense);
  Floats out(dense.channels * dense.length * dense.length);
  std::vector<int32_t> channels(dense.channels);
  for (long d = 0; d < dense.channels; d++) channels[d] = static_cast<int32_t>(d);
  ha::AttentionMatrix m{1, dense.length, dense.channels, dense.state, 1, dense.channels, 0, dense.length};
  m.delta = data.delta.data(), m.A = data.A.data(), m.B = data.B.data(), m.C = data.C.data(), m.out = out.data();
  m.selection = channels.data();
  run.time("dense", "every channel, L=197 D=384 N=16", [&] { run.op.attentionMatrix(run.pool, m); });
  mean(run, "mean512", {512, 1536, 16});
  mean(run, "meanLong", {length, 1536, 16});

  const long depth = 1536 * 16;
  const Floats a = normal(length * depth), b = normal(length * depth);
  Floats c(length * length);
  ha::Matmul product{length, length, depth, false, true, false, a.data(), b.data(), ha::In{}, c.data()};
  run.time("product", "one matrix product L x L x (D N), L=" + std::to_string(length), [&] { run.op.matmul(run.pool, product); });

  Run once{run.op, run.pool, 1, 1, run.quick, run.processorTime, ""};
  reference(once, "reference384x64", {64, 384, 16});
  reference(once, "reference384x128", {128, 384, 16});
  reference(once, "reference1536x64", {64, 1536, 16});
  reference(once, "reference1536x128", {128, 1536, 16});
  run.output += ",\n " + once.output;
}

}  // namespace bench
