// One warp a query (or a key, for dk and dv); keys come in tiles of 16 through shared memory, two lanes to a dot product. f32.
#include <stdexcept>
#include <string>
#include "../../device/gpu/numbers.h"
#include "../../device/gpu/sums.h"

namespace ha::gpu {
namespace {

constexpr int kWarps = 4, kThreads = 32 * kWarps, kTile = 16, kWidest = 256, kEach = kWidest / 32;

struct Tile {
  float a[kTile][kWidest + 1], b[kTile][kWidest + 1];
};

/// Where things of one head lie.
struct Place {
  int64_t b, h, stride;
  __device__ Place(const SoftmaxAttentionShape& o, int64_t head) : b(head / o.heads), h(head % o.heads), stride(o.heads * o.width) {}
  __device__ int64_t query(const SoftmaxAttentionShape& o, int64_t i) const { return (b * o.queries + i) * stride + h * o.width; }
  __device__ int64_t key(const SoftmaxAttentionShape& o, int64_t j) const { return (b * o.keys + j) * stride + h * o.width; }
  /// The first key that query i sees, and the one behind the last.
  __device__ int64_t from(const SoftmaxAttentionShape& o, int64_t i) const { return o.starts ? max(int64_t{o.starts[b * o.queries + i]}, int64_t{0}) : 0; }
  __device__ int64_t seen(const SoftmaxAttentionShape& o, int64_t i) const {
    int64_t count = o.lengths ? min(static_cast<int64_t>(o.lengths[b]), o.keys) : o.keys;
    if (o.causal) count = min(count, (o.past.data ? static_cast<int64_t>(static_cast<const float*>(o.past.data)[b]) : o.keys - o.queries) + i + 1);
    return max(count, int64_t{0});
  }
};

/// Rows start… of two operands into the tile, zeros past `end`; `at(row)` is where a row begins.
template <class At> __device__ void fetch(Tile& tile, const float* a, const float* b, int64_t start, int64_t end, int64_t width, const At& at) {
  for (int i = static_cast<int>(threadIdx.x); i < kTile * static_cast<int>(width); i += kThreads) {
    const int row = i / static_cast<int>(width), c = i % static_cast<int>(width);
    const bool inside = start + row < end;
    tile.a[row][c] = inside ? a[at(start + row) + c] : 0.f;
    tile.b[row][c] = inside && b ? b[at(start + row) + c] : 0.f;
  }
}

/// mine·row over `width` numbers, two lanes to one row of the tile: lane l works on row l % 16.
__device__ __forceinline__ float dot(const float (&mine)[kEach], const float (&rows)[kTile][kWidest + 1], int64_t width) {
  const int lane = static_cast<int>(threadIdx.x) % 32, row = lane % kTile, half = lane / kTile;
  float total = 0;
  // number c of the warp's own vector stands in lane c % 32
#pragma unroll
  for (int r = 0; r < kEach; r++)
#pragma unroll 4
    for (int w = 0; w < kTile; w++) {
      const float x0 = __shfl_sync(~0u, mine[r], w), x1 = __shfl_sync(~0u, mine[r], w + kTile);
      const int c = 32 * r + w + half * kTile;
      if (c < width) total += (half ? x1 : x0) * rows[row][c];
    }
  return total + __shfl_xor_sync(~0u, total, kTile);
}

/// sums[c] += Σ_row weight(row)·rows[row][c]; the weight of row r stands in lane r.
__device__ __forceinline__ void accumulate(float (&sums)[kEach], float weight, const float (&rows)[kTile][kWidest + 1], int64_t width) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll 4
  for (int row = 0; row < kTile; row++) {
    const float w = __shfl_sync(~0u, weight, row);
#pragma unroll
    for (int r = 0; r < kEach; r++)
      if (32 * r + lane < width) sums[r] += w * rows[row][32 * r + lane];
  }
}

__device__ __forceinline__ void loadOwn(float (&x)[kEach], const float* from, int64_t width, bool there) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int r = 0; r < kEach; r++) x[r] = there && 32 * r + lane < width ? from[32 * r + lane] : 0.f;
}
__device__ __forceinline__ void storeOwn(float* to, const float (&x)[kEach], float factor, int64_t width) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int r = 0; r < kEach; r++)
    if (32 * r + lane < width) to[32 * r + lane] = x[r] * factor;
}

__global__ __launch_bounds__(kThreads, 2) void forwardKernel(SoftmaxAttention o, const float* q, const float* k, const float* v, float* y, float* logSumExp) {
  SHARED(tile, Tile);
  const int64_t tiles = divideUp(o.queries, kWarps), head = blockIdx.x / tiles;
  const Place place(o, head);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t first = blockIdx.x % tiles * kWarps, i = first + threadIdx.x / 32;
  const bool there = i < o.queries;
  const int64_t from = there ? place.from(o, i) : 0, seen = there ? place.seen(o, i) : 0, until = place.seen(o, min(first + kWarps, o.queries) - 1);
  float own[kEach], sums[kEach] = {};
  loadOwn(own, q + place.query(o, min(i, o.queries - 1)), o.width, there);
  float most = -INFINITY, total = 0;
  for (int64_t start = place.from(o, first) / kTile * kTile; start < until; start += kTile) {
    fetch(tile, k, v, start, until, o.width, [&](int64_t j) { return place.key(o, j); });
    __syncthreads();
    const bool counts = start + lane % kTile >= from && start + lane % kTile < seen;
    const float product = o.scale * dot(own, tile.a, o.width), score = counts ? product : -INFINITY;
    const float larger = fmaxf(most, warpReduce(score, [](float a, float b) { return fmaxf(a, b); }));
    const float base = larger == -INFINITY ? 0 : larger, shrink = expFast(most - base);
    const float p = counts ? expFast(score - base) : 0.f;
    total = total * shrink + warpSum(lane < kTile ? p : 0.f);
#pragma unroll
    for (int r = 0; r < kEach; r++) sums[r] *= shrink;
    accumulate(sums, p, tile.b, o.width);
    most = larger;
    __syncthreads();
  }
  if (!there) return;
  storeOwn(y + place.query(o, i), sums, seen > from ? 1.f / total : 0.f, o.width);
  if (logSumExp && lane == 0) logSumExp[head * o.queries + i] = seen > from ? most + logf(total) : INFINITY;
}

/// dq, and dy·y of every query, which the kernel after it reads.
__global__ __launch_bounds__(kThreads, 2) void queryKernel(SoftmaxAttentionBackward o, const float* q, const float* k, const float* v, const float* y, const float* logSumExp,
                                                       const float* dy, float* dq, float* along) {
  SHARED(tile, Tile);
  const int64_t tiles = divideUp(o.queries, kWarps), head = blockIdx.x / tiles;
  const Place place(o, head);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t first = blockIdx.x % tiles * kWarps, i = first + threadIdx.x / 32;
  const bool there = i < o.queries;
  const int64_t at = place.query(o, min(i, o.queries - 1)), from = there ? place.from(o, i) : 0, seen = there ? place.seen(o, i) : 0, until = place.seen(o, min(first + kWarps, o.queries) - 1);
  float own[kEach], ownDy[kEach], ownY[kEach], sums[kEach] = {};
  loadOwn(own, q + at, o.width, there), loadOwn(ownDy, dy + at, o.width, there), loadOwn(ownY, y + at, o.width, there);
  float product = 0;
#pragma unroll
  for (int r = 0; r < kEach; r++) product += ownDy[r] * ownY[r];
  product = warpSum(product);
  if (there && lane == 0) along[head * o.queries + i] = product;
  if (!dq) return;
  const float log = there ? logSumExp[head * o.queries + i] : 0.f;
  for (int64_t start = place.from(o, first) / kTile * kTile; start < until; start += kTile) {
    fetch(tile, k, v, start, until, o.width, [&](int64_t j) { return place.key(o, j); });
    __syncthreads();
    const float score = o.scale * dot(own, tile.a, o.width), dp = dot(ownDy, tile.b, o.width);
    const float ds = start + lane % kTile >= from && start + lane % kTile < seen ? expFast(score - log) * (dp - product) * o.scale : 0.f;
    accumulate(sums, ds, tile.a, o.width);
    __syncthreads();
  }
  if (there) storeOwn(dq + at, sums, 1, o.width);
}

__global__ __launch_bounds__(kThreads, 2) void keyKernel(SoftmaxAttentionBackward o, const float* q, const float* k, const float* v, const float* logSumExp, const float* dy,
                                                     const float* along, float* dk, float* dv) {
  SHARED(tile, Tile);
  const int64_t tiles = divideUp(o.keys, kWarps), head = blockIdx.x / tiles;
  const Place place(o, head);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t j = blockIdx.x % tiles * kWarps + threadIdx.x / 32;
  const bool there = j < o.keys;
  const int64_t at = place.key(o, min(j, o.keys - 1));
  float ownK[kEach], ownV[kEach], sumsK[kEach] = {}, sumsV[kEach] = {};
  loadOwn(ownK, k + at, o.width, there), loadOwn(ownV, v + at, o.width, there);
  for (int64_t start = 0; start < o.queries; start += kTile) {
    fetch(tile, q, dy, start, o.queries, o.width, [&](int64_t i) { return place.query(o, i); });
    __syncthreads();
    const int64_t i = start + lane % kTile, row = head * o.queries + min(i, o.queries - 1);
    const float score = o.scale * dot(ownK, tile.a, o.width), dp = dot(ownV, tile.b, o.width);
    const bool counts = there && i < o.queries && j >= place.from(o, i) && j < place.seen(o, i);
    const float p = counts ? expFast(score - logSumExp[row]) : 0.f, ds = p * (dp - along[row]) * o.scale;
    if (dk) accumulate(sumsK, ds, tile.a, o.width);
    if (dv) accumulate(sumsV, p, tile.b, o.width);
    __syncthreads();
  }
  if (there && dk) storeOwn(dk + at, sumsK, 1, o.width);
  if (there && dv) storeOwn(dv + at, sumsV, 1, o.width);
}

__global__ __launch_bounds__(kThreads, 4) void matrixKernel(SoftmaxAttentionMatrix o, const float* q, const float* k, const float* logSumExp, float* out) {
  const int64_t count = o.batch * o.heads * o.rows * o.keys;
  for (int64_t n = blockIdx.x * int64_t{kThreads} + threadIdx.x; n < count; n += int64_t{gridDim.x} * kThreads) {
    const int64_t j = n % o.keys, row = n / o.keys % o.rows, head = n / o.keys / o.rows, i = o.rowStart + row;
    const Place place(o, head);
    float result = 0;
    if (j >= place.from(o, i) && j < place.seen(o, i)) {
      const float *x = q + place.query(o, i), *z = k + place.key(o, j);
      float score = 0;
      for (int64_t c = 0; c < o.width; c++) score += x[c] * z[c];
      result = expFast(o.scale * score - logSumExp[head * o.queries + i]);
    }
    out[n] = result;
  }
}

unsigned gridOf(const SoftmaxAttentionShape& o, int64_t positions) { return static_cast<unsigned>(divideUp(positions, kWarps) * o.batch * o.heads); }

void checkWidth(const SoftmaxAttentionShape& o) {
  if (o.width > kWidest) throw std::runtime_error("softmaxAttention: heads " + std::to_string(o.width) + " wide; a GPU takes up to 256");
}

}  // namespace

void softmaxAttention(Gpu& gpu, const SoftmaxAttention& o) {
  if (o.rowCount() == 0 || o.width == 0) return;
  checkWidth(o);
  LAUNCH(forwardKernel, gridOf(o, o.queries), kThreads, 0, gpu.stream, o, as<float>(o.q), as<float>(o.k), as<float>(o.v), as<float>(o.y), as<float>(o.logSumExp));
}

void softmaxAttentionBackward(Gpu& gpu, const SoftmaxAttentionBackward& o) {
  if (o.batch * o.heads == 0 || o.width == 0) return;
  checkWidth(o);
  float* along = scratch<float>(gpu, o.rowCount() + 1);
  if (o.queries)
    LAUNCH(queryKernel, gridOf(o, o.queries), kThreads, 0, gpu.stream, o, as<float>(o.q), as<float>(o.k), as<float>(o.v), as<float>(o.y), as<float>(o.logSumExp),
           as<float>(o.dy), as<float>(o.dq), along);
  if ((o.dk.data || o.dv.data) && o.keys)
    LAUNCH(keyKernel, gridOf(o, o.keys), kThreads, 0, gpu.stream, o, as<float>(o.q), as<float>(o.k), as<float>(o.v), as<float>(o.logSumExp), as<float>(o.dy), along,
           as<float>(o.dk), as<float>(o.dv));
}

void softmaxAttentionMatrix(Gpu& gpu, const SoftmaxAttentionMatrix& o) {
  const int64_t count = o.batch * o.heads * o.rows * o.keys;
  if (count) LAUNCH(matrixKernel, gridX(divideUp(count, kThreads)), kThreads, 0, gpu.stream, o, as<float>(o.q), as<float>(o.k), as<float>(o.logSumExp), as<float>(o.out));
}

}  // namespace ha::gpu
