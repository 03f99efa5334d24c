// What the rows of a table and their gradient share: the words for an id out of range.
#pragma once
#include <cstdio>
#include "../../device/gpu/numbers.h"

namespace ha::gpu {

inline void explainEmbedding(char* text, size_t size, int32_t position, int32_t id, int64_t vocabulary) {
  std::snprintf(text, size, "embedding: id %d at position %d is not in 0…%d, the vocabulary is %d", id, position, static_cast<int>(vocabulary - 1),
                static_cast<int>(vocabulary));
}

}  // namespace ha::gpu
