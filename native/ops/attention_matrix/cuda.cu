// Rows of α by the transposed recurrence: a team of lanes holds the states of one channel and walks from the row's own position
// to the first one. A reduced row adds its channels up one after the other, so the sums have one order. The plain mean is a product
// of matrices instead (cuda_mean.cu).
#include <cstdio>
#include <stdexcept>
#include <string>
#include <type_traits>
#include "../../device/gpu/numbers.h"
#include "../../device/gpu/sums.h"

namespace ha::gpu {

void meanMatrix(Gpu&, const AttentionMatrixReduced&);

namespace {

constexpr int kThreads = 128;

void explain(char* text, size_t size, int32_t index, int32_t channel, int64_t channels) {
  std::snprintf(text, size, "attentionMatrix: selection[%d] is %d; there are %d channels", index, channel, static_cast<int>(channels));
}

struct MatrixArguments {
  int64_t batch, length, channels, state, groups, rowStart, rows;
  int64_t selected;          // matrices a batch row: one a chosen channel, or 1 over all channels
  const int32_t* selection;  // absent: all channels, reduced
  int reduce;
  float scale;
  int lanes;
  const float *delta, *A, *B, *C, *rowScale, *columnScale;
  float* out;
  Fault* fault;
};

__device__ __forceinline__ float reduced(float x, int reduce) {
  return reduce == AttentionMatrixReduced::kMeanAbs ? fabsf(x) : reduce == AttentionMatrixReduced::kMeanPositive ? (x > 0 || x != x ? x : 0.f) : x;
}

template <int S> __global__ __launch_bounds__(kThreads, 2) void matrixKernel(MatrixArguments o) {
  const int lane = static_cast<int>(threadIdx.x) % o.lanes, teams = kThreads / o.lanes;
  const int64_t items = o.batch * o.selected * o.rows, N = o.state, stride = o.groups * N;
  const int64_t rounds = (items + int64_t{gridDim.x} * teams - 1) / (int64_t{gridDim.x} * teams);
  for (int64_t round = 0; round < rounds; round++) {
    const int64_t item = (round * gridDim.x + blockIdx.x) * teams + static_cast<int>(threadIdx.x) / o.lanes;
    const bool there = item < items;
    const int64_t r = there ? item % o.rows : 0, c = there ? item / o.rows % o.selected : 0, b = there ? item / o.rows / o.selected : 0;
    const int64_t own = there ? o.rowStart + r : -1;
    float* out = o.out + item * o.length;
    int64_t first = 0;
    if (o.selection) {
      first = o.selection[c];
      if (first < 0 || first >= o.channels) {
        if (there && lane == 0) report(o.fault, static_cast<int32_t>(c), static_cast<int32_t>(first));
        first = 0;
      }
    }
    if (there)
      for (int64_t j = own + 1 + lane; j < o.length; j += o.lanes) out[j] = 0;
    // the lanes of a warp walk together, from the last of their rows
    const int last = warpReduce(static_cast<int>(own), [](int a, int b) { return a > b ? a : b; });
    const int64_t channelCount = o.selection ? 1 : o.channels;
    for (int64_t step = 0; step < channelCount; step++) {
      const int64_t d = first + step, group = d * o.groups / o.channels;
      float A[S], q[S];
#pragma unroll
      for (int j = 0; j < S; j++) {
        const int64_t n = lane + j * o.lanes;
        A[j] = n < N ? o.A[d * N + n] * kLog2e : 0;
        q[j] = there && n < N ? o.C[(b * o.length + own) * stride + group * N + n] : 0;
      }
      const float rowScale = there && o.rowScale ? o.rowScale[(b * o.length + own) * o.channels + d] : 1;
      for (int64_t j = last; j >= 0; j--) {
        const bool on = j <= own;
        const int64_t i = b * o.length + j;
        const float delta = on ? o.delta[i * o.channels + d] : 0;
        float sum = 0;
#pragma unroll
        for (int k = 0; k < S; k++) {
          const int64_t n = lane + k * o.lanes;
          sum += on && n < N ? q[k] * o.B[i * stride + group * N + n] : 0.f;
          q[k] *= exp2_approx(delta * A[k]);
        }
        for (int w = o.lanes / 2; w; w /= 2) sum += __shfl_xor_sync(~0u, sum, w);
        if (!on || lane != 0) continue;
        const float scale = o.columnScale ? rowScale * o.columnScale[i * o.channels + d] : rowScale;
        const float value = reduced(delta * sum * scale, o.reduce);
        out[j] = (step ? out[j] : 0.f) + value;
      }
    }
    __syncwarp();
    if (there && o.scale != 1)
      for (int64_t j = lane; j <= own; j += o.lanes) out[j] *= o.scale;
  }
}

template <class Arguments> void checkRows(const char* op, const Arguments& o) {
  if (o.rowStart + o.rows > o.length)
    throw std::runtime_error(std::string(op) + ": rows " + std::to_string(o.rowStart) + "…" + std::to_string(o.rowStart + o.rows - 1) +
                             " of a sequence of length " + std::to_string(o.length));
}

void run(Gpu& gpu, const char* op, MatrixArguments o) {
  const int64_t items = o.batch * o.selected * o.rows;
  if (!items || !o.channels) return;
  o.lanes = 1;
  while (o.lanes < o.state && o.lanes < 32) o.lanes *= 2;
  const auto launch = [&](auto states) { LAUNCH((matrixKernel<decltype(states)::value>), gridX(divideUp(items, kThreads / o.lanes)), kThreads, 0, gpu.stream, o); };
  const int64_t each = divideUp(o.state, o.lanes);
  if (each <= 1) launch(std::integral_constant<int, 1>());
  else if (each <= 4) launch(std::integral_constant<int, 4>());
  else if (each <= 16) launch(std::integral_constant<int, 16>());
  else throw std::runtime_error(std::string(op) + ": " + std::to_string(o.state) + " states; a GPU takes up to 512");
}

}  // namespace

void attentionMatrix(Gpu& gpu, const AttentionMatrix& m) {
  if (!m.selected) return;
  checkRows("attentionMatrix", m);
  run(gpu, "attentionMatrix", {m.batch, m.length, m.channels, m.state, m.groups, m.rowStart, m.rows, m.selected, m.selection, AttentionMatrixReduced::kMean, 1, 1,
                               m.delta, m.A, m.B, m.C, nullptr, nullptr, m.out, gpu.fault(explain, m.channels)});
}

void attentionMatrixReduced(Gpu& gpu, const AttentionMatrixReduced& m) {
  checkRows("attentionMatrixReduced", m);
  const bool pairs = m.state % 2 == 0 && packable(m.state, 2, 4, m.B.data, m.C.data);  // as tensor cores take them
  if (m.reduce == AttentionMatrixReduced::kMean && pairs && m.batch <= 65535 && m.batch * m.rows * m.channels * m.state > 0) return meanMatrix(gpu, m);
  run(gpu, "attentionMatrixReduced", {m.batch, m.length, m.channels, m.state, m.groups, m.rowStart, m.rows, 1, nullptr, m.reduce, 1.f / static_cast<float>(m.channels), 1,
                                      m.delta, m.A, m.B, m.C, m.rowScale, m.columnScale, m.out, nullptr});
}

}  // namespace ha::gpu
