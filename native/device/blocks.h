// Memory from the system for tensors and for what kernels work with.
#pragma once
#include <cstddef>

namespace ha {

/// At least `bytes`, on a cache line; null where there is none. Large blocks are asked for in huge pages (Linux): reading a weight
/// then waits for few translations of addresses. Free it with std::free.
void* allocateBlock(size_t bytes);

}  // namespace ha
