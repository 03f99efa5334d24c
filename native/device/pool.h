// The device's threads. The caller works beside them: it takes chunks itself and waits only for chunks that somebody has
// already taken, so a busy second core slows a job down but never stalls it.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>
#include "context.h"

namespace ha {

class ThreadPool final : public Context {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool() override;
  ThreadPool(const ThreadPool&) = delete;
  int threads() const override { return static_cast<int>(workers_.size()) + 1; }
  void run(int64_t chunks, void (*body)(void*, int64_t), void* data) override;
  void* scratch(size_t bytes) override;
  void* chunkScratch(size_t bytes) override;
  /// Takes back what `scratch` gave out, for later ops; called after each op.
  void reset();

 private:
  void work(int index);
  bool takeChunk(uint64_t generation);
  std::vector<std::thread> workers_;
  // job_ packs the generation (high 32 bits) and the next chunk (low 32): one compare-and-swap claims a chunk of this job
  // and of no other.
  std::atomic<uint64_t> job_{0};
  std::atomic<int64_t> chunks_{0}, finished_{0};
  std::atomic<void (*)(void*, int64_t)> body_{nullptr};
  std::atomic<void*> data_{nullptr};
  std::atomic<bool> stop_{false};
  std::atomic<int> sleeping_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  struct Block {
    void* memory;
    size_t bytes;
  };
  void freeSpare();
  std::vector<Block> blocks_, spare_;  // given out, and kept for the next op
};

}  // namespace ha
