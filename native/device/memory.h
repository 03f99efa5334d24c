// The device's memory: size classes with free lists. A block that is freed may be handed out again at once although ops
// that use it are still queued: the queue runs in order, so whoever gets the block next runs later.
#pragma once
#include <cstddef>
#include <functional>
#include <map>
#include <stdexcept>
#include <vector>
#include "hardware.h"

namespace ha {

struct OutOfMemory : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Memory {
 public:
  /// `hardware`: where blocks come from. `limit`: bytes that live and cached blocks may hold together. `giveBack` gets the blocks that the cache lets go of; it
  /// frees them when no queued op uses them any more.
  using GiveBack = std::function<void(std::vector<void*>)>;
  /// `settle` waits until everything given back so far is free: the last resort before an allocation is refused.
  Memory(Hardware& hardware, size_t limit, GiveBack giveBack, std::function<void()> settle = {})
      : hardware_(hardware), limit_(limit), giveBack_(std::move(giveBack)), settle_(std::move(settle)) {}
  ~Memory();
  Memory(const Memory&) = delete;
  /// At least `bytes`, 64-byte aligned. `fresh`: never a cached block, so that no queued op can still write to it.
  void* allocate(size_t bytes, bool fresh = false);
  void free(void* block, size_t bytes);
  /// Lets go of all cached blocks.
  void trim();
  size_t live() const { return live_; }
  size_t cached() const { return cached_; }
  size_t peak() const { return peak_; }
  size_t limit() const { return limit_; }
  void resetPeak() { peak_ = live_; }

 private:
  Hardware& hardware_;
  size_t limit_, live_ = 0, cached_ = 0, peak_ = 0;
  GiveBack giveBack_;
  std::function<void()> settle_;
  std::map<size_t, std::vector<void*>> free_;
  std::vector<void*> takeCached();
};

}  // namespace ha
