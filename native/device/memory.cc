#include "memory.h"

#include <algorithm>
#include <bit>
#include <string>

namespace ha {
namespace {

/// Classes an eighth of a power of two apart: at most 12.5 % is lost, and blocks of similar shapes are shared.
size_t sizeClass(size_t bytes) {
  if (bytes <= 512) return (bytes + 63) / 64 * 64 + (bytes == 0 ? 64 : 0);
  const size_t step = std::bit_floor(bytes - 1) / 8;
  return (bytes + step - 1) / step * step;
}

/// The cache may hold twice what tensors ever did, or this.
constexpr size_t kSmallCache = size_t{256} << 20;

std::string megabytes(size_t bytes) { return std::to_string((bytes + 524288) / 1048576) + " MiB"; }

}  // namespace

void* Memory::allocate(size_t bytes, bool fresh) {
  const size_t size = sizeClass(bytes);
  void* block = nullptr;
  if (auto cached = free_.find(size); !fresh && cached != free_.end() && !cached->second.empty()) {
    block = cached->second.back();
    cached->second.pop_back();
    cached_ -= size;
  } else {
    if (live_ + cached_ + size > limit_) trim();
    if (live_ + size <= limit_) {
      block = hardware_.allocate(size);
      if (!block && settle_) trim(), settle_(), block = hardware_.allocate(size);
    }
    if (!block)
      throw OutOfMemory("out of memory: " + megabytes(size) + " asked for, " + megabytes(live_) + " in use of " + megabytes(limit_) +
                        "; dispose of tensors that are no longer needed, or ask for less at a time");
  }
  live_ += size;
  if (live_ > peak_) peak_ = live_;
  return block;
}

void Memory::free(void* block, size_t bytes) {
  const size_t size = sizeClass(bytes);
  live_ -= size;
  cached_ += size;
  free_[size].push_back(block);
  // shapes that change from call to call fill the cache with classes that nobody asks for again
  if (cached_ > std::max(2 * peak_, kSmallCache)) trim();
}

std::vector<void*> Memory::takeCached() {
  std::vector<void*> all;
  for (auto& [size, blocks] : free_) all.insert(all.end(), blocks.begin(), blocks.end());
  free_.clear();
  cached_ = 0;
  return all;
}

void Memory::trim() {
  if (cached_) giveBack_(takeCached());
}

Memory::~Memory() {
  for (void* block : takeCached()) hardware_.free(block);
}

}  // namespace ha
