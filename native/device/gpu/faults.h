// Mistakes in the data that kernels find: a place for each result that may have one, on the device and on the host.
#pragma once
#include <mutex>
#include <vector>
#include "copies.h"
#include "gpu.h"

namespace ha::gpu {

class Faults {
 public:
  Faults() : explains_(kCount) {
    for (int i = kCount - 1; i > 0; i--) free_.push_back(i);  // 0 means none
  }
  ~Faults() { cudaFree(device_), cudaFreeHost(host_); }
  void open() {
    must(cudaMalloc(reinterpret_cast<void**>(&device_), kCount * sizeof(Fault)), "memory for faults");
    must(cudaMallocHost(reinterpret_cast<void**>(&host_), kCount * sizeof(Fault)), "pinned host memory");
  }
  /// A fresh one, for the op that runs.
  Fault* make(Explain explain, int64_t limit, cudaStream_t stream) {
    {
      std::lock_guard lock(mutex_);
      if (free_.empty()) throw Failure{"more than 4095 results that may still be faulty; read or dispose of some"};
      newest_ = free_.back();
      free_.pop_back();
      explains_[newest_] = {explain, limit};
    }
    must(cudaMemsetAsync(device_ + newest_, 0xff, sizeof(Fault), stream), "faults");
    return device_ + newest_;
  }
  /// The number of the last one that was made, once.
  int take() {
    const int fault = newest_;
    newest_ = 0;
    return fault;
  }
  void forget(int fault) {
    std::lock_guard lock(mutex_);
    free_.push_back(fault);
  }
  void fetch(int fault, cudaStream_t stream) {
    must(cudaMemcpyAsync(host_ + fault, device_ + fault, sizeof(Fault), cudaMemcpyDeviceToHost, stream), "copy from the device");
  }
  /// The words for one that was fetched; empty where nothing was wrong.
  std::string words(int fault) {
    const unsigned long long first = host_[fault].first;
    if (first == ~0ull) return {};
    Explained explained;
    {
      std::lock_guard lock(mutex_);
      explained = explains_[fault];
    }
    char text[512];
    explained.explain(text, sizeof text, static_cast<int32_t>(first >> 32), static_cast<int32_t>(first), explained.limit);
    return text;
  }

 private:
  static constexpr int kCount = 4096;
  struct Explained {
    Explain explain;
    int64_t limit;
  };
  Fault *device_ = nullptr, *host_ = nullptr;
  int newest_ = 0;
  std::mutex mutex_;  // of all below
  std::vector<int> free_;
  std::vector<Explained> explains_;
};

}  // namespace ha::gpu
