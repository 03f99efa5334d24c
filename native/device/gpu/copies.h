// Copies between host and device through pinned memory, so that neither waits for the other; and what the runtime's errors become.
#pragma once
#include <cstring>
#include <mutex>
#include <string>
#include <vector>
#include "dialect.h"

namespace ha::gpu {

struct Failure {
  std::string text;
};
inline void must(cudaError_t status, const char* what) {
  if (status != cudaSuccess) throw Failure{std::string(what) + ": " + cudaGetErrorString(status)};
}

/// Copies to the device, in blocks that are used in turn.
class Uploads {
 public:
  ~Uploads() {
    for (Block& block : blocks_) cudaFreeHost(block.memory), cudaEventDestroy(block.event);
  }
  void copy(void* to, const void* from, size_t bytes, cudaStream_t stream) {
    for (size_t done = 0; done < bytes; done += kBlock) {
      const size_t part = bytes - done < kBlock ? bytes - done : kBlock;
      Block& block = next();
      std::memcpy(block.memory, static_cast<const char*>(from) + done, part);
      must(cudaMemcpyAsync(static_cast<char*>(to) + done, block.memory, part, cudaMemcpyHostToDevice, stream), "copy to the device");
      must(cudaEventRecord(block.event, stream), "event");
      block.used = true;
    }
  }

 private:
  static constexpr size_t kBlock = size_t{4} << 20;
  struct Block {
    void* memory = nullptr;
    cudaEvent_t event = nullptr;
    bool used = false;
  };
  /// The next block in turn, when the copy that used it last has ended.
  Block& next() {
    if (blocks_.size() < 8) {
      Block block;
      must(cudaMallocHost(&block.memory, kBlock), "pinned host memory");
      must(cudaEventCreateWithFlags(&block.event, cudaEventDisableTiming), "event");
      blocks_.push_back(block);
      return blocks_.back();
    }
    Block& block = blocks_[turn_++ % blocks_.size()];
    if (block.used) must(cudaEventSynchronize(block.event), "copy to the device");
    return block;
  }
  std::vector<Block> blocks_;
  size_t turn_ = 0;
};

/// Pinned memory for reads, kept for the next one of about its size.
class PinnedPool {
 public:
  ~PinnedPool() {
    for (Block& block : free_) cudaFreeHost(block.memory);
  }
  /// nullptr for large reads: they end in the caller's own memory, piece by piece.
  void* take(size_t bytes) {
    if (bytes > kLargest) return nullptr;
    std::lock_guard lock(mutex_);
    for (size_t i = 0; i < free_.size(); i++)
      if (free_[i].bytes >= bytes && free_[i].bytes <= 4 * bytes + 4096) {
        busy_.push_back(free_[i]);
        free_.erase(free_.begin() + static_cast<long>(i));
        return busy_.back().memory;
      }
    void* memory = nullptr;
    must(cudaMallocHost(&memory, bytes), "pinned host memory");
    busy_.push_back({memory, bytes});
    return memory;
  }
  void giveBack(void* memory) {
    void* drop = nullptr;
    {
      std::lock_guard lock(mutex_);
      for (size_t i = 0; i < busy_.size(); i++)
        if (busy_[i].memory == memory) {
          free_.push_back(busy_[i]);
          busy_.erase(busy_.begin() + static_cast<long>(i));
          break;
        }
      if (free_.size() > 16) drop = free_.front().memory, free_.erase(free_.begin());
    }
    if (drop) cudaFreeHost(drop);
  }

 private:
  static constexpr size_t kLargest = size_t{64} << 20;
  struct Block {
    void* memory;
    size_t bytes;
  };
  std::mutex mutex_;
  std::vector<Block> free_, busy_;
};

}  // namespace ha::gpu
