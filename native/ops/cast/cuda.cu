#include "../../device/gpu/numbers.h"

namespace ha::gpu {

template <class X, class Y, int N> __global__ void castKernel(const X* x, Y* y, int64_t packs) {
  for (int64_t i = blockIdx.x * int64_t{blockDim.x} + threadIdx.x; i < packs; i += int64_t{gridDim.x} * blockDim.x) {
    float v[N];
    load<X, N>(v, x + i * N);
    store<Y, N>(y + i * N, v);
  }
}

void cast(Gpu& gpu, const Cast& o) {
  if (!o.count) return;
  withType(o.x.dtype, [&](auto from) {
    withType(o.y.dtype, [&](auto to) {
      using X = decltype(from);
      using Y = decltype(to);
      constexpr int kPack = 4, kThreads = 256;
      const int64_t packed = packable(0, kPack, sizeof(X), o.x.data) && packable(0, kPack, sizeof(Y), o.y.data) ? o.count / kPack : 0;
      const auto blocks = [&](int64_t items) { return gridX(least(divideUp(items, kThreads), gpu.multiprocessors * 16)); };
      if (packed) LAUNCH((castKernel<X, Y, kPack>), blocks(packed), kThreads, 0, gpu.stream, as<X>(o.x), as<Y>(o.y), packed);
      const int64_t rest = o.count - packed * kPack;
      if (rest) LAUNCH((castKernel<X, Y, 1>), blocks(rest), kThreads, 0, gpu.stream, as<X>(o.x) + packed * kPack, as<Y>(o.y) + packed * kPack, rest);
    });
  });
}

}  // namespace ha::gpu
