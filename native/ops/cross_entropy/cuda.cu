// One block a row. The largest logit and the sum of exponentials are found in one pass: whoever meets a larger one rescales.
#include <cstdio>
#include "../../device/gpu/numbers.h"
#include "../../device/gpu/sums.h"

namespace ha::gpu {
namespace {

constexpr int kThreads = 256, kPack = 4;

void explainLabel(char* text, size_t size, int32_t position, int32_t value, int64_t limit) {
  std::snprintf(text, size, kLabelFault, value, position, static_cast<int>(limit));
}

/// Σ exp(x) as exp(most)·total.
struct Exponentials {
  float most = -INFINITY, total = 0;
  /// Where every logit so far is −∞, the sum is around 0.
  __device__ static float around(float most) { return most == -INFINITY ? 0 : most; }
  template <int N> __device__ void add(const float (&x)[N]) {
    float larger = most;
#pragma unroll
    for (int i = 0; i < N; i++) larger = fmaxf(larger, x[i]);  // a NaN shows in the sum
    const float base = around(larger);
    total *= expFast(most - base);
#pragma unroll
    for (int i = 0; i < N; i++) total += expFast(x[i] - base);
    most = larger;
  }
};

template <int N>
__global__ __launch_bounds__(kThreads, 4) void crossEntropyKernel(int64_t rows, int64_t vocabulary, const float* logits, const int32_t* labels, float* loss,
                                                               float* logSumExp, Fault* fault) {
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const float* x = logits + row * vocabulary;
    const int32_t label = labels[row];
    const bool wrong = label >= vocabulary, ignored = label < 0;
    if (threadIdx.x == 0 && wrong) report(fault, static_cast<int32_t>(row), label);
    if (threadIdx.x == 0 && ignored) loss[row] = 0;
    if (ignored && !logSumExp) continue;
    Exponentials mine;
    for (int64_t v = threadIdx.x * N; v < vocabulary; v += kThreads * N) {
      float pack[N];
      load(pack, x + v);
      mine.add(pack);
    }
    const float most = blockReduce(mine.most, -INFINITY, [](float a, float b) { return fmaxf(a, b); });
    const float base = Exponentials::around(most);
    const float log = logf(blockSum(mine.total * expFast(mine.most - base)));
    if (threadIdx.x) continue;
    if (logSumExp) logSumExp[row] = base + log;
    if (!ignored) loss[row] = wrong ? NAN : base - x[label] + log;
  }
}

template <int N>
__global__ __launch_bounds__(kThreads, 4) void crossEntropyBackwardKernel(int64_t rows, int64_t vocabulary, const float* logits, const float* logSumExp,
                                                                       const float* dloss, const int32_t* labels, float* dlogits, Fault* fault) {
  const int64_t chunks = divideUp(vocabulary, kThreads * N), items = rows * chunks;
  for (int64_t item = blockIdx.x; item < items; item += gridDim.x) {
    const int64_t row = item / chunks, v = (item % chunks * kThreads + threadIdx.x) * N;
    const int32_t label = labels[row];
    if (threadIdx.x == 0 && label >= vocabulary) report(fault, static_cast<int32_t>(row), label);
    if (v >= vocabulary) continue;
    float x[N] = {};
    if (label >= 0) {
      const float scale = dloss[row], total = logSumExp[row];
      load(x, logits + row * vocabulary + v);
#pragma unroll
      for (int i = 0; i < N; i++) x[i] = scale * expFast(x[i] - total) - (v + i == label ? scale : 0);
    }
    store(dlogits + row * vocabulary + v, x);
  }
}

}  // namespace

void crossEntropy(Gpu& gpu, const CrossEntropy& a) {
  if (!a.rows) return;
  Fault* fault = gpu.fault(explainLabel, a.vocabulary);
  const auto kernel = packable(a.vocabulary, kPack, 4, a.logits.data) ? crossEntropyKernel<kPack> : crossEntropyKernel<1>;
  LAUNCH(kernel, gridX(a.rows), kThreads, 0, gpu.stream, a.rows, a.vocabulary, as<float>(a.logits), a.labels, as<float>(a.loss), as<float>(a.logSumExp), fault);
}

void crossEntropyBackward(Gpu& gpu, const CrossEntropyBackward& a) {
  if (a.rows * a.vocabulary == 0) return;
  Fault* fault = gpu.fault(explainLabel, a.vocabulary);
  const bool packed = packable(a.vocabulary, kPack, 4, a.logits.data, a.dlogits.data);
  const auto kernel = packed ? crossEntropyBackwardKernel<kPack> : crossEntropyBackwardKernel<1>;
  const int64_t blocks = a.rows * divideUp(a.vocabulary, kThreads * (packed ? kPack : 1));
  LAUNCH(kernel, gridX(blocks), kThreads, 0, gpu.stream, a.rows, a.vocabulary, as<float>(a.logits), as<float>(a.logSumExp), as<float>(a.dloss), a.labels,
         as<float>(a.dlogits), fault);
}

}  // namespace ha::gpu
