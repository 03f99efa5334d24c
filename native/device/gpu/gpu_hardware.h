// The GPU as a device (device/hardware.h): one stream, memory, copies, data faults, captured graphs.
#pragma once
#include <unordered_set>
#include "blas.h"
#include "copies.h"
#include "faults.h"
#include "reads.h"
#include "scratch.h"

namespace ha::gpu {

class GpuHardware final : public Hardware {
 public:
  struct Work final : Gpu {
    GpuHardware* owner = nullptr;
    std::string error;
    void* scratch(size_t bytes) override { return owner->scratch_.take(bytes); }
    Fault* fault(Explain explain, int64_t limit) override { return owner->faults_.make(explain, limit, stream); }
    bool libraryMatmul(const Matmul& o) override { return owner->blas_.matmul(o, stream); }
  };

  GpuHardware(int index, const Backend& backend) : index_(index), backend_(backend), reads_(faults_, index) {
    must(cudaSetDevice(index), "device");
    must(cudaStreamCreateWithFlags(&work_.stream, cudaStreamNonBlocking), "stream");
    faults_.open();
    work_.owner = this;
#ifdef __CUDACC__
    cudaDeviceGetAttribute(&work_.multiprocessors, cudaDevAttrMultiProcessorCount, index);
    int shared = 0;
    cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, index);
    work_.sharedPerBlock = shared;
    blas_.open();
#else
    work_.multiprocessors = 4;
    work_.sharedPerBlock = 227 << 10;
#endif
    reads_.start();
  }
  ~GpuHardware() override {
    reads_.finish();
    reads_.stop();
    cudaSetDevice(index_);
    cudaStreamSynchronize(work_.stream);
    blas_.close();
    for (void* block : live_) cudaFree(block);
    cudaStreamDestroy(work_.stream);
  }

  const Backend& backend() const override { return backend_; }
  Context& context() override { return work_; }
  void begin() override { cudaSetDevice(index_); }

  void* allocate(size_t bytes) override {
    cudaSetDevice(index_);
    void* block = nullptr;
    if (cudaMalloc(&block, bytes) != cudaSuccess) {
      cudaGetLastError();  // the next op is not to blame
      return nullptr;
    }
    std::lock_guard lock(mutex_);
    live_.insert(block);
    return block;
  }
  void free(void* block) override {
    {
      std::lock_guard lock(mutex_);
      live_.erase(block);
    }
    cudaSetDevice(index_);
    cudaFree(block);
  }
  size_t memoryLimit() const override {
#ifdef __CUDACC__
    size_t free = 0, total = 0;
    cudaSetDevice(index_);
    cudaMemGetInfo(&free, &total);
    return total / 100 * 95;
#else
    return size_t{16} << 30;
#endif
  }
  bool shared() const override { return false; }

  void toDevice(void* to, const void* from, size_t bytes) override {
    guarded("upload", [&] { uploads_.copy(to, from, bytes, work_.stream); });
  }
  void toHost(void* to, const void* from, size_t bytes, const int* faults, int count, Done done, void* data) override {
    Reads::Read read{to, bytes, std::vector<int>(faults, faults + count), done, data};
    guarded("read", [&] { reads_.queue(read, from, work_.stream); });
    read.error.swap(work_.error);
    reads_.await(std::move(read));
  }
  void finish() override { reads_.finish(); }

  const char* finishOp() override {
    scratch_.end();
    reported_.swap(work_.error);
    work_.error.clear();
    return reported_.empty() ? nullptr : reported_.c_str();
  }
  int takeFault() override { return faults_.take(); }
  void forget(int fault) override { faults_.forget(fault); }

#ifdef __CUDACC__
  bool beginCapture() override {
    // what cudaStreamBeginCapture forbids elsewhere (cudaMalloc of a new scratch block) stays allowed
    return cudaStreamBeginCapture(work_.stream, cudaStreamCaptureModeRelaxed) == cudaSuccess;
  }
  void* endCapture() override {
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    if (cudaStreamEndCapture(work_.stream, &graph) == cudaSuccess && graph) {
      if (cudaGraphInstantiate(&executable, graph, 0) != cudaSuccess) executable = nullptr;
      cudaGraphDestroy(graph);
    }
    cudaGetLastError();
    return executable;
  }
  void replay(void* capture) override {
    guarded("replay", [&] { must(cudaGraphLaunch(static_cast<cudaGraphExec_t>(capture), work_.stream), "graph"); });
  }
  void dropCapture(void* capture) override {
    cudaStreamSynchronize(work_.stream);
    cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(capture));
  }
#endif

  /// Runs one op; what it throws becomes the text that finishOp returns: nothing is thrown out of the library.
  template <class F> void guarded(const char* name, const F& body) {
    try {
      body();
      const cudaError_t status = cudaGetLastError();
      if (status != cudaSuccess) throw Failure{cudaGetErrorString(status)};
    } catch (const Failure& failure) {
      work_.error = std::string(name) + ": " + failure.text;
    } catch (const std::bad_alloc&) {
      work_.error = std::string(name) + ": out of the device's memory for its working space";
    } catch (const std::exception& error) {
      work_.error = error.what();
    }
  }

 private:
  const int index_;
  const Backend& backend_;
  Work work_;
  Blas blas_;
  Uploads uploads_;
  Scratch scratch_;
  Faults faults_;
  Reads reads_;
  std::string reported_;
  std::mutex mutex_;
  std::unordered_set<void*> live_;
};

}  // namespace ha::gpu
