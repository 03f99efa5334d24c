// Chunks of one job that hand something on from each to the next. Whoever waits for a chunk of a smaller number waits for somebody at
// work, since chunks begin in the order of their numbers.
#pragma once
#include <cstdint>

namespace ha {

/// Waits until `current` is `turn`, and then sees all that was written before it was passed on.
void awaitTurn(const int64_t& current, int64_t turn);
inline void passTurn(int64_t& current, int64_t turn) { __atomic_store_n(&current, turn + 1, __ATOMIC_RELEASE); }

}  // namespace ha
