// The scan, its backward pass and a row of attention; the mean matrix; matrix products.
#include "bench.h"

namespace ha {
namespace {

struct Scan {
  SelectiveScan forward{};
  SelectiveScanBackward backward{};
};

Scan scanProblem(Bench& b, int64_t batch, int64_t length, int64_t channels, int64_t state, DType dtype, bool withBackward) {
  const int64_t bld = batch * length * channels, bln = batch * length * state;
  Scan s;
  s.forward.batch = batch, s.forward.length = length, s.forward.channels = channels, s.forward.state = state, s.forward.groups = 1, s.forward.softplus = true;
  s.forward.u = b.random(bld, dtype), s.forward.delta = b.random(bld, dtype, -3, 1), s.forward.A = b.random(channels * state, DType::f32, -8, 7);
  s.forward.B = b.random(bln, dtype), s.forward.C = b.random(bln, dtype), s.forward.D = b.random(channels, DType::f32);
  s.forward.deltaBias = b.random(channels, DType::f32), s.forward.z = b.random(bld, dtype), s.forward.y = b.empty(bld, dtype);
  if (!withBackward) return s;
  s.forward.checkpoints = b.empty(batch * scanTiles(length) * channels * state, DType::f32);
  auto& g = s.backward;
  g.batch = batch, g.length = length, g.channels = channels, g.state = state, g.groups = 1, g.softplus = true;
  g.u = s.forward.u, g.delta = s.forward.delta, g.A = s.forward.A, g.B = s.forward.B, g.C = s.forward.C, g.D = s.forward.D;
  g.deltaBias = s.forward.deltaBias, g.z = s.forward.z, g.checkpoints = s.forward.checkpoints, g.dy = b.random(bld, dtype);
  g.du = b.empty(bld, dtype), g.ddelta = b.empty(bld, dtype), g.dz = b.empty(bld, dtype), g.dA = b.empty(channels * state, DType::f32);
  g.dB = b.empty(bln, dtype), g.dC = b.empty(bln, dtype), g.dD = b.empty(channels, DType::f32), g.ddeltaBias = b.empty(channels, DType::f32);
  return s;
}

}  // namespace

void benchScans(Bench& b) {
  struct Shape {
    int64_t batch, length, channels;
    bool backward;
  };
  const std::vector<Shape> shapes = b.small ? std::vector<Shape>{{1, 40, 64, true}}
                                            : std::vector<Shape>{{8, 2048, 1536, true}, {1, 2048, 1536, true}, {1, 131072, 1536, true}, {64, 197, 384, true}, {1, 16384, 1536, true}};
  for (const auto& [batch, length, channels, backward] : shapes)
    for (DType dtype : {DType::bf16, DType::f32}) {
      const double elements = static_cast<double>(batch * length * channels);
      if (dtype == DType::f32 && elements > 1e8) continue;
      const Scan s = scanProblem(b, batch, length, channels, 16, dtype, backward);
      const std::string shape = "B=" + std::to_string(batch) + " L=" + std::to_string(length) + " D=" + std::to_string(channels) + " N=16 " + nameOf(dtype);
      const double limit = std::max(elements * 4 * static_cast<double>(bytesOf(dtype)) / kBytesPerMs, elements * 20 / kExponentialsPerMs);
      SelectiveScan inference = s.forward;
      inference.checkpoints = {};
      const double forward = b.time([&] { b.op.selectiveScan(b.context, inference), b.done(); });
      b.line("scan forward", shape, forward, "ms", limit);
      SelectiveScanTransposed row{};
      row.batch = batch, row.length = length, row.channels = channels, row.state = 16, row.groups = 1, row.position = length - 1;
      row.delta = b.random(batch * length * channels, dtype, 0.05f, 0.04f), row.A = s.forward.A, row.B = s.forward.B, row.C = s.forward.C;
      row.out = b.empty(batch * length * channels, dtype);
      b.line("attention row, last position", shape, b.time([&] { b.op.selectiveScanTransposed(b.context, row), b.done(); }), "ms", 1.5 * forward);
      if (backward) {
        b.line("scan forward, states saved", shape, b.time([&] { b.op.selectiveScan(b.context, s.forward), b.done(); }), "ms");
        b.line("scan backward", shape, b.time([&] { b.op.selectiveScanBackward(b.context, s.backward), b.done(); }), "ms", 3 * forward);
      }
      b.clear();
    }
}

/// Mamba-2's scan at the shape of mamba2-130m: (4·N + 64)·D operations a position, x and y, and a state a chunk.
void benchChunkedScans(Bench& b) {
  for (const auto& [batch, length] : b.small ? std::vector<std::pair<int64_t, int64_t>>{{1, 40}} : std::vector<std::pair<int64_t, int64_t>>{{8, 2048}, {1, 2048}, {1, 16384}})
    for (DType dtype : {DType::bf16, DType::f32}) {
      const SsdShape s{batch, length, b.small ? 2 : 24, 64, b.small ? 16 : 128, 1};
      SsdScan forward{};
      static_cast<SsdShape&>(forward) = s;
      forward.x = b.random(s.valueCount(), dtype), forward.delta = b.random(s.stepCount(), dtype, 0.05f, 0.04f), forward.A = b.random(s.heads, DType::f32, -8, 7);
      forward.B = b.random(s.keyCount(), dtype), forward.C = b.random(s.keyCount(), dtype), forward.D = b.random(s.heads, DType::f32);
      forward.y = b.empty(s.valueCount(), dtype);
      const std::string shape = "B=" + std::to_string(batch) + " L=" + std::to_string(length) + " heads=" + std::to_string(s.heads) + " P=64 N=" +
                                std::to_string(s.state) + " " + nameOf(dtype);
      const double operations = static_cast<double>(s.valueCount()) * static_cast<double>(4 * s.state + kSsdChunk);
      const double bytes = 2 * static_cast<double>(s.valueCount() * bytesOf(dtype)) + 2 * static_cast<double>(ssdChunks(length) * s.stateCount() * 4);
      const double ms = b.time([&] { b.op.ssdScan(b.context, forward), b.done(); });
      b.line("chunked scan forward", shape, ms, "ms", std::max(bytes / kBytesPerMs, operations / kBf16PerMs));
      SsdScanBackward backward{};
      static_cast<SsdShape&>(backward) = s;
      forward.checkpoints = b.empty(ssdChunks(length) * s.stateCount(), DType::f32);
      backward.x = forward.x, backward.delta = forward.delta, backward.A = forward.A, backward.B = forward.B, backward.C = forward.C, backward.D = forward.D;
      backward.checkpoints = forward.checkpoints, backward.dy = b.random(s.valueCount(), dtype), backward.dx = b.empty(s.valueCount(), dtype);
      backward.ddelta = b.empty(s.stepCount(), dtype), backward.dA = b.empty(s.heads, DType::f32), backward.dD = b.empty(s.heads, DType::f32);
      backward.dB = b.empty(s.keyCount(), dtype), backward.dC = b.empty(s.keyCount(), dtype);
      b.op.ssdScan(b.context, forward), b.done();
      b.line("chunked scan backward", shape, b.time([&] { b.op.ssdScanBackward(b.context, backward), b.done(); }), "ms", 3 * ms);
      b.clear();
    }
}

void benchMatrices(Bench& b) {
  const int64_t length = b.small ? 48 : 4096, channels = b.small ? 8 : 1536, state = 16;
  AttentionMatrixReduced m{};
  m.batch = 1, m.length = length, m.channels = channels, m.state = state, m.groups = 1, m.rowStart = 0, m.rows = length;
  m.reduce = AttentionMatrixReduced::kMean;
  m.delta = b.random(length * channels, DType::f32, 0.05f, 0.04f), m.A = b.random(channels * state, DType::f32, -8, 7);
  m.B = b.random(length * state, DType::f32), m.C = b.random(length * state, DType::f32), m.out = b.empty(length * length, DType::f32);
  const double ms = b.time([&] { b.op.attentionMatrixReduced(b.context, m), b.done(); });
  const std::string shape = "L=" + std::to_string(length) + " D=" + std::to_string(channels) + " N=16";
  // what the tensor cores do: whole tiles of 128 below the diagonal, in a tile on it the spans of 16 before each other, all three times
  const double tiles = static_cast<double>((length + 127) / 128), entries = tiles * (tiles - 1) / 2 * 128 * 128 + tiles * 28 * 16 * 16;
  b.line("mean matrix", shape, ms, "ms");
  b.line("mean matrix, products done", shape, 3 * 2 * entries * static_cast<double>(channels * state) / ms / 1e9, "TFLOP/s", 0.4 * kBf16PerMs / 1e9);
  b.clear();
  const int64_t size = b.small ? 64 : 4096;
  for (DType dtype : {DType::bf16, DType::f32}) {
    Matmul p{size, size, size, false, true, false, b.random(size * size, dtype), b.random(size * size, dtype), {}, b.empty(size * size, dtype)};
    const double time = b.time([&] { b.op.matmul(b.context, p), b.done(); });
    b.line("matrix product", std::to_string(size) + "³ " + nameOf(dtype), 2.0 * static_cast<double>(size * size) * static_cast<double>(size) / time / 1e9, "TFLOP/s");
    b.clear();
  }
}

}  // namespace ha
