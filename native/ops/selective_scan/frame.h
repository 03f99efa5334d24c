// The frame that the scan and its transposed pass fill in. pieces.h runs it.
//
// A pass has:
//   s                            the op's arguments
//   kBackward                    whether it goes from the last position to the first
//   given(), left()              the states that it starts from and leaves, [b d n], or nullptr
//   result()                     [b l d], zero from end(length) on
//   end(length)                  the position behind the last one to visit of a row of this length
//   alone(chunk)                 whether it has done all of a chunk in a way of its own
//   any(spot)                    whether anything enters the states there
//   prepare(spot, vectors)       what does not depend on the states: fills delta and in
//   advance<kKept>(spot, …)      takes the states of a block through the spot, and fills out with what is read from them
//   finish(spot, vectors)        the result of the spot
#pragma once
#include "../rows.h"
#include "parts.h"

namespace ha::HA_ISA {

/// Consecutive positions of one block of channels; what is visited next is `next` numbers behind.
struct ScanSpot {
  int64_t row, start, channel, next;
  int count, lanes;
};
/// Of those positions, W channels each, [i][W]: the delta' of the decay, what enters the states, and what is read from them.
struct ScanVectors {
  float *delta, *in, *out;
  ScanVectors from(int64_t i) const { return {delta + i * W, in + i * W, out + i * W}; }
};

/// A and the states of a block, each [n][W].
template <class Pass>
static void takeStates(const Pass& pass, int64_t row, int64_t channel, int lanes, float* A, float* states) {
  const int64_t N = pass.s.state;
  gatherStates(pass.s.A + channel * N, lanes, N, kLog2e, A);
  if (pass.given()) gatherStates(pass.given() + (row * pass.s.channels + channel) * N, lanes, N, 1, states);
  else zero(states, N * W);
}
template <class Pass>
static void leaveStates(const Pass& pass, int64_t row, int64_t channel, int lanes, const float* states) {
  const int64_t N = pass.s.state;
  if (pass.left()) scatterStates(states, lanes, N, pass.left() + (row * pass.s.channels + channel) * N);
}
/// Zeros in the result of positions first…end−1.
template <class Pass>
static void zeroResult(const Pass& pass, const ScanChunk& chunk, int64_t first, int64_t end) {
  for (int64_t i = first; i < end; i++)
    zero(pass.result() + (chunk.row * pass.s.length + i) * pass.s.channels + chunk.first, chunk.end - chunk.first);
}

/// Tile by tile, the blocks of a chunk.
template <class Pass>
static void scanChunk(const Pass& pass, const ScanChunk& chunk, float* memory) {
  const int64_t D = pass.s.channels, N = pass.s.state, blocks = chunk.blocks(), end = pass.end(chunk.length), tiles = scanTiles(end);
  if (pass.alone(chunk)) return;
  float *A = memory, *states = A + blocks * N * W;
  for (int64_t block = 0; block < blocks; block++)
    takeStates(pass, chunk.row, chunk.channel(block), chunk.lanes(block), A + block * N * W, states + block * N * W);
  const bool shared = sharedRates(A, blocks, N);

  alignas(64) float memories[3 * kScanTile * W];
  const ScanVectors vectors = {memories, memories + kScanTile * W, memories + 2 * kScanTile * W};
  for (int64_t tile = 0; tile < tiles; tile++) {
    const int64_t start = (Pass::kBackward ? tiles - 1 - tile : tile) * kScanTile, step = (Pass::kBackward ? -kScanTile : kScanTile) * D;
    const int count = (int)minimum(kScanTile, end - start);
    for (int64_t block = 0; block < blocks; block++) {
      const ScanSpot spot = {chunk.row, start, chunk.channel(block), block + 1 < blocks ? W : step - block * W, count, chunk.lanes(block)};
      float* own = states + block * N * W;
      if (!pass.any(spot) && allZero(own, N * W)) {  // all has decayed and nothing comes in any more
        for (int i = 0; i < count; i++)
          storePart(pass.result() + (chunk.row * pass.s.length + start + i) * D + spot.channel, splat(0), spot.lanes);
        continue;
      }
      pass.prepare(spot, vectors);
      pass.template advance<false>(spot, vectors, chunk.group, A + block * N * W, own, shared);
      pass.finish(spot, vectors);
    }
  }
  zeroResult(pass, chunk, end, pass.s.length);
  for (int64_t block = 0; block < blocks; block++)
    leaveStates(pass, chunk.row, chunk.channel(block), chunk.lanes(block), states + block * N * W);
}

}  // namespace ha::HA_ISA
