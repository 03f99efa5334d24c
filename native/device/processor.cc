#include "processor.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include "blocks.h"
#include "pool.h"

namespace ha {
namespace {

class Processor final : public Hardware {
 public:
  Processor(const Backend& backend, int threads) : backend_(backend), pool_(threads) {}
  const Backend& backend() const override { return backend_; }
  Context& context() override { return pool_; }
  void* allocate(size_t bytes) override { return allocateBlock(bytes); }
  void free(void* block) override { std::free(block); }
  size_t memoryLimit() const override {
    return static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE)) / 100 * 95;
  }
  bool shared() const override { return true; }
  void toDevice(void* to, const void* from, size_t bytes) override { std::memcpy(to, from, bytes); }
  void toHost(void* to, const void* from, size_t bytes, const int*, int, Done done, void* data) override {
    std::memcpy(to, from, bytes);
    done(data, nullptr);
  }
  const char* finishOp() override {
    pool_.reset();
    return nullptr;  // ops of the processor throw
  }

 private:
  const Backend& backend_;
  ThreadPool pool_;
};

}  // namespace

std::unique_ptr<Hardware> openProcessor(const char* level, int threads) {
  const Backend* backend = cpuBackend(level);
  return backend ? std::make_unique<Processor>(*backend, threads) : nullptr;
}

}  // namespace ha
