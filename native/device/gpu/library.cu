// The GPU as a device (device/hardware.h): one stream, memory, copies through pinned blocks, data faults, captured graphs;
// and the table that device/library.cc finds in the library. Compiled by nvcc for `cuda`, by the host compiler for `simt`.
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <deque>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>
#include "../library.h"
#include "blas.h"
#include "gpu.h"

namespace ha::gpu {
namespace {

/// Ops that read and write 16 bits themselves; all others see f32 only.
template <class Arguments> constexpr bool kReads16 = false;
template <> constexpr bool kReads16<Cast> = true;
template <> constexpr bool kReads16<SelectiveScan> = true;
template <> constexpr bool kReads16<SelectiveScanBackward> = true;
template <> constexpr bool kReads16<SelectiveScanTransposed> = true;
template <> constexpr bool kReads16<CausalConv1d> = true;
template <> constexpr bool kReads16<CausalConv1dBackward> = true;
template <> constexpr bool kReads16<Matmul> = true;
template <> constexpr bool kReads16<RmsNorm> = true;
template <> constexpr bool kReads16<RmsNormBackward> = true;
template <> constexpr bool kReads16<Unary> = true;
template <> constexpr bool kReads16<UnaryBackward> = true;
template <> constexpr bool kReads16<Binary> = true;
template <> constexpr bool kReads16<Embedding> = true;
template <> constexpr bool kReads16<SsdScan> = true;
template <> constexpr bool kReads16<SsdScanBackward> = true;
template <> constexpr bool kReads16<SsdScanTransposed> = true;
template <> constexpr bool kReads16<CopyBlocks> = true;
template <> constexpr bool kReads16<AppendPositions> = true;

struct Failure {
  std::string text;
};
void must(cudaError_t status, const char* what) {
  if (status != cudaSuccess) throw Failure{std::string(what) + ": " + cudaGetErrorString(status)};
}

/// Pinned host memory that copies go through, so that the host does not wait for them.
class Staging {
 public:
  static constexpr size_t kBlock = size_t{4} << 20;
  struct Block {
    void* memory = nullptr;
    cudaEvent_t event = nullptr;
    bool used = false;
  };
  ~Staging() {
    for (Block& block : blocks_) cudaFreeHost(block.memory), cudaEventDestroy(block.event);
  }
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

 private:
  std::vector<Block> blocks_;
  size_t turn_ = 0;
};

class GpuHardware final : public Hardware {
 public:
  struct Work final : Gpu {
    GpuHardware* owner = nullptr;
    std::string error;
    void* scratch(size_t bytes) override { return owner->scratch(bytes); }
    Fault* fault(Explain explain, int64_t limit) override { return owner->newFault(explain, limit); }
    bool libraryMatmul(const Matmul& o) override { return owner->blas_.matmul(o, stream); }
  };

  explicit GpuHardware(int index) : index_(index) {
    must(cudaSetDevice(index), "device");
    must(cudaStreamCreateWithFlags(&work_.stream, cudaStreamNonBlocking), "stream");
    must(cudaMalloc(reinterpret_cast<void**>(&faults_), kFaults * sizeof(Fault)), "memory for faults");
    must(cudaMallocHost(reinterpret_cast<void**>(&hostFaults_), kFaults * sizeof(Fault)), "pinned host memory");
    for (int i = kFaults - 1; i > 0; i--) freeFaults_.push_back(i);  // 0 means none
    explains_.resize(kFaults);
    work_.owner = this;
#ifdef __CUDACC__
    cudaDeviceGetAttribute(&work_.multiprocessors, cudaDevAttrMultiProcessorCount, index);
    int shared = 0;
    cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, index);
    work_.sharedPerBlock = shared;
#else
    work_.multiprocessors = 4;
    work_.sharedPerBlock = 227 << 10;
#endif
#ifdef __CUDACC__
    blas_.open();
#endif
    reader_ = std::thread([this] { answerReads(); });
  }
  ~GpuHardware() override {
    finish();
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    reader_.join();
    cudaSetDevice(index_);
    cudaStreamSynchronize(work_.stream);
    blas_.close();
    for (auto& block : scratch_) cudaFree(block.memory);
    for (void* block : live_) cudaFree(block);
    cudaFree(faults_);
    cudaFreeHost(hostFaults_);
    cudaStreamDestroy(work_.stream);
  }

  const Backend& backend() const override;
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
    guarded("upload", [&] {
      for (size_t done = 0; done < bytes; done += Staging::kBlock) {
        const size_t part = bytes - done < Staging::kBlock ? bytes - done : Staging::kBlock;
        Staging::Block& block = up_.next();
        std::memcpy(block.memory, static_cast<const char*>(from) + done, part);
        must(cudaMemcpyAsync(static_cast<char*>(to) + done, block.memory, part, cudaMemcpyHostToDevice, work_.stream), "copy to the device");
        must(cudaEventRecord(block.event, work_.stream), "event");
        block.used = true;
      }
    });
  }

  void toHost(void* to, const void* from, size_t bytes, const int* faults, int count, Done done, void* data) override {
    Read read{to, bytes, std::vector<int>(faults, faults + count), done, data, nullptr, nullptr, {}};
    guarded("read", [&] {
      must(cudaEventCreateWithFlags(&read.event, cudaEventDisableTiming | cudaEventBlockingSync), "event");
      for (int fault : read.faults)
        must(cudaMemcpyAsync(hostFaults_ + fault, faults_ + fault, sizeof(Fault), cudaMemcpyDeviceToHost, work_.stream), "copy from the device");
      if (bytes) {
        // large reads end in the caller's own memory, piece by piece; small ones wait in pinned memory
        read.pinned = pinnedFor(bytes);
        must(cudaMemcpyAsync(read.pinned ? read.pinned : to, from, bytes, cudaMemcpyDeviceToHost, work_.stream), "copy from the device");
      }
      must(cudaEventRecord(read.event, work_.stream), "event");
    });
    read.error.swap(work_.error);
    std::lock_guard lock(mutex_);
    reads_.push_back(std::move(read));
    wake_.notify_all();
  }

  void finish() override {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return reads_.empty() && !answering_; });
  }

  const char* finishOp() override {
#ifdef __CUDACC__
    scratchUsed_ = 0, scratchBlock_ = 0;
#else
    for (auto& block : scratch_) cudaFree(block.memory);
    scratch_.clear();
#endif
    reported_.swap(work_.error);
    work_.error.clear();
    return reported_.empty() ? nullptr : reported_.c_str();
  }
  int takeFault() override {
    const int fault = newest_;
    newest_ = 0;
    return fault;
  }
  void forget(int fault) override {
    std::lock_guard lock(mutex_);
    freeFaults_.push_back(fault);
  }

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
  struct Read {
    void* to;
    size_t bytes;
    std::vector<int> faults;
    Done done;
    void* data;
    void* pinned;
    cudaEvent_t event;
    std::string error;
  };
  struct Explained {
    Explain explain;
    int64_t limit;
  };
  struct Scratch {
    char* memory;
    size_t bytes;
  };
  static constexpr int kFaults = 4096;
  static constexpr size_t kPinnedRead = size_t{64} << 20;

  void* pinnedFor(size_t bytes) {
    void* memory = nullptr;
    if (bytes > kPinnedRead) return nullptr;
    {
      std::lock_guard lock(mutex_);
      for (size_t i = 0; i < pinned_.size(); i++)
        if (pinned_[i].bytes >= bytes && pinned_[i].bytes <= 4 * bytes + 4096) {
          memory = pinned_[i].memory;
          busyPinned_.push_back(pinned_[i]);
          pinned_.erase(pinned_.begin() + static_cast<long>(i));
          return memory;
        }
    }
    must(cudaMallocHost(&memory, bytes), "pinned host memory");
    std::lock_guard lock(mutex_);
    busyPinned_.push_back({static_cast<char*>(memory), bytes});
    return memory;
  }
  void returnPinned(void* memory) {
    Scratch drop{nullptr, 0};
    {
      std::lock_guard lock(mutex_);
      for (size_t i = 0; i < busyPinned_.size(); i++)
        if (busyPinned_[i].memory == memory) {
          pinned_.push_back(busyPinned_[i]);
          busyPinned_.erase(busyPinned_.begin() + static_cast<long>(i));
          break;
        }
      if (pinned_.size() > 16) drop = pinned_.front(), pinned_.erase(pinned_.begin());
    }
    if (drop.memory) cudaFreeHost(drop.memory);
  }

  /// The thread that waits for reads, so that the worker goes on.
  void answerReads() {
    cudaSetDevice(index_);
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return stop_ || !reads_.empty(); });
      if (reads_.empty()) break;
      Read read = std::move(reads_.front());
      reads_.pop_front();
      answering_ = true;
      lock.unlock();
      answer(read);
      lock.lock();
      answering_ = false;
      idle_.notify_all();
    }
    for (Scratch& block : pinned_) cudaFreeHost(block.memory);
  }
  void answer(Read& read) {
    if (read.error.empty()) {
      const cudaError_t status = cudaEventSynchronize(read.event);
      if (status != cudaSuccess) read.error = std::string("the device failed: ") + cudaGetErrorString(status) + "; close it and open it again";
    }
    if (read.error.empty())
      for (int fault : read.faults)
        if (const unsigned long long first = hostFaults_[fault].first; first != ~0ull) {
          char text[512];
          const Explained explained = [&] {
            std::lock_guard lock(mutex_);
            return explains_[fault];
          }();
          explained.explain(text, sizeof text, static_cast<int32_t>(first >> 32), static_cast<int32_t>(first), explained.limit);
          read.error = text;
          break;
        }
    if (read.pinned) {
      if (read.error.empty()) std::memcpy(read.to, read.pinned, read.bytes);
      returnPinned(read.pinned);
    }
    if (read.event) cudaEventDestroy(read.event);
    read.done(read.data, read.error.empty() ? nullptr : read.error.c_str());
  }

  /// Scratch memory lives until the op returns, which here means: until its kernels have run, as all run in one stream.
  /// Blocks are kept for good: a captured graph goes on using them.
  void* scratch(size_t bytes) {
#ifdef __CUDACC__
    bytes = (bytes + 255) / 256 * 256;
    for (; scratchBlock_ < scratch_.size(); scratchBlock_++, scratchUsed_ = 0)
      if (scratchUsed_ + bytes <= scratch_[scratchBlock_].bytes) {
        void* memory = scratch_[scratchBlock_].memory + scratchUsed_;
        scratchUsed_ += bytes;
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
    scratch_.push_back({static_cast<char*>(memory), size});
    scratchBlock_ = scratch_.size() - 1, scratchUsed_ = bytes;
    return memory;
  }

  Fault* newFault(Explain explain, int64_t limit) {
    int fault;
    {
      std::lock_guard lock(mutex_);
      if (freeFaults_.empty()) throw Failure{"more than 4095 results that may still be faulty; read or dispose of some"};
      fault = freeFaults_.back();
      freeFaults_.pop_back();
      explains_[fault] = {explain, limit};
    }
    must(cudaMemsetAsync(faults_ + fault, 0xff, sizeof(Fault), work_.stream), "faults");
    newest_ = fault;
    return faults_ + fault;
  }

  const int index_;
  Work work_;
  Blas blas_;
  Staging up_;
  std::string reported_;
  std::vector<Scratch> scratch_, pinned_, busyPinned_;
  size_t scratchBlock_ = 0, scratchUsed_ = 0;
  Fault *faults_ = nullptr, *hostFaults_ = nullptr;
  int newest_ = 0;
  std::mutex mutex_;  // of all below
  std::condition_variable wake_, idle_;
  std::unordered_set<void*> live_;
  std::vector<int> freeFaults_;
  std::vector<Explained> explains_;
  std::deque<Read> reads_;
  bool stop_ = false, answering_ = false;
  std::thread reader_;
};

template <class Arguments> void row(const char* name, void (*op)(Gpu&, const Arguments&), Context& context, const Arguments& arguments) {
  auto& work = static_cast<GpuHardware::Work&>(context);
  work.owner->guarded(name, [&] {
    if constexpr (!kReads16<Arguments>)
      if (anyNarrow(arguments)) return inF32(work, op, arguments);
    op(work, arguments);
  });
}

const Backend kBackend = {"gpu",
#define OP(name, Arguments) [](Context& context, const Arguments& arguments) { row<Arguments>(#name, gpu::name, context, arguments); },
#include "../../ops/table.def"
#undef OP
};

int countDevices(char* why, size_t size) {
#ifdef __CUDACC__
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return count;
  std::snprintf(why, size, "no CUDA device: %s", status == cudaSuccess ? "the driver lists none" : cudaGetErrorString(status));
  return 0;
#else
  (void)why, (void)size;
  return 1;
#endif
}

void describeDevice(int index, char* text, size_t size, size_t* memory) {
#ifdef __CUDACC__
  cudaDeviceProp properties;
  if (cudaGetDeviceProperties(&properties, index) != cudaSuccess) return;
  int driver = 0;
  cudaDriverGetVersion(&driver);
  std::snprintf(text, size, "%s, compute capability %d.%d, %d multiprocessors, driver for CUDA %d.%d", properties.name, properties.major,
                properties.minor, properties.multiProcessorCount, driver / 1000, driver % 1000 / 10);
  *memory = properties.totalGlobalMem;
#else
  (void)index;
  std::snprintf(text, size, "the CUDA kernels played by this processor, for tests");
  *memory = 0;
#endif
}

Hardware* openDevice(int index, char* why, size_t size) {
  try {
    return new GpuHardware(index);
  } catch (const Failure& failure) {
    std::snprintf(why, size, "%s", failure.text.c_str());
  } catch (const std::exception& error) {
    std::snprintf(why, size, "%s", error.what());
  }
  return nullptr;
}

}  // namespace

const Backend& GpuHardware::backend() const { return kBackend; }

const LibraryTable& libraryTable() {
  static const LibraryTable table = {libraryAbi(), countDevices, describeDevice, openDevice};
  return table;
}

}  // namespace ha::gpu

extern "C" __attribute__((visibility("default"))) const ha::LibraryTable* hidden_attention_library() { return &ha::gpu::libraryTable(); }
