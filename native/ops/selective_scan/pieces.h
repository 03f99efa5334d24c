// A long text of few channels on several threads: in pieces, of which only the recurrence itself waits for the piece before.
#pragma once
#include "../../device/turn.h"
#include "frame.h"

namespace ha::HA_ISA {

/// decays[i][n] = exp(delta'_i·A[n]), W channels each.
HA_INLINE void keepDecays(const float* delta, int count, const float* A, int64_t state, float* decays) {
  const bool shared = sharedRates(A, 1, state);
  for (int i = 0; i < count; i++, decays += state * W) {
    const vf x = load(delta + i * W);
    if (shared) {
      const vf decay = exp2Flushed(x * load(A));
      for (int64_t n = 0; n < state; n++) store(decays + n * W, decay);
    } else {
      forStates(state, [&]<int S>(int64_t n) HA_INLINED {
#pragma GCC unroll 16
        for (int k = 0; k < S; k++) store(decays + (n + k) * W, exp2Flushed(x * load(A + (n + k) * W)));
      });
    }
  }
}

/// Positions of a piece: a hundredth of a millisecond's work, tiles without a rest.
HA_INLINE int64_t pieceLength(int64_t state) { return maximum(1, minimum(16, 2048 / maximum(1, state * W))) * kScanTile; }

/// The text of some blocks in pieces, on several threads: the exponentials of a piece while the states are still on their way through
/// those before. Everything is computed once, and as scanChunk computes it: to the same numbers.
template <class Pass>
struct ScanPieces {
  struct alignas(64) Block {
    int64_t turn;    // the piece that has the states
    int32_t asleep;  // whether they were zero and nothing came in: those of the next pieces are then likely zero too
  };
  const Pass& pass;
  const ScanParts& parts;
  int64_t first, blocks, piece, pieces;  // the first block's chunk, how many; positions of a piece, pieces of a text
  int64_t ahead = 0;                     // how many numbers behind a piece its thread goes on, about
  Block* all = nullptr;
  float *rates = nullptr, *states = nullptr;  // [block][n][W]

  ScanPieces(Context& context, const Pass& pass, const ScanParts& parts, int64_t first, int64_t blocks)
      : pass(pass), parts(parts), first(first), blocks(blocks), piece(pieceLength(pass.s.state)), pieces((pass.s.length + piece - 1) / piece) {
    if (!blocks) return;
    const int64_t each = pass.s.state * W;
    ahead = context.threads() / blocks * piece * pass.s.channels;
    all = (Block*)context.scratch(blocks * sizeof(Block));
    rates = (float*)context.scratch(2 * blocks * each * sizeof(float)), states = rates + blocks * each;
    for (int64_t block = 0; block < blocks; block++) {
      const ScanChunk chunk = parts.at(first + block);
      takeStates(pass, chunk.row, chunk.first, chunk.lanes(0), rates + block * each, states + block * each);
      all[block] = {0, false};
    }
  }
  int64_t chunks() const { return blocks * pieces; }

  void run(Context& context, int64_t k) const {
    const int64_t block = k % blocks, turn = k / blocks, N = pass.s.state, start = (Pass::kBackward ? pieces - 1 - turn : turn) * piece;
    const ScanChunk chunk = parts.at(first + block);
    const int64_t stop = minimum(pass.s.length, start + piece), end = maximum(start, minimum(stop, pass.end(chunk.length)));
    const ScanSpot spot = {chunk.row, start, chunk.first, Pass::kBackward ? -ahead : ahead, (int)(end - start), chunk.lanes(0)};
    float* memory = (float*)context.chunkScratch(piece * (3 + N) * W * sizeof(float));
    const ScanVectors vectors = {memory, memory + piece * W, memory + 2 * piece * W};
    float *A = rates + block * N * W, *own = states + block * N * W, *decays = memory + 3 * piece * W;
    Block& shared = all[block];

    const auto prepare = [&] {
      pass.prepare(spot, vectors);
      keepDecays(vectors.delta, spot.count, A, N, decays);
    };
    const bool any = pass.any(spot), early = any || !__atomic_load_n(&shared.asleep, __ATOMIC_RELAXED);
    if (early) prepare();
    awaitTurn(shared.turn, turn);
    const bool quiet = !any && allZero(own, N * W);
    __atomic_store_n(&shared.asleep, quiet, __ATOMIC_RELAXED);
    if (!quiet) {
      if (!early) prepare();
      pass.template advance<true>(spot, vectors, chunk.group, decays, own, false);
    }
    if (turn + 1 == pieces) leaveStates(pass, chunk.row, chunk.first, chunk.lanes(0), own);
    passTurn(shared.turn, turn);
    if (quiet) zeroResult(pass, chunk, start, end);
    else pass.finish(spot, vectors);
    zeroResult(pass, chunk, end, stop);
  }
};

/// How many chunks, the last ones, are scanned in pieces: those that would leave at least half of the threads waiting, where the text is
/// long enough for what pieces cost (their exponentials go through the second cache, and the states move from core to core).
HA_INLINE int64_t chunksInPieces(const Context& context, const ScanParts& parts, int64_t state) {
  const int64_t rest = parts.chunks % context.threads();
  return parts.blocks == 1 && 2 * rest <= context.threads() && parts.length * W * (state + 8) > 400000 && state <= 1024 ? rest : 0;
}

/// All of a pass: a whole chunk at a time, and what is left in pieces.
template <class Pass>
static void runScan(const char* op, Context& context, const Pass& pass) {
  const ScanParts parts = scanParts(op, context, pass.s);
  const int64_t inPieces = chunksInPieces(context, parts, pass.s.state), whole = parts.chunks - inPieces;
  const ScanPieces<Pass> pieces(context, pass, parts, whole, inPieces);
  const ScanMemory memory(context, 2 * parts.blocks * pass.s.state * W, parts.chunks);
  parallel(context, whole + pieces.chunks(), [&](int64_t chunk) {
    if (chunk < whole) scanChunk(pass, parts.at(chunk), memory.of(chunk));
    else pieces.run(context, chunk - whole);
  });
}

}  // namespace ha::HA_ISA
