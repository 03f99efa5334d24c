// Tiles of 128×128 of a product on the tensor cores: words of 32 bits (some numbers of k each), 16 along k at a time in shared memory;
// each of eight warps has 64×32 of a tile, as 4×4 fragments of 16×8. Words lie in fragments of 16 and of 8 bits alike.
#pragma once
#include "../../device/gpu/gpu.h"

namespace ha::gpu::tiles {

constexpr int kTile = 128, kThreads = 256, kWords = 16;
constexpr int kRowParts = 4, kColumnParts = 4, kColumnWarps = 4;
/// Four words of padding, so that no two lanes meet on a bank.
using Words = uint32_t[kTile][kWords + 4];

/// Rows row0… of x [rows words] from word0 on; zero past the ends.
__device__ __forceinline__ void fetch(Words& tile, const uint32_t* x, int64_t row0, int64_t rows, int64_t word0, int64_t words) {
  for (int at = static_cast<int>(threadIdx.x); at < kTile * kWords / 4; at += kThreads) {
    const int row = at / (kWords / 4), word = at % (kWords / 4) * 4;
    const bool there = row0 + row < rows && word0 + word < words;
    *reinterpret_cast<uint4*>(&tile[row][word]) = there ? *reinterpret_cast<const uint4*>(x + (row0 + row) * words + word0 + word) : uint4{0, 0, 0, 0};
  }
}

/// What of its block's tile a thread has a part of.
struct Place {
  int row0, column0, group, lane;
  __device__ __forceinline__ Place() {
    const int warp = static_cast<int>(threadIdx.x) / 32;
    row0 = warp / kColumnWarps * 16 * kRowParts, column0 = warp % kColumnWarps * 8 * kColumnParts;
    group = static_cast<int>(threadIdx.x) % 32 / 4, lane = static_cast<int>(threadIdx.x) % 4;
  }
  /// Where number e of the sums of fragment (r, c) belongs.
  __device__ __forceinline__ int row(int r, int e) const { return row0 + 16 * r + e / 2 * 8 + group; }
  __device__ __forceinline__ int column(int c, int e) const { return column0 + 8 * c + 2 * lane + e % 2; }
  __device__ __forceinline__ void left(uint32_t (&words)[4], const Words& rows, int r, int word) const {
#pragma unroll
    for (int e = 0; e < 4; e++) words[e] = rows[row0 + 16 * r + e % 2 * 8 + group][word + e / 2 * 4 + lane];
  }
  __device__ __forceinline__ void right(uint32_t (&words)[2], const Words& columns, int c, int word) const {
#pragma unroll
    for (int e = 0; e < 2; e++) words[e] = columns[column0 + 8 * c + group][word + 4 * e + lane];
  }
};

}  // namespace ha::gpu::tiles
