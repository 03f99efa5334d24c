// A model of mamba layers made of op calls, with random weights: generation, and a step of training.
#include "bench.h"

namespace ha {
namespace {

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
  Out residual, hidden, x, z, u, projected, low, B, C, delta, y, scale;
};
Space spaceFor(Bench& b, const Layer& l, int64_t rows, DType dtype) {
  Space s;
  s.residual = b.random(rows * l.width, DType::f32), s.hidden = b.random(rows * l.width, dtype);
  s.x = b.empty(rows * l.inner, dtype), s.z = b.empty(rows * l.inner, dtype), s.u = b.empty(rows * l.inner, dtype);
  s.projected = b.empty(rows * (l.rank + 2 * l.state), dtype), s.low = b.empty(rows * l.rank, dtype), s.B = b.empty(rows * l.state, dtype);
  s.C = b.empty(rows * l.state, dtype), s.delta = b.empty(rows * l.inner, dtype), s.y = b.empty(rows * l.inner, dtype), s.scale = b.empty(rows, DType::f32);
  return s;
}
void split(Bench& b, int64_t rows, const Out& source, int64_t columns, int64_t offset, int64_t count, const Out& target) {
  b.op.copyBlocks(b.context, {rows, count, offset, columns, rows * columns, 0, count, rows * count, source, target});
  b.done();
}
/// x times some rows of a weight, which begin at `offset`.
void product(Bench& b, int64_t rows, int64_t outputs, int64_t inputs, In x, In weight, Out y, int64_t offset = 0) {
  b.op.matmul(b.context, {rows, outputs, inputs, false, true, false, x, weight, {}, y, offset, 0});
  b.done();
}
void layerForward(Bench& b, const Layer& l, const Space& s, int64_t batch, int64_t length, Out window, Out states, Out checkpoints) {
  const int64_t rows = batch * length;
  RmsNorm norm{};
  norm.rows = rows, norm.width = l.width, norm.groups = 1, norm.epsilon = 1e-5f, norm.x = s.hidden, norm.weight = l.norm, norm.y = s.hidden, norm.scale = s.scale;
  b.op.rmsNorm(b.context, norm), b.done();
  product(b, rows, l.inner, l.width, s.hidden, l.inProjection, s.x);
  product(b, rows, l.inner, l.width, s.hidden, l.inProjection, s.z, l.inner * l.width);
  CausalConv1d conv{batch, length, l.inner, l.taps, true, s.x, l.convolution, l.convolutionBias, window, {}, {}, s.u, window};
  b.op.causalConv1d(b.context, conv), b.done();
  const int64_t columns = l.rank + 2 * l.state;
  product(b, rows, columns, l.inner, s.u, l.xProjection, s.projected);
  split(b, rows, s.projected, columns, 0, l.rank, s.low), split(b, rows, s.projected, columns, l.rank, l.state, s.B);
  split(b, rows, s.projected, columns, l.rank + l.state, l.state, s.C);
  product(b, rows, l.inner, l.rank, s.low, l.dtProjection, s.delta);
  SelectiveScan scan{};
  scan.batch = batch, scan.length = length, scan.channels = l.inner, scan.state = l.state, scan.groups = 1, scan.softplus = true;
  scan.u = s.u, scan.delta = s.delta, scan.A = l.A, scan.B = s.B, scan.C = s.C, scan.D = l.D, scan.deltaBias = l.deltaBias, scan.z = s.z;
  scan.initialState = states, scan.y = s.y, scan.finalState = states, scan.checkpoints = checkpoints;
  b.op.selectiveScan(b.context, scan), b.done();
  product(b, rows, l.width, l.inner, s.y, l.outProjection, s.hidden);
}

}  // namespace

/// Tokens a second of generation, batch 1, random weights, a captured graph a token.
void benchDecode(Bench& b, const std::string& name, int64_t layers, int64_t width) {
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

/// A training step: all layers forward and backward, the head with its loss, AdamW. All layers use one layer's weights and memory, which
/// changes nothing in what is computed and moved. The share of the scan is its time alone, forward and backward, in that of the step.
void benchTraining(Bench& b, int64_t layers, int64_t width, int64_t batch, int64_t length) {
  const DType dtype = DType::bf16, wide = DType::f32;
  const int64_t rows = batch * length, vocabulary = b.small ? 100 : 50280;
  const Layer l = layerOf(b, width, dtype);
  const int64_t columns = l.rank + 2 * l.state;
  Space s = spaceFor(b, l, rows, dtype), d = spaceFor(b, l, rows, dtype);  // values and their gradients
  const Out checkpoints = b.empty(batch * scanTiles(length) * l.inner * l.state, wide);
  const Out dIn = b.empty(2 * l.inner * width, dtype), dConvolution = b.empty(l.inner * l.taps, wide), dBias = b.empty(l.inner, wide);
  const Out dX = b.empty(columns * l.inner, dtype), dDt = b.empty(l.inner * l.rank, dtype), dOut = b.empty(width * l.inner, dtype);
  const Out dA = b.empty(l.inner * l.state, wide), dD = b.empty(l.inner, wide), dDelta = b.empty(l.inner, wide), dNorm = b.empty(width, wide);
  const Out dInput = b.empty(rows * width, dtype);
  const Out table = b.random(vocabulary * width, dtype, 0, 0.02f), dTable = b.empty(vocabulary * width, dtype), dRows = b.empty(vocabulary * width, wide);
  const Out logits = b.empty(rows * vocabulary, dtype), loss = b.empty(rows, wide), logSumExp = b.empty(rows, wide), dLoss = b.random(rows, wide, 1, 0);
  const int32_t *ids = b.ids(rows, static_cast<int32_t>(vocabulary)), *labels = b.ids(rows, static_cast<int32_t>(vocabulary));
  const int64_t parameters = vocabulary * width + layers * (3 * l.inner * width + (columns + l.rank + l.taps + l.state + 3) * l.inner + width);
  Adamw adamw{};
  adamw.tensors.push_back({parameters, 0.1f, b.random(parameters, wide), b.random(parameters, wide), b.random(parameters, wide), b.random(parameters, wide, 1, 0.5f)});
  adamw.learningRate = 1e-4f, adamw.beta1 = 0.9f, adamw.beta2 = 0.95f, adamw.epsilon = 1e-8f, adamw.correction1 = adamw.correction2 = adamw.gradientScale = 1;

  SelectiveScanBackward scan{};
  scan.batch = batch, scan.length = length, scan.channels = l.inner, scan.state = l.state, scan.groups = 1, scan.softplus = true;
  scan.u = s.u, scan.delta = s.delta, scan.A = l.A, scan.B = s.B, scan.C = s.C, scan.D = l.D, scan.deltaBias = l.deltaBias, scan.z = s.z;
  scan.checkpoints = checkpoints, scan.dy = d.y, scan.du = d.u, scan.ddelta = d.delta, scan.dA = dA, scan.dB = d.B, scan.dC = d.C, scan.dD = dD;
  scan.ddeltaBias = dDelta, scan.dz = d.z;
  // gradients of a linear layer, or of some rows of its weight: of its input and of its weight
  const auto linear = [&](int64_t outputs, int64_t inputs, In x, In weight, Out dy, Out dx, Out dWeight, bool add, int64_t offset = 0) {
    b.op.matmul(b.context, {rows, inputs, outputs, false, false, add, dy, weight, {}, dx, offset, 0}), b.done();
    b.op.matmul(b.context, {outputs, inputs, rows, true, false, false, dy, x, {}, dWeight, 0, offset}), b.done();
  };
  const auto join = [&](const Out& part, int64_t count, const Out& whole, int64_t stride, int64_t offset) {
    b.op.copyBlocks(b.context, {rows, count, 0, count, rows * count, offset, stride, rows * stride, part, whole}), b.done();
  };
  const auto layerBackward = [&] {
    linear(width, l.inner, s.y, l.outProjection, d.hidden, d.y, dOut, false);
    b.op.selectiveScanBackward(b.context, scan), b.done();
    linear(l.inner, l.rank, s.low, l.dtProjection, d.delta, d.low, dDt, false);
    join(d.low, l.rank, d.projected, columns, 0), join(d.B, l.state, d.projected, columns, l.rank), join(d.C, l.state, d.projected, columns, l.rank + l.state);
    linear(columns, l.inner, s.u, l.xProjection, d.projected, d.u, dX, true);
    CausalConv1dBackward conv{};
    conv.batch = batch, conv.length = length, conv.channels = l.inner, conv.width = l.taps, conv.silu = true;
    conv.x = s.x, conv.weight = l.convolution, conv.bias = l.convolutionBias, conv.dy = d.u;
    conv.dx = d.x, conv.dweight = dConvolution, conv.dbias = dBias;
    b.op.causalConv1dBackward(b.context, conv), b.done();
    linear(l.inner, width, s.hidden, l.inProjection, d.x, d.hidden, dIn, false);
    linear(l.inner, width, s.hidden, l.inProjection, d.z, d.hidden, dIn, true, l.inner * width);
    RmsNormBackward norm{};
    norm.rows = rows, norm.width = width, norm.groups = 1, norm.x = s.hidden, norm.weight = l.norm, norm.scale = s.scale, norm.dy = d.hidden, norm.dx = dInput, norm.dweight = dNorm;
    b.op.rmsNormBackward(b.context, norm), b.done();
  };
  const auto step = [&] {
    b.op.embedding(b.context, {rows, vocabulary, width, ids, table, s.hidden}), b.done();
    for (int64_t i = 0; i < layers; i++) layerForward(b, l, s, batch, length, {}, {}, checkpoints);
    product(b, rows, vocabulary, width, s.hidden, table, logits);
    b.op.crossEntropy(b.context, {rows, vocabulary, logits, labels, loss, logSumExp}), b.done();
    b.op.crossEntropyBackward(b.context, {rows, vocabulary, logits, logSumExp, dLoss, labels, logits}), b.done();
    linear(vocabulary, width, s.hidden, table, logits, d.hidden, dTable, false);
    for (int64_t i = 0; i < layers; i++) layerBackward();
    b.op.embeddingBackward(b.context, {rows, vocabulary, width, ids, d.hidden, dRows}), b.done();
    b.op.adamw(b.context, adamw), b.done();
  };
  const std::string shape = std::to_string(layers) + " layers, width " + std::to_string(width) + ", B=" + std::to_string(batch) + " L=" + std::to_string(length) + " bf16";
  const double ms = b.time(step);
  SelectiveScan forward{};
  forward.batch = batch, forward.length = length, forward.channels = l.inner, forward.state = l.state, forward.groups = 1, forward.softplus = true;
  forward.u = s.u, forward.delta = s.delta, forward.A = l.A, forward.B = s.B, forward.C = s.C, forward.D = l.D, forward.deltaBias = l.deltaBias, forward.z = s.z;
  forward.y = s.y, forward.checkpoints = checkpoints;
  const double scanMs = b.time([&] { b.op.selectiveScan(b.context, forward), b.done(), b.op.selectiveScanBackward(b.context, scan), b.done(); });
  b.line("training step", shape, static_cast<double>(rows) / ms * 1000, "tokens/s");
  b.line("training step, share of the scan", shape, 100 * static_cast<double>(layers) * scanMs / ms, "%");
  b.line("training step, embedding backward", shape, b.time([&] { b.op.embeddingBackward(b.context, {rows, vocabulary, width, ids, d.hidden, dRows}), b.done(); }), "ms");
  const double layersMs = b.time([&] {
    for (int64_t i = 0; i < layers; i++) layerForward(b, l, s, batch, length, {}, {}, {});
  });
  b.line("layers forward", shape, static_cast<double>(rows) / layersMs * 1000, "tokens/s");
  b.clear();
}

}  // namespace ha
