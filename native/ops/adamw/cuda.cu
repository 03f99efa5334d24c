// One launch for up to 72 tensors: their table is the kernel's argument (4 KiB at most), and each block finds its own in it.
#include <cmath>
#include "../../device/gpu/numbers.h"

namespace ha::gpu {
namespace {

constexpr int kThreads = 256, kPack = 4, kTurns = 4, kTensors = 72;
constexpr int64_t kBlock = kThreads * kPack * kTurns;  // numbers a block

struct Entry {
  const float* gradient;
  float *parameter, *m, *v;
  int64_t count, firstBlock;
  float decay;
  bool packed;
};
struct Table {
  float gradientScale, beta1, beta2, rate, epsilon, unbias1, unbias2;
  int tensors;
  Entry at[kTensors];
};
static_assert(sizeof(Table) <= 4096, "arguments of a kernel");

template <int N> __device__ __forceinline__ void step(const Table& o, const Entry& entry, int64_t i) {
  float g[N], p[N], m[N], v[N];
  load(g, entry.gradient + i), load(p, entry.parameter + i), load(m, entry.m + i), load(v, entry.v + i);
#pragma unroll
  for (int j = 0; j < N; j++) {
    const float scaled = o.gradientScale * g[j];
    m[j] = o.beta1 * m[j] + (1 - o.beta1) * scaled;
    v[j] = o.beta2 * v[j] + (1 - o.beta2) * scaled * scaled;
    p[j] -= o.rate * (m[j] * o.unbias1 / (sqrtf(v[j] * o.unbias2) + o.epsilon) + entry.decay * p[j]);
  }
  store(entry.m + i, m), store(entry.v + i, v), store(entry.parameter + i, p);
}

__global__ __launch_bounds__(kThreads) void adamwKernel(const __grid_constant__ Table o) {
  int low = 0, high = o.tensors;  // the last tensor that begins at this block or before
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (o.at[middle].firstBlock <= blockIdx.x) low = middle;
    else high = middle;
  }
  const Entry& entry = o.at[low];
  const int64_t first = (blockIdx.x - entry.firstBlock) * kBlock, last = first + kBlock < entry.count ? first + kBlock : entry.count;
  const int64_t packed = entry.packed ? last - (last - first) % kPack : first;
  for (int64_t i = first + threadIdx.x * kPack; i < packed; i += kThreads * kPack) step<kPack>(o, entry, i);
  for (int64_t i = packed + threadIdx.x; i < last; i += kThreads) step<1>(o, entry, i);
}

}  // namespace

void adamw(Gpu& gpu, const Adamw& a) {
  Table table{a.gradientScale, a.beta1, a.beta2, a.learningRate, a.epsilon, 1 / a.correction1, 1 / a.correction2, 0, {}};
  int64_t blocks = 0;
  const auto launch = [&] {
    if (blocks) LAUNCH(adamwKernel, static_cast<unsigned>(blocks), kThreads, 0, gpu.stream, table);
    table.tensors = 0, blocks = 0;
  };
  for (const Adamw::Item& item : a.tensors) {
    if (!item.count) continue;
    const int64_t more = divideUp(item.count, kBlock);
    if (table.tensors == kTensors || blocks + more > 0x7fffffff) launch();
    table.at[table.tensors++] = {as<float>(item.gradient), as<float>(item.parameter), as<float>(item.m), as<float>(item.v), item.count, blocks, item.decay,
                                 packable(0, kPack, 4, item.gradient.data, item.parameter.data, item.m.data, item.v.data)};
    blocks += more;
  }
  launch();
}

}  // namespace ha::gpu
