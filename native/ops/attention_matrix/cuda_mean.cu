// The mean matrix below the diagonal tiles, and what is around it: sums of Δ before, the sum of the parts after (cuda_mean.h).
#include <cmath>
#include "cuda_mean.h"

namespace ha::gpu {
namespace {

constexpr int kTile = kMeanTile, kSpan = kMeanSpan, kThreads = kMeanThreads;
constexpr int kSlice = 16;  // keys at a time: those of one fragment
constexpr int kRowWarps = 2, kColumnWarps = 4, kRowParts = kTile / kRowWarps / 16, kColumnParts = kTile / kColumnWarps / 8;

/// The sums within tiles and spans; before[tile]: the tile's own sum for now.
__global__ void sumsKernel(MeanArguments o) {
  const int64_t count = o.batch * o.tiles * o.channels;
  for (int64_t at = blockIdx.x * int64_t{kThreads} + threadIdx.x; at < count; at += int64_t{gridDim.x} * kThreads) {
    const int64_t d = at % o.channels, tile = at / o.channels % o.tiles, b = at / o.channels / o.tiles;
    const int64_t first = tile * kTile, end = first + kTile < o.length ? first + kTile : o.length;
    double sum = 0, span = 0;
    for (int64_t i = first; i < end; i++) {
      const int64_t p = (b * o.length + i) * o.channels + d;
      const double delta = o.delta[p];
      sum += delta, span = i % kSpan ? span + delta : delta;
      o.sinceTile[p] = static_cast<float>(sum), o.sinceSpan[p] = static_cast<float>(span);
    }
    o.before[at] = sum;
    sum = span = 0;
    for (int64_t i = end - 1; i >= first; i--) {
      const int64_t p = (b * o.length + i) * o.channels + d;
      if (i % kSpan == kSpan - 1) span = 0;
      o.toTileEnd[p] = static_cast<float>(sum), o.toSpanEnd[p] = static_cast<float>(span);
      sum += o.delta[p], span += o.delta[p];
    }
  }
}

__global__ void beforeKernel(MeanArguments o) {
  for (int64_t at = blockIdx.x * int64_t{kThreads} + threadIdx.x; at < o.batch * o.channels; at += int64_t{gridDim.x} * kThreads) {
    const int64_t d = at % o.channels, b = at / o.channels;
    double sum = 0;
    for (int64_t tile = 0; tile < o.tiles; tile++) {
      double& own = o.before[(b * o.tiles + tile) * o.channels + d];
      const double next = sum + own;
      own = sum, sum = next;
    }
  }
}

/// Which tiles a block has: pairs (row, column < row) are counted row by row. (In shared memory: registers are short.)
struct Tiles {
  int64_t row, column;
  int keys;  // where its part of the sum ends
};
__device__ __forceinline__ Tiles tilesOf(int64_t pair) {
  int64_t row = static_cast<int64_t>((1 + sqrt(1 + 8 * static_cast<double>(pair))) / 2);
  while (row * (row - 1) / 2 > pair) row--;
  while (row * (row + 1) / 2 <= pair) row++;
  return {row, pair - row * (row - 1) / 2, 0};
}

/// The factors of a tile for a slice of keys, as fragments take them: what a lane needs of a row are 16 bytes side by side (high
/// and low of keys 2·lane and 2·lane + 8).
using Slice = uint2[kTile][kSlice / 2];
__device__ __forceinline__ void put(Slice& slice, int row, int pair, Split x) { slice[row][pair % 4 * 2 + pair / 4] = {x.high, x.low}; }
__device__ __forceinline__ uint4 get(const Slice& slice, int row, int lane) { return *reinterpret_cast<const uint4*>(&slice[row][lane * 2]); }

/// 128 rows by 128 columns: all threads make the factors of a slice of keys in shared memory, then each warp multiplies 64 rows by
/// 32 columns. Two blocks share a multiprocessor, so that one makes factors while the other multiplies.
__global__ __launch_bounds__(kThreads, 2) void belowDiagonalKernel(MeanArguments o) {
  SHARED(rows, Slice[2]);
  SHARED(columns, Slice[2]);
  SHARED(tiles, Tiles);
  const int thread = static_cast<int>(threadIdx.x), pair = thread % (kSlice / 2), line = thread / (kSlice / 2), lines = kThreads / (kSlice / 2);
  const int warp = thread / 32, row0 = warp / kColumnWarps * (kTile / kRowWarps), column0 = warp % kColumnWarps * (kTile / kColumnWarps);
  const int group = thread % 32 / 4, lane = thread % 4;  // as fragments are laid out
  const int states = static_cast<int>(o.state);
  if (thread == 0) {
    tiles = tilesOf(o.firstTile * (o.firstTile - 1) / 2 + blockIdx.x);
    tiles.keys = o.firstChannel(blockIdx.z + 1) * states;
  }
  __syncthreads();
  const unsigned b = blockIdx.y;
  float sum[kRowParts][kColumnParts][4] = {};
  for (int k0 = o.firstChannel(blockIdx.z) * states; k0 < tiles.keys; k0 += kSlice) {
    const int half = k0 / kSlice & 1;  // the next slice is made in the other half, while some warps are still at this one
    const Keys keys(o, k0 + 2 * pair, tiles.keys);
    // Σ Δ of the tiles between the two
    const double* before = o.before + b * o.tiles * o.channels + keys.channel;
    const float between = keys.channel < 0 ? 0 : static_cast<float>(before[tiles.row * o.channels] - before[(tiles.column + 1) * o.channels]);
#pragma unroll 1  // two at a time spill registers on some architectures
    for (int r = line; r < kTile; r += lines) {
      const int64_t i = tiles.row * kTile + r, j = tiles.column * kTile + r;
      const Split u = i < o.length ? rowFactors(o, keys, o.sinceTile, b * o.length + i) : Split{0, 0};
      const Split v = columnFactors(o, keys, o.toTileEnd, between, b * o.length + j);
      put(rows[half], r, pair, u), put(columns[half], r, pair, v);
    }
    __syncthreads();
    uint32_t high[kColumnParts][2], low[kColumnParts][2];
#pragma unroll
    for (int c = 0; c < kColumnParts; c++) {
      const uint4 own = get(columns[half], column0 + 8 * c + group, lane);
      high[c][0] = own.x, low[c][0] = own.y, high[c][1] = own.z, low[c][1] = own.w;
    }
#pragma unroll
    for (int r = 0; r < kRowParts; r++) {
      const uint4 above = get(rows[half], row0 + 16 * r + group, lane), below = get(rows[half], row0 + 16 * r + 8 + group, lane);
      const uint32_t rowHigh[4] = {above.x, below.x, above.z, below.z}, rowLow[4] = {above.y, below.y, above.w, below.w};
#pragma unroll
      for (int c = 0; c < kColumnParts; c++) addProduct(sum[r][c], rowHigh, rowLow, high[c], low[c]);
    }
  }
  float* part = o.part(blockIdx.z, b);
#pragma unroll
  for (int r = 0; r < kRowParts; r++)
#pragma unroll
    for (int e = 0; e < 4; e += 2) {
      const int64_t row = tiles.row * kTile + row0 + 16 * r + group + e / 2 * 8 - o.rowStart;
      if (row < 0 || row >= o.rows) continue;
#pragma unroll
      for (int c = 0; c < kColumnParts; c++) {
        float* to = part + row * o.length + tiles.column * kTile + column0 + 8 * c + 2 * lane;
        to[0] = sum[r][c][e], to[1] = sum[r][c][e + 1];
      }
    }
}

/// out = scale·Σ of the parts, in order; zero above the diagonal. `out` may be the only part.
__global__ void addPartsKernel(MeanArguments o, float scale, float* out) {
  const int64_t count = o.batch * o.rows * o.length;
  for (int64_t at = blockIdx.x * int64_t{kThreads} + threadIdx.x; at < count; at += int64_t{gridDim.x} * kThreads) {
    const int64_t j = at % o.length, i = o.rowStart + at / o.length % o.rows;
    float sum = 0;
    if (j <= i)
      for (int64_t split = 0; split < o.splits; split++) sum += o.parts[split * count + at];
    out[at] = scale * sum;
  }
}

}  // namespace

void meanMatrix(Gpu& gpu, const AttentionMatrixReduced& m) {
  MeanArguments o{m.batch, m.length, m.channels, m.state, m.groups,   m.rowStart,    m.rows,  divideUp(m.length, kTile), m.rowStart / kTile, 1,
                  m.delta, m.A,      m.B,        m.C,     m.rowScale, m.columnScale, nullptr, nullptr,                   nullptr,            nullptr,
                  nullptr, m.out};
  const int64_t lastTile = (m.rowStart + m.rows - 1) / kTile, rowTiles = lastTile - o.firstTile + 1;
  const int64_t pairs = lastTile * (lastTile + 1) / 2 - o.firstTile * (o.firstTile - 1) / 2, numbers = m.batch * m.length * m.channels;
  // a long sum is cut where there are too few tiles to fill the card twice over
  const int64_t wanted = gpu.multiprocessors * 4 / ((pairs + rowTiles) * m.batch), most = divideUp(m.channels * m.state, 256);
  o.splits = least(least(wanted < 1 ? 1 : wanted, most), m.channels);
  if (o.splits > 1) o.parts = scratch<float>(gpu, o.splits * m.batch * m.rows * m.length);
  o.sinceSpan = scratch<float>(gpu, numbers), o.sinceTile = scratch<float>(gpu, numbers);
  o.toSpanEnd = scratch<float>(gpu, numbers), o.toTileEnd = scratch<float>(gpu, numbers);
  o.before = scratch<double>(gpu, m.batch * o.tiles * m.channels);
  const auto blocks = [&](int64_t count) { return gridX(least(divideUp(count, kThreads), gpu.multiprocessors * 32)); };
  LAUNCH(sumsKernel, blocks(m.batch * o.tiles * m.channels), kThreads, 0, gpu.stream, o);
  LAUNCH(beforeKernel, blocks(m.batch * m.channels), kThreads, 0, gpu.stream, o);
  if (pairs) LAUNCH(belowDiagonalKernel, dim3(gridX(pairs), static_cast<unsigned>(m.batch), static_cast<unsigned>(o.splits)), kThreads, 0, gpu.stream, o);
  meanMatrixDiagonal(gpu, o);
  LAUNCH(addPartsKernel, blocks(m.batch * m.rows * m.length), kThreads, 0, gpu.stream, o, 1.f / static_cast<float>(m.channels), as<float>(m.out));
}

}  // namespace ha::gpu
