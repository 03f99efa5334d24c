#include "blocks.h"

#include <cstdlib>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace ha {

constexpr size_t kLine = 64;  // bytes of a cache line, and of the widest vector
constexpr size_t kHugePage = size_t{2} << 20;

void* allocateBlock(size_t bytes) {
  const bool large = bytes >= 2 * kHugePage;
  const size_t alignment = large ? kHugePage : kLine;
  void* block = nullptr;
  if (posix_memalign(&block, alignment, (bytes + kLine - 1) / kLine * kLine) != 0) return nullptr;
#if defined(__linux__)
  // the end that does not fill a page stays in small ones, so that nothing is used beyond what was asked for
  if (large) madvise(block, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  return block;
}

}  // namespace ha
