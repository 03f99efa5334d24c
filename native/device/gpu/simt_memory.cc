// A block's shared memory: arrays between red zones, NaN until written; and copies to it that happen when they must.
#include "simt_machine.h"

#include <sys/mman.h>

#include <mutex>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace simt {
namespace machine {
namespace {

constexpr size_t kRedZone = 64;
constexpr char kUntouched = char(0xa5);

struct Limit {
  const void* kernel;
  size_t bytes;
};
std::vector<Limit> limits;
std::mutex limits_mutex;

void poison(char* p, size_t n) {
#ifdef __SANITIZE_ADDRESS__
  __asan_poison_memory_region(p, n);
#else
  std::memset(p, kUntouched, n);
#endif
}

}  // namespace

size_t dynamic_bytes;

size_t dynamic_limit_of(const void* kernel) {
  std::lock_guard lock(limits_mutex);
  for (auto& limit : limits)
    if (limit.kernel == kernel) return limit.bytes;
  return 48 << 10;
}

void start_memory(Block& b) {
#ifdef SIMT_TSAN  // fresh pages: the race detector forgets the block before
  if (b.arena) munmap(b.arena, kArenaBytes);
  b.arena = nullptr;
#endif
  if (!b.arena) b.arena = map(kArenaBytes);
  b.used = kRedZone, b.named.clear();
  poison(b.arena, kRedZone);
}

void finish_memory(Block& b) {
#ifdef __SANITIZE_ADDRESS__  // the sanitizer has watched the red zones itself
  drop_memory(b);
#else
  for (auto& n : b.named)
    for (size_t i = 0; i < kRedZone; i++) {
      const bool before = b.arena[n.offset - 1 - i] != kUntouched, after = b.arena[n.offset + n.bytes + i] != kUntouched;
      if (!before && !after) continue;
      const dim3 at = b.fibers[0].block;
      error = "block (" + std::to_string(at.x) + "," + std::to_string(at.y) + "," + std::to_string(at.z) + ") wrote " +
              (after ? "past the end" : "before the start") + " of the shared array " + n.name + " (" + std::to_string(n.bytes) + " bytes, " + place(n.site) + ")";
      return;
    }
#endif
}

void drop_memory([[maybe_unused]] Block& b) {
#ifdef __SANITIZE_ADDRESS__
  __asan_unpoison_memory_region(b.arena, kArenaBytes);
#endif
}

}  // namespace machine

using namespace machine;

void* shared(const void* key, const char* name, size_t bytes, size_t align, Site site) {
  Block& b = *current->in;
  for (auto& n : b.named)
    if (n.key == key) return b.arena + n.offset;
  align = std::max<size_t>(align, 16);
  const size_t at = (b.used + align - 1) & ~(align - 1);
  if (at + bytes + kRedZone > kArenaBytes) fail("more shared memory than a block can have");
  poison(b.arena + b.used, at - b.used);
#ifdef __SANITIZE_ADDRESS__
  __asan_unpoison_memory_region(b.arena + at, bytes);
#endif
#ifndef SIMT_TSAN
  std::memset(b.arena + at, 0xff, bytes);  // NaN until written
#endif
  poison(b.arena + at + bytes, kRedZone);
  b.used = at + bytes + kRedZone;
  b.named.push_back({key, name, site, at, bytes});
  return b.arena + at;
}

void* shared_dynamic(const char* name, Site site) { return shared(&dynamic_bytes, name, dynamic_bytes, 128, site); }

void allow_dynamic(const void* kernel, size_t bytes) {
  std::lock_guard lock(limits_mutex);
  for (auto& limit : limits)
    if (limit.kernel == kernel) return void(limit.bytes = bytes);
  limits.push_back({kernel, bytes});
}

void copy_async(void* to, const void* from, size_t bytes, Site site) {
  if ((bytes != 4 && bytes != 8 && bytes != 16) || (uintptr_t(to) | uintptr_t(from)) % bytes)
    fail("cp.async of %zu bytes, misaligned or not 4, 8, 16 (%s)", bytes, place(site).c_str());
  if (options.late_copies) current->copies.push_back({to, from, bytes, current->group, site});
  else std::memcpy(to, from, bytes);
}

void copy_commit() { current->group++; }

void copy_wait(int newest) {
  auto& copies = current->copies;
  size_t kept = 0;
  for (auto& copy : copies)
    if (copy.group < current->group - newest) std::memcpy(copy.to, copy.from, copy.bytes);
    else copies[kept++] = copy;
  copies.resize(kept);
}

}  // namespace simt
