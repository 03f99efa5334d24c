// Times of the ops on this device, as JSON on stdout: cuda_bench [--small]. Shapes are those of mamba-130m and of the claims in
// native/README.md; inputs are random. A time is the median of several groups of calls, each group ended by a wait.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>
#include "../device/library.h"

namespace ha {
namespace gpu {
const LibraryTable& libraryTable();
}
namespace {

using Clock = std::chrono::steady_clock;

struct Bench {
  Hardware& hardware;
  const Backend& op;
  Context& context;
  bool small;
  std::vector<void*> blocks;
  std::vector<std::string> lines;
  uint32_t state = 1;

  explicit Bench(Hardware& hardware, bool small) : hardware(hardware), op(hardware.backend()), context(hardware.context()), small(small) {}
  ~Bench() { clear(); }

  void* memory(int64_t bytes) {
    void* block = hardware.allocate(static_cast<size_t>(bytes));
    if (!block) throw std::runtime_error("out of device memory: " + std::to_string(bytes >> 20) + " MiB asked for");
    blocks.push_back(block);
    return block;
  }
  void clear() {
    wait();
    for (void* block : blocks) hardware.free(block);
    blocks.clear();
  }
  /// Random numbers around `middle`, `spread` wide.
  Out random(int64_t count, DType dtype, float middle = 0, float spread = 1) {
    void* to = memory(count * bytesOf(dtype));
    std::vector<float> part(static_cast<size_t>(std::min<int64_t>(count, 1 << 20)));
    for (float& x : part) {
      state = state * 1664525u + 1013904223u;
      x = middle + spread * (static_cast<float>(state >> 8) / 8388608.f - 1);
    }
    std::vector<uint16_t> narrow(dtype == DType::f32 ? 0 : part.size());
    for (size_t i = 0; i < narrow.size(); i++) {  // bf16 by cutting: random anyway
      uint32_t bits;
      std::memcpy(&bits, &part[i], 4);
      narrow[i] = static_cast<uint16_t>(bits >> 16);
    }
    const void* from = narrow.empty() ? static_cast<const void*>(part.data()) : narrow.data();
    for (int64_t at = 0; at < count; at += static_cast<int64_t>(part.size()))
      hardware.toDevice(static_cast<char*>(to) + at * bytesOf(dtype), from,
                        static_cast<size_t>(std::min<int64_t>(count - at, static_cast<int64_t>(part.size())) * bytesOf(dtype)));
    return {to, dtype};
  }
  Out empty(int64_t count, DType dtype) { return {memory(count * bytesOf(dtype)), dtype}; }
  int32_t* ids(int64_t count, int32_t below) {
    std::vector<int32_t> host(static_cast<size_t>(count));
    for (auto& id : host) state = state * 1664525u + 1013904223u, id = static_cast<int32_t>((state >> 8) % static_cast<uint32_t>(below));
    void* to = memory(count * 4);
    hardware.toDevice(to, host.data(), host.size() * 4);
    return static_cast<int32_t*>(to);
  }
  void done() {
    if (const char* error = hardware.finishOp()) throw std::runtime_error(error);
    if (const int fault = hardware.takeFault()) hardware.forget(fault);
  }
  void wait() {
    std::string error;
    hardware.toHost(nullptr, nullptr, 0, nullptr, 0, [](void* data, const char* text) { *static_cast<std::string*>(data) = text ? text : ""; }, &error);
    hardware.finish();
    if (!error.empty()) throw std::runtime_error(error);
  }
  /// Milliseconds of one call of `body`.
  template <class F> double time(const F& body) {
    const auto group = [&](int calls) {
      wait();
      const auto start = Clock::now();
      for (int i = 0; i < calls; i++) body();
      wait();
      return std::chrono::duration<double, std::milli>(Clock::now() - start).count() / calls;
    };
    const double once = std::max(group(1), group(1));
    const int calls = small ? 1 : std::clamp(static_cast<int>(30 / (once + 1e-3)), 1, 200);
    std::vector<double> times;
    for (int i = 0; i < (small ? 1 : 7); i++) times.push_back(group(calls));
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
  }
  void line(const std::string& name, const std::string& shape, double value, const char* unit, double limit = 0) {
    char text[512];
    const std::string bound = limit > 0 ? ", \"limit\": " + std::to_string(limit) : "";
    std::snprintf(text, sizeof text, "{\"name\": \"%s\", \"shape\": \"%s\", \"value\": %.6g, \"unit\": \"%s\"%s}", name.c_str(), shape.c_str(), value, unit, bound.c_str());
    lines.push_back(text);
    std::fprintf(stderr, "%-28s %-34s %12.6g %s%s\n", name.c_str(), shape.c_str(), value, unit, limit > 0 ? ("  (limit " + std::to_string(limit) + ")").c_str() : "");
  }
};

/// What an H200 can do at most (cuda.md, the vendor's sheet): bytes a millisecond in a copy; exponentials a millisecond.
constexpr double kBytesPerMs = 4.3e9, kExponentialsPerMs = 132 * 16 * 1.98e6, kBf16PerMs = 989e9;

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

void scans(Bench& b) {
  struct Shape {
    int64_t batch, length, channels;
    bool backward;
  };
  const std::vector<Shape> shapes = b.small ? std::vector<Shape>{{1, 40, 64, true}}
                                            : std::vector<Shape>{{8, 2048, 1536, true}, {1, 2048, 1536, true}, {1, 131072, 1536, false}, {64, 197, 384, true}, {1, 16384, 1536, true}};
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
void chunkedScans(Bench& b) {
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

void matrices(Bench& b) {
  const int64_t length = b.small ? 48 : 4096, channels = b.small ? 8 : 1536, state = 16;
  AttentionMatrixReduced m{};
  m.batch = 1, m.length = length, m.channels = channels, m.state = state, m.groups = 1, m.rowStart = 0, m.rows = length;
  m.reduce = AttentionMatrixReduced::kMean;
  m.delta = b.random(length * channels, DType::f32, 0.05f, 0.04f), m.A = b.random(channels * state, DType::f32, -8, 7);
  m.B = b.random(length * state, DType::f32), m.C = b.random(length * state, DType::f32), m.out = b.empty(length * length, DType::f32);
  const double ms = b.time([&] { b.op.attentionMatrixReduced(b.context, m), b.done(); });
  const std::string shape = "L=" + std::to_string(length) + " D=" + std::to_string(channels) + " N=16";
  const double products = static_cast<double>(length) * static_cast<double>(length) * static_cast<double>(channels * state);  // 2·(L²/2)·D·N
  b.line("mean matrix", shape, ms, "ms");
  b.line("mean matrix, useful rate", shape, products / ms / 1e9, "TFLOP/s", 0.4 * kBf16PerMs / 1e9);
  b.clear();
  const int64_t size = b.small ? 64 : 4096;
  for (DType dtype : {DType::bf16, DType::f32}) {
    Matmul p{size, size, size, false, true, false, b.random(size * size, dtype), b.random(size * size, dtype), {}, b.empty(size * size, dtype)};
    const double time = b.time([&] { b.op.matmul(b.context, p), b.done(); });
    b.line("matrix product", std::to_string(size) + "³ " + nameOf(dtype), 2.0 * static_cast<double>(size * size) * static_cast<double>(size) / time / 1e9, "TFLOP/s");
    b.clear();
  }
}

/// The ops of one mamba layer, forward, for `rows` positions of each of `batch` rows.
struct Layer {
  int64_t width, inner, rank, state = 16, taps = 4;
  In norm, inProjection, convolution, convolutionBias, xProjection, dtProjection, A, D, deltaBias, outProjection;
};
Layer layerOf(Bench& b, int64_t width, DType dtype) {
  Layer l{width, 2 * width, (width + 15) / 16};
  const float scale = 1 / std::sqrt(static_cast<float>(width));
  l.norm = b.random(width, DType::f32, 1, 0.1f), l.inProjection = b.random(2 * l.inner * width, dtype, 0, scale);
  l.convolution = b.random(l.inner * l.taps, DType::f32, 0, 0.5f), l.convolutionBias = b.random(l.inner, DType::f32, 0, 0.1f);
  l.xProjection = b.random((l.rank + 2 * l.state) * l.inner, dtype, 0, scale), l.dtProjection = b.random(l.inner * l.rank, dtype, 0, 0.1f);
  l.A = b.random(l.inner * l.state, DType::f32, -8, 7), l.D = b.random(l.inner, DType::f32, 1, 0.1f), l.deltaBias = b.random(l.inner, DType::f32, -3, 1);
  l.outProjection = b.random(width * l.inner, dtype, 0, scale);
  return l;
}
struct Space {
  Out residual, hidden, both, x, z, convolved, projected, low, B, C, delta, y, scale;
};
Space spaceFor(Bench& b, const Layer& l, int64_t rows, DType dtype) {
  Space s;
  s.residual = b.random(rows * l.width, DType::f32), s.hidden = b.random(rows * l.width, dtype), s.both = b.empty(rows * 2 * l.inner, dtype);
  s.x = b.empty(rows * l.inner, dtype), s.z = b.empty(rows * l.inner, dtype), s.convolved = b.empty(rows * l.inner, dtype);
  s.projected = b.empty(rows * (l.rank + 2 * l.state), dtype), s.low = b.empty(rows * l.rank, dtype), s.B = b.empty(rows * l.state, dtype);
  s.C = b.empty(rows * l.state, dtype), s.delta = b.empty(rows * l.inner, dtype), s.y = b.empty(rows * l.inner, dtype), s.scale = b.empty(rows, DType::f32);
  s.residual.dtype = DType::f32;
  return s;
}
void split(Bench& b, int64_t rows, const Out& source, int64_t columns, int64_t offset, int64_t count, const Out& target) {
  b.op.copyBlocks(b.context, {rows, count, offset, columns, rows * columns, 0, count, rows * count, source, target});
  b.done();
}
void product(Bench& b, int64_t rows, int64_t outputs, int64_t inputs, In x, In weight, Out y) {
  b.op.matmul(b.context, {rows, outputs, inputs, false, true, false, x, weight, {}, y});
  b.done();
}
void layerForward(Bench& b, const Layer& l, const Space& s, int64_t batch, int64_t length, Out window, Out states, Out checkpoints) {
  const int64_t rows = batch * length;
  RmsNorm norm{};
  norm.rows = rows, norm.width = l.width, norm.groups = 1, norm.epsilon = 1e-5f, norm.x = s.hidden, norm.weight = l.norm, norm.y = s.hidden, norm.scale = s.scale;
  b.op.rmsNorm(b.context, norm), b.done();
  product(b, rows, 2 * l.inner, l.width, s.hidden, l.inProjection, s.both);
  split(b, rows, s.both, 2 * l.inner, 0, l.inner, s.x), split(b, rows, s.both, 2 * l.inner, l.inner, l.inner, s.z);
  CausalConv1d conv{batch, length, l.inner, l.taps, s.x, l.convolution, l.convolutionBias, window, {}, {}, s.convolved, window};
  b.op.causalConv1d(b.context, conv), b.done();
  b.op.unary(b.context, {rows * l.inner, UnaryKind::kSilu, 0, 0, s.convolved, s.convolved}), b.done();
  const int64_t columns = l.rank + 2 * l.state;
  product(b, rows, columns, l.inner, s.convolved, l.xProjection, s.projected);
  split(b, rows, s.projected, columns, 0, l.rank, s.low), split(b, rows, s.projected, columns, l.rank, l.state, s.B);
  split(b, rows, s.projected, columns, l.rank + l.state, l.state, s.C);
  product(b, rows, l.inner, l.rank, s.low, l.dtProjection, s.delta);
  SelectiveScan scan{};
  scan.batch = batch, scan.length = length, scan.channels = l.inner, scan.state = l.state, scan.groups = 1, scan.softplus = true;
  scan.u = s.convolved, scan.delta = s.delta, scan.A = l.A, scan.B = s.B, scan.C = s.C, scan.D = l.D, scan.deltaBias = l.deltaBias, scan.z = s.z;
  scan.initialState = states, scan.y = s.y, scan.finalState = states, scan.checkpoints = checkpoints;
  b.op.selectiveScan(b.context, scan), b.done();
  product(b, rows, l.width, l.inner, s.y, l.outProjection, s.hidden);
}

/// Tokens a second of generation, batch 1, random weights, a captured graph a token.
void decode(Bench& b, const std::string& name, int64_t layers, int64_t width) {
  const DType dtype = DType::bf16;
  const int64_t vocabulary = b.small ? 100 : 50280;
  std::vector<Layer> all;
  std::vector<Out> windows, states;
  for (int64_t i = 0; i < layers; i++) {
    all.push_back(layerOf(b, width, dtype));
    windows.push_back(b.random(all[0].inner * 3, DType::f32)), states.push_back(b.random(all[0].inner * 16, DType::f32));
  }
  const Out table = b.random(vocabulary * width, dtype, 0, 0.02f), logits = b.empty(vocabulary, dtype);
  const Space space = spaceFor(b, all[0], 1, dtype);
  const int32_t* token = b.ids(1, static_cast<int32_t>(vocabulary));
  double weights = static_cast<double>(vocabulary * width);
  for (const Layer& l : all)
    weights += static_cast<double>(3 * l.inner * width + (l.rank + 2 * l.state) * l.inner + l.inner * l.rank);
  const auto step = [&] {
    b.op.embedding(b.context, {1, vocabulary, width, token, table, space.hidden}), b.done();
    for (int64_t i = 0; i < layers; i++) layerForward(b, all[static_cast<size_t>(i)], space, 1, 1, windows[static_cast<size_t>(i)], states[static_cast<size_t>(i)], {});
    product(b, 1, vocabulary, width, space.hidden, table, logits);
  };
  step();
  void* graph = nullptr;
  if (b.hardware.beginCapture()) step(), graph = b.hardware.endCapture();
  const double ms = b.time([&] {
    if (graph) b.hardware.replay(graph), b.done();
    else step();
  });
  const std::string shape = std::to_string(layers) + " layers, width " + std::to_string(width) + " bf16" + (graph ? ", one graph" : ", no graph");
  b.line("decode " + name, shape, 1000 / ms, "tokens/s", 1000 * kBytesPerMs / (weights * 2) / 1000 * 1000);
  if (graph) b.hardware.dropCapture(graph);
  b.clear();
}

/// Forward of all layers and the loss, as a share of a training step that is easy to compare: the rest is bound by products.
void prefill(Bench& b, int64_t layers, int64_t width, int64_t batch, int64_t length) {
  const DType dtype = DType::bf16;
  const Layer layer = layerOf(b, width, dtype);
  const int64_t rows = batch * length;
  const Space space = spaceFor(b, layer, rows, dtype);
  const double ms = b.time([&] {
    for (int64_t i = 0; i < layers; i++) layerForward(b, layer, space, batch, length, {}, {}, {});
  });
  b.line("layers forward", std::to_string(layers) + " layers, width " + std::to_string(width) + ", B=" + std::to_string(batch) + " L=" + std::to_string(length) + " bf16",
         static_cast<double>(rows) / ms * 1000, "tokens/s");
  b.clear();
}

template <class F> void part(Bench& b, const char* name, const F& body) {
  try {
    body();
  } catch (const std::exception& error) {
    std::string text = error.what();
    for (char& c : text)
      if (c == '"' || c == '\\' || c == '\n') c = '\'';
    b.lines.push_back("{\"name\": \"" + std::string(name) + "\", \"error\": \"" + text + "\"}");
    std::fprintf(stderr, "%s: %s\n", name, error.what());
    b.blocks.clear();
  }
}

}  // namespace
}  // namespace ha

int main(int argc, char** argv) {
  using namespace ha;
  const LibraryTable& table = gpu::libraryTable();
  char text[512] = "";
  if (table.count(text, sizeof text) == 0) {
    std::printf("{\"error\": \"%s\"}\n", text);
    return 1;
  }
  std::unique_ptr<Hardware> hardware(table.open(0, text, sizeof text));
  if (!hardware) {
    std::printf("{\"error\": \"%s\"}\n", text);
    return 1;
  }
  char card[256] = "";
  size_t bytes = 0;
  table.describe(0, card, sizeof card, &bytes);
  Bench b(*hardware, argc > 1 && !std::strcmp(argv[1], "--small"));
  hardware->begin();
  part(b, "scans", [&] { scans(b); });
  part(b, "chunked scans", [&] { chunkedScans(b); });
  part(b, "matrices", [&] { matrices(b); });
  part(b, "decode 130m", [&] { b.small ? decode(b, "small", 2, 32) : decode(b, "130m", 24, 768); });
  if (!b.small) part(b, "decode 2.8b", [&] { decode(b, "2.8b", 64, 2560); });
  part(b, "layers forward", [&] { b.small ? prefill(b, 1, 32, 1, 20) : prefill(b, 24, 768, 8, 2048); });
  std::printf("{\"device\": \"%s\", \"memory\": %zu, \"figures\": [\n", card, bytes);
  for (size_t i = 0; i < b.lines.size(); i++) std::printf("  %s%s\n", b.lines[i].c_str(), i + 1 < b.lines.size() ? "," : "");
  std::printf("]}\n");
  return 0;
}
