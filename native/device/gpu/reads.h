// Reads of the host, answered by a thread that waits for them, so that the worker goes on.
#pragma once
#include <condition_variable>
#include <deque>
#include <thread>
#include "../hardware.h"
#include "faults.h"

namespace ha::gpu {

class Reads {
 public:
  Reads(Faults& faults, int device) : faults_(faults), device_(device) {}
  void start() {
    thread_ = std::thread([this] { answerAll(); });
  }
  /// All are answered, none will come.
  void stop() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  void finish() {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return reads_.empty() && !answering_; });
  }

  struct Read {
    void* to;
    size_t bytes;
    std::vector<int> faults;
    Hardware::Done done;
    void* data;
    void* pinned = nullptr;
    cudaEvent_t event = nullptr;
    std::string error;
  };
  /// Puts the copies of a read on the stream.
  void queue(Read& read, const void* from, cudaStream_t stream) {
    must(cudaEventCreateWithFlags(&read.event, cudaEventDisableTiming | cudaEventBlockingSync), "event");
    for (int fault : read.faults) faults_.fetch(fault, stream);
    if (read.bytes) {
      read.pinned = pool_.take(read.bytes);
      must(cudaMemcpyAsync(read.pinned ? read.pinned : read.to, from, read.bytes, cudaMemcpyDeviceToHost, stream), "copy from the device");
    }
    must(cudaEventRecord(read.event, stream), "event");
  }
  /// Answers it when they have happened.
  void await(Read&& read) {
    std::lock_guard lock(mutex_);
    reads_.push_back(std::move(read));
    wake_.notify_all();
  }

 private:
  void answerAll() {
    cudaSetDevice(device_);
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return stop_ || !reads_.empty(); });
      if (reads_.empty()) return;
      Read read = std::move(reads_.front());
      reads_.pop_front();
      answering_ = true;
      lock.unlock();
      answer(read);
      lock.lock();
      answering_ = false;
      idle_.notify_all();
    }
  }
  void answer(Read& read) {
    if (read.error.empty()) {
      const cudaError_t status = cudaEventSynchronize(read.event);
      if (status != cudaSuccess) read.error = std::string("the device failed: ") + cudaGetErrorString(status) + "; close it and open it again";
    }
    for (int fault : read.faults)
      if (read.error.empty()) read.error = faults_.words(fault);
    if (read.pinned) {
      if (read.error.empty()) std::memcpy(read.to, read.pinned, read.bytes);
      pool_.giveBack(read.pinned);
    }
    if (read.event) cudaEventDestroy(read.event);
    read.done(read.data, read.error.empty() ? nullptr : read.error.c_str());
  }

  Faults& faults_;
  const int device_;
  PinnedPool pool_;
  std::mutex mutex_;  // of all below
  std::condition_variable wake_, idle_;
  std::deque<Read> reads_;
  bool stop_ = false, answering_ = false;
  std::thread thread_;
};

}  // namespace ha::gpu
