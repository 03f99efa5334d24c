// Working memory of an op. It lives until the op returns, which here means: until its kernels have run, as all run in one stream.
#pragma once
#include <new>
#include <vector>
#include "dialect.h"

namespace ha::gpu {

/// Blocks are kept for good: a captured graph goes on using them.
class Scratch {
 public:
  ~Scratch() { drop(); }
  void* take(size_t bytes) {
#ifdef __CUDACC__
    bytes = (bytes + 255) / 256 * 256;
    for (; block_ < blocks_.size(); block_++, used_ = 0)
      if (used_ + bytes <= blocks_[block_].bytes) {
        void* memory = blocks_[block_].memory + used_;
        used_ += bytes;
        return memory;
      }
    size_t size = size_t{32} << 20;
    while (size < bytes) size *= 2;
#else
    const size_t size = bytes;  // each a block of its own: a kernel that reads past it is found
#endif
    void* memory = nullptr;
    if (cudaMalloc(&memory, size) != cudaSuccess) {
      cudaGetLastError();
      throw std::bad_alloc();
    }
    blocks_.push_back({static_cast<char*>(memory), size});
    block_ = blocks_.size() - 1, used_ = bytes;
    return memory;
  }
  /// The op has returned.
  void end() {
#ifdef __CUDACC__
    used_ = 0, block_ = 0;
#else
    drop();
#endif
  }

 private:
  struct Block {
    char* memory;
    size_t bytes;
  };
  void drop() {
    for (Block& block : blocks_) cudaFree(block.memory);
    blocks_.clear();
  }
  std::vector<Block> blocks_;
  size_t block_ = 0, used_ = 0;
};

}  // namespace ha::gpu
