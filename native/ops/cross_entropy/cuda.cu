// One block a row: the largest logit, the sum of exponentials around it, the gradient from both.
#include <cstdio>
#include "../../device/gpu/numbers.h"
#include "../../device/gpu/sums.h"

namespace ha::gpu {
namespace {

constexpr int kThreads = 256;

void explain(char* text, size_t size, int32_t row, int32_t label, int64_t vocabulary) {
  std::snprintf(text, size, "crossEntropy: label %d at row %d is not below the vocabulary %d", label, row, static_cast<int>(vocabulary));
}

__global__ void crossEntropyKernel(int64_t rows, int64_t vocabulary, const float* logits, const int32_t* labels, float* loss, float* logSumExp, Fault* fault) {
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    const float* row = logits + r * vocabulary;
    const int32_t label = labels[r];
    if (label >= vocabulary && threadIdx.x == 0) report(fault, static_cast<int32_t>(r), label);
    float most = -INFINITY;
    for (int64_t v = threadIdx.x; v < vocabulary; v += kThreads) most = fmaxf(most, row[v]);
    most = blockReduce(most, -INFINITY, [](float a, float b) { return a > b ? a : b; });
    float total = 0;
    for (int64_t v = threadIdx.x; v < vocabulary; v += kThreads) total += expf(row[v] - most);
    total = most + logf(blockSum(total));
    if (threadIdx.x) continue;
    if (logSumExp) logSumExp[r] = total;
    loss[r] = label < 0 || label >= vocabulary ? 0.f : total - row[label];
  }
}

__global__ void crossEntropyBackwardKernel(int64_t rows, int64_t vocabulary, const float* logits, const float* logSumExp, const float* dloss,
                                           const int32_t* labels, float* dlogits, Fault* fault) {
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    const int32_t label = labels[r];
    if (label >= vocabulary && threadIdx.x == 0) report(fault, static_cast<int32_t>(r), label);
    for (int64_t v = threadIdx.x; v < vocabulary; v += kThreads) {
      const float share = label < 0 ? 0.f : dloss[r] * expf(logits[r * vocabulary + v] - logSumExp[r]);
      dlogits[r * vocabulary + v] = v == label ? share - dloss[r] : share;
    }
  }
}

}  // namespace

void crossEntropy(Gpu& gpu, const CrossEntropy& o) {
  if (!o.rows || !o.vocabulary) return;
  LAUNCH(crossEntropyKernel, gridX(o.rows), kThreads, 0, gpu.stream, o.rows, o.vocabulary, as<float>(o.logits), o.labels, as<float>(o.loss),
         as<float>(o.logSumExp), gpu.fault(explain, o.vocabulary));
}

void crossEntropyBackward(Gpu& gpu, const CrossEntropyBackward& o) {
  if (!o.rows || !o.vocabulary) return;
  LAUNCH(crossEntropyBackwardKernel, gridX(o.rows), kThreads, 0, gpu.stream, o.rows, o.vocabulary, as<float>(o.logits), as<float>(o.logSumExp),
         as<float>(o.dloss), o.labels, as<float>(o.dlogits), gpu.fault(explain, o.vocabulary));
}

}  // namespace ha::gpu
