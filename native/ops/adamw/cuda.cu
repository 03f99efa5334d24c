#include "../../device/gpu/numbers.h"

namespace ha::gpu {
namespace {

constexpr int kThreads = 256;

__global__ void adamwKernel(int64_t count, float learningRate, float beta1, float beta2, float epsilon, float decay, float correction1, float correction2,
                            float gradientScale, const float* gradient, float* parameter, float* m, float* v) {
  for (int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x; i < count; i += int64_t{gridDim.x} * kThreads) {
    const float g = gradientScale * gradient[i], p = parameter[i];
    const float mean = beta1 * m[i] + (1 - beta1) * g, square = beta2 * v[i] + (1 - beta2) * g * g;
    m[i] = mean, v[i] = square;
    parameter[i] = p - learningRate * (mean / correction1 / (sqrtf(square / correction2) + epsilon) + decay * p);
  }
}

}  // namespace

void adamw(Gpu& gpu, const Adamw& o) {
  if (!o.count) return;
  LAUNCH(adamwKernel, gridX(least(divideUp(o.count, kThreads), gpu.multiprocessors * 32)), kThreads, 0, gpu.stream, o.count, o.learningRate, o.beta1, o.beta2,
         o.epsilon, o.decay, o.correction1, o.correction2, o.gradientScale, as<float>(o.gradient), as<float>(o.parameter), as<float>(o.m), as<float>(o.v));
}

}  // namespace ha::gpu
