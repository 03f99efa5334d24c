// The thread pool under load, and what holds on its threads: tests of the processor alone.
#include <atomic>
#include <thread>
#include "../test/check.h"
#include "turn.h"

namespace ha {

TEST(poolRunsEveryChunkOnce) {
  for (int64_t chunks : {1, 2, 7, 64, 1000}) {
    for (int repeat = 0; repeat < 200; repeat++) {
      std::vector<std::atomic<int>> hits(chunks);
      check.context.run(chunks, [](void* data, int64_t chunk) { (*static_cast<std::vector<std::atomic<int>>*>(data))[chunk]++; }, &hits);
      for (auto& hit : hits) check.that("each chunk runs once", hit == 1);
    }
  }
}

TEST(chunksPassSomethingOnInOrder) {
  for (int repeat = 0; repeat < 100; repeat++) {
    struct Sums {
      int64_t turn = 0;
      std::vector<int64_t> seen;
    } sums;
    check.context.run(500, [](void* data, int64_t chunk) {
      Sums& own = *static_cast<Sums*>(data);
      awaitTurn(own.turn, chunk);
      own.seen.push_back(chunk);
      passTurn(own.turn, chunk);
    }, &sums);
    bool inOrder = sums.seen.size() == 500;
    for (int64_t chunk = 0; inOrder && chunk < 500; chunk++) inOrder = sums.seen[chunk] == chunk;
    check.that("each chunk after the one before", inOrder);
  }
}

/// They cost a hundred cycles each: they are zeros from the first op of a thread on, be it a single chunk.
TEST(subnormalNumbersAreZeros) {
  const float small = 1e-20f;
  float square = 1;
  std::thread([&] { check.op.unary(check.context, {1, UnaryKind::kSquare, 1, 0, &small, &square}); }).join();
  check.that("1e-40 is 0", square == 0);
}

}  // namespace ha
