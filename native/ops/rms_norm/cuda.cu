// A team of lanes normalises one group of one row: a warp where groups are narrow, else a block. Rows are read twice, the
// second time from the cache. The weight's gradient is summed by each block over its rows, then over the blocks in order.
#include <type_traits>
#include "../../device/gpu/numbers.h"
#include "../../device/gpu/sums.h"

namespace ha::gpu {
namespace {

constexpr int kThreads = 256;
constexpr int kNoGate = RmsNorm::kNone, kBefore = RmsNorm::kBefore, kAfter = RmsNorm::kAfter;

/// How a block's threads share the work: teams of `lanes` (32 or all), `slots` rows at once; the teams of one row share its groups.
struct Teams {
  int lanes, slots;
  static Teams of(int64_t groups, int64_t size, int pack) {
    if (size > 32 * pack * 4) return {kThreads, 1};
    return {32, groups >= kThreads / 32 ? 1 : kThreads / 32};
  }
};
struct Place {
  int lane, slot, group, groupStep;
  __device__ explicit Place(Teams teams)
      : lane(static_cast<int>(threadIdx.x) % teams.lanes),
        slot(static_cast<int>(threadIdx.x) / teams.lanes % teams.slots),
        group(static_cast<int>(threadIdx.x) / teams.lanes / teams.slots),
        groupStep(kThreads / teams.lanes / teams.slots) {}
};
__device__ __forceinline__ float teamSum(float x, int lanes) { return lanes == 32 ? warpSum(x) : blockSum(x); }

template <class T> struct Forward {
  int64_t rows, groups, size;
  float epsilon;
  int gate;
  const T *x, *residual, *z;
  const void* weight;
  T *y, *residualOut;
  float* scale;
};

/// What is normalised, N numbers of it.
template <int N, class T> __device__ __forceinline__ void inner(float (&v)[N], const Forward<T>& o, int64_t at, bool keep) {
  load(v, o.x + at);
  if (o.residual) {
    float r[N];
    load(r, o.residual + at);
#pragma unroll
    for (int i = 0; i < N; i++) v[i] += r[i];
  }
  if (keep && o.residualOut) store(o.residualOut + at, v);
  if (o.gate == kBefore) {
    float z[N];
    load(z, o.z + at);
#pragma unroll
    for (int i = 0; i < N; i++) v[i] *= silu(z[i]);
  }
}

template <class T, class P, int N> __global__ __launch_bounds__(kThreads, 2) void normaliseKernel(Forward<T> o, Teams teams) {
  const Place place(teams);
  const P* weight = static_cast<const P*>(o.weight);
  for (int64_t row = int64_t{blockIdx.x} * teams.slots + place.slot; row < o.rows; row += int64_t{gridDim.x} * teams.slots)
    for (int64_t group = place.group; group < o.groups; group += place.groupStep) {
      const int64_t at = (row * o.groups + group) * o.size;
      float squares = 0;
      for (int64_t c = place.lane * N; c < o.size; c += teams.lanes * N) {
        float v[N];
        inner<N>(v, o, at + c, true);
#pragma unroll
        for (int i = 0; i < N; i++) squares += v[i] * v[i];
      }
      const float scale = 1 / sqrtf(teamSum(squares, teams.lanes) / static_cast<float>(o.size) + o.epsilon);
      if (o.scale && place.lane == 0) o.scale[row * o.groups + group] = scale;
      for (int64_t c = place.lane * N; c < o.size; c += teams.lanes * N) {
        float v[N], w[N];
        inner<N>(v, o, at + c, false);
        if (weight) load(w, weight + group * o.size + c);
#pragma unroll
        for (int i = 0; i < N; i++) v[i] *= weight ? scale * w[i] : scale;
        if (o.gate == kAfter) {
          load(w, o.z + at + c);
#pragma unroll
          for (int i = 0; i < N; i++) v[i] *= silu(w[i]);
        }
        store(o.y + at + c, v);
      }
    }
}

template <class T> struct Backward {
  int64_t rows, groups, size;
  int gate;
  bool holdScale;
  const T *x, *z, *dy, *dResidualOut;
  const void* weight;
  const float* scale;
  T *dx, *dz;
  float* partial;  // [blocks width], or none
  bool inShared;   // the sums for `partial` fit into shared memory
};

/// The numbers of one place: x̂ before its scale, and the gradient g of x̂·weight (ops/rms_norm/cpu.cc).
template <int N, class T, class P>
__device__ __forceinline__ void operands(const Backward<T>& o, const P* weight, int64_t at, int64_t column, float (&x)[N], float (&z)[N], float (&dy)[N],
                                         float (&w)[N]) {
  load(x, o.x + at);
  load(dy, o.dy + at);
  if (o.gate != kNoGate) load(z, o.z + at);
  if (weight) load(w, weight + column);
  else
#pragma unroll
    for (int i = 0; i < N; i++) w[i] = 1;
}

template <class T, class P, int N> __global__ __launch_bounds__(kThreads, 2) void differentiateKernel(Backward<T> o, Teams teams) {
  SHARED_DYNAMIC(float, shared);
  const Place place(teams);
  const P* weight = static_cast<const P*>(o.weight);
  const int64_t width = o.groups * o.size, blockSums = blockIdx.x * width;
  // each column of a slot's sums belongs to one thread
  float* sums = !o.partial ? nullptr : o.inShared ? shared + place.slot * width : o.partial + blockSums;
  if (sums)
    for (int64_t group = place.group; group < o.groups; group += place.groupStep)
      for (int64_t c = place.lane * N; c < o.size; c += teams.lanes * N)
#pragma unroll
        for (int i = 0; i < N; i++) sums[group * o.size + c + i] = 0;
  for (int64_t row = int64_t{blockIdx.x} * teams.slots + place.slot; row < o.rows; row += int64_t{gridDim.x} * teams.slots)
    for (int64_t group = place.group; group < o.groups; group += place.groupStep) {
      const int64_t at = (row * o.groups + group) * o.size;
      const float scale = o.scale[row * o.groups + group];
      float mean = 0;
      if (!o.holdScale) {
        for (int64_t c = place.lane * N; c < o.size; c += teams.lanes * N) {
          float x[N], z[N], dy[N], w[N];
          operands<N>(o, weight, at + c, group * o.size + c, x, z, dy, w);
#pragma unroll
          for (int i = 0; i < N; i++) mean += (o.gate == kNoGate ? 1 : silu(z[i])) * dy[i] * w[i] * (x[i] * scale);
        }
        mean = teamSum(mean, teams.lanes) / static_cast<float>(o.size);
      }
      for (int64_t c = place.lane * N; c < o.size; c += teams.lanes * N) {
        float x[N], z[N], dy[N], w[N];
        operands<N>(o, weight, at + c, group * o.size + c, x, z, dy, w);
        float dweight[N] = {};
        if (sums) load(dweight, sums + group * o.size + c);
#pragma unroll
        for (int i = 0; i < N; i++) {
          const float gate = o.gate == kNoGate ? 1 : silu(z[i]);
          const float xHat = x[i] * scale * (o.gate == kBefore ? gate : 1), g = dy[i] * (o.gate == kAfter ? gate : 1);
          dweight[i] += g * xHat;
          const float dt = scale * (g * w[i] - xHat * mean);
          const float factor = o.gate == kBefore ? dt * x[i] : dy[i] * xHat * w[i];
          z[i] = o.gate == kNoGate ? 0 : factor * siluGradient(z[i]);
          x[i] = o.gate == kBefore ? dt * gate : dt;
        }
        if (sums) store(sums + group * o.size + c, dweight);
        if (o.dz) store(o.dz + at + c, z);
        if (o.dResidualOut) {
          load(w, o.dResidualOut + at + c);
#pragma unroll
          for (int i = 0; i < N; i++) x[i] += w[i];
        }
        store(o.dx + at + c, x);
      }
    }
  if (!o.partial || !o.inShared) return;
  __syncthreads();
  for (int64_t c = threadIdx.x; c < width; c += kThreads) {
    float total = 0;
    for (int slot = 0; slot < teams.slots; slot++) total += shared[slot * width + c];
    o.partial[blockSums + c] = total;
  }
}

/// dweight = Σ over blocks, in order: 32 columns a block, 8 slices of the blocks.
template <class P> __global__ __launch_bounds__(kThreads) void sumBlocksKernel(const float* partial, int64_t blocks, int64_t width, P* dweight) {
  SHARED(parts, float[8][32]);
  const int lane = static_cast<int>(threadIdx.x) % 32, slice = static_cast<int>(threadIdx.x) / 32;
  const int64_t column = int64_t{blockIdx.x} * 32 + lane;
  float total = 0;
  if (column < width)
    for (int64_t block = slice; block < blocks; block += 8) total += partial[block * width + column];
  parts[slice][lane] = total;
  __syncthreads();
  if (slice || column >= width) return;
  for (int other = 1; other < 8; other++) total += parts[other][lane];
  dweight[column] = fromFloat<P>(total);
}

/// kernel(T{}, P{}, pack): activations of T, the weight of P, in packs of 16 bytes or one by one.
template <class Arguments, class F> void withTypes(const Arguments& a, bool weightNarrow, bool packed, const F& body) {
  withType(a.x.dtype, [&](auto t) {
    using T = decltype(t);
    constexpr int kPack = 16 / sizeof(T);
    const auto withWeight = [&](auto p) {
      if (packed) body(t, p, std::integral_constant<int, kPack>());
      else body(t, p, std::integral_constant<int, 1>());
    };
    if (weightNarrow) withWeight(t);
    else withWeight(float{});
  });
}
/// Whether a weight (or its gradient) is of f32 or of the activations' type.
template <class Operand> bool fits(const Operand& weight, DType dtype) { return allOf(DType::f32, weight) || allOf(dtype, weight); }

}  // namespace

void rmsNorm(Gpu& gpu, const RmsNorm& a) {
  if (a.rows * a.width == 0) return;
  if (!allOf(a.x.dtype, a.residual, a.z, a.y, a.residualOut) || !fits(a.weight, a.x.dtype) || !allOf(DType::f32, a.scale)) return inF32(gpu, rmsNorm, a);
  const int bytes = static_cast<int>(bytesOf(a.x.dtype)), pack = 16 / bytes;
  const int64_t size = a.width / a.groups;
  const bool packed = packable(size, pack, bytes, a.x.data, a.residual.data, a.z.data, a.y.data, a.residualOut.data) &&
                      packable(size, pack, static_cast<int>(bytesOf(a.weight.dtype)), a.weight.data);
  withTypes(a, a.weight.dtype != DType::f32, packed, [&](auto t, auto p, auto n) {
    using T = decltype(t);
    using P = decltype(p);
    constexpr int N = decltype(n)::value;
    const Teams teams = Teams::of(a.groups, size, N);
    const Forward<T> o{a.rows, a.groups, size, a.epsilon, a.z.data ? a.gate : kNoGate, as<T>(a.x), as<T>(a.residual), as<T>(a.z),
                       a.weight.data, as<T>(a.y), as<T>(a.residualOut), as<float>(a.scale)};
    LAUNCH((normaliseKernel<T, P, N>), gridX(divideUp(a.rows, teams.slots)), kThreads, 0, gpu.stream, o, teams);
  });
}

void rmsNormBackward(Gpu& gpu, const RmsNormBackward& a) {
  if (a.width == 0) return;
  if (!allOf(a.x.dtype, a.z, a.dy, a.dResidualOut, a.dx, a.dz) || !fits(a.weight, a.x.dtype) || !fits(a.dweight, a.x.dtype) ||
      !allOf(DType::f32, a.scale))
    return inF32(gpu, rmsNormBackward, a);
  const int bytes = static_cast<int>(bytesOf(a.x.dtype)), pack = 16 / bytes;
  const int64_t size = a.width / a.groups;
  const bool packed = packable(size, pack, bytes, a.x.data, a.z.data, a.dy.data, a.dResidualOut.data, a.dx.data, a.dz.data) &&
                      packable(size, pack, static_cast<int>(bytesOf(a.weight.dtype)), a.weight.data);
  withTypes(a, a.weight.dtype != DType::f32, packed, [&](auto t, auto p, auto n) {
    using T = decltype(t);
    using P = decltype(p);
    constexpr int N = decltype(n)::value;
    constexpr int64_t kSharedSums = 48 << 10, kRowBlocks = 256;  // blocks do not depend on the card: nor do the sums
    const bool sums = a.dweight.data != nullptr;
    Teams teams = Teams::of(a.groups, size, N);
    if (sums && teams.slots * a.width * 4 > kSharedSums) teams.slots = 1;
    const bool inShared = sums && teams.slots * a.width * 4 <= kSharedSums;
    const int64_t rowBlocks = divideUp(a.rows, teams.slots), blocks = sums ? least(rowBlocks, kRowBlocks) : rowBlocks;
    float* partial = sums && blocks ? scratch<float>(gpu, blocks * a.width) : nullptr;
    if (blocks) {
      const Backward<T> o{a.rows, a.groups, size, a.z.data ? a.gate : kNoGate, a.holdScale, as<T>(a.x), as<T>(a.z), as<T>(a.dy),
                          as<T>(a.dResidualOut), a.weight.data, as<float>(a.scale), as<T>(a.dx), as<T>(a.dz), partial, inShared};
      LAUNCH((differentiateKernel<T, P, N>), gridX(blocks), kThreads, inShared ? teams.slots * a.width * 4 : 0, gpu.stream, o, teams);
    }
    if (sums)
      withType(a.dweight.dtype, [&](auto d) {
        using D = decltype(d);
        LAUNCH((sumBlocksKernel<D>), gridX(divideUp(a.width, 32)), kThreads, 0, gpu.stream, partial, blocks, a.width, as<D>(a.dweight));
      });
  });
}

}  // namespace ha::gpu
