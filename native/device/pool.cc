#include "pool.h"
#include "blocks.h"
#include "turn.h"

#include <chrono>
#include <cstdlib>
#include <new>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ha {
namespace {

// How long a thread without work looks for some before it goes to sleep: longer than the small ops between two products of a decoded
// token, since waking takes as long as they do.
constexpr std::chrono::microseconds kSpin{300};
// Bytes of scratch memory kept between ops: the system clears each page that it hands out. It is what a scan's backward on 16 bits
// takes for 8,192 positions of mamba-130m.
constexpr size_t kSpare = size_t{512} << 20;

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

/// Looks for something to come true, for a while; whether it did.
template <class Condition>
bool spinUntil(const Condition& holds, std::chrono::microseconds most = kSpin) {
  const auto end = std::chrono::steady_clock::now() + most;
  do {
    for (int pauses = 0; pauses < 32; pauses++) {
      if (holds()) return true;
      pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

void* block(size_t bytes) {
  void* p = allocateBlock(bytes + 64);
  if (!p) throw std::bad_alloc();
  return p;
}

/// Subnormal numbers cost a hundred cycles each and mean nothing in a decayed state: threads that run kernels flush them.
void flushSubnormals() {
#if defined(__x86_64__)
  _mm_setcsr(_mm_getcsr() | 0x8040);
#elif defined(__aarch64__)
  uint64_t fpcr;
  asm volatile("mrs %0, fpcr" : "=r"(fpcr));
  asm volatile("msr fpcr, %0" ::"r"(fpcr | (1ull << 24)));
#endif
}

struct ChunkBlock {
  void* memory = nullptr;
  size_t bytes = 0;
  ~ChunkBlock() { std::free(memory); }
};
thread_local ChunkBlock chunkBlock;

}  // namespace

void awaitTurn(const int64_t& current, int64_t turn) {
  const auto come = [&] { return __atomic_load_n(&current, __ATOMIC_ACQUIRE) == turn; };
  // what is handed on is on its way for a few microseconds; after that, whoever has it may be waiting for this very core
  if (!spinUntil(come, std::chrono::microseconds{20}))
    while (!come()) std::this_thread::yield();
}

ThreadPool::ThreadPool(int threads) {
  for (int i = 1; i < threads; i++) workers_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (auto& worker : workers_) worker.join();
  reset();
  freeSpare();
}

/// Claims and runs one chunk of job `generation`; false when none is left.
bool ThreadPool::takeChunk(uint64_t generation) {
  uint64_t job = job_.load();
  for (;;) {
    // chunks_, body_ and data_ are read between two looks at job_: if the job changed meanwhile, the swap fails
    const int64_t chunks = chunks_.load();
    const auto body = body_.load();
    void* const data = data_.load();
    const int64_t chunk = static_cast<uint32_t>(job);
    if (job >> 32 != generation || chunk >= chunks) return false;
    if (!job_.compare_exchange_weak(job, job + 1)) continue;
    body(data, chunk);
    finished_.fetch_add(1);
    return true;
  }
}

void ThreadPool::run(int64_t chunks, void (*body)(void*, int64_t), void* data) {
  if (chunks <= 0) return;
  flushSubnormals();
  if (chunks == 1 || workers_.empty()) {
    for (int64_t chunk = 0; chunk < chunks; chunk++) body(data, chunk);
    return;
  }
  const uint64_t last = job_.load() >> 32, generation = (last + 1) & 0xffffffff;
  job_.store(last << 32 | 0xffffffff);  // nobody can take a chunk while the job is being described
  chunks_ = chunks, body_ = body, data_ = data, finished_ = 0;
  job_.store(generation << 32);
  if (sleeping_.load() > 0) {
    { std::lock_guard lock(mutex_); }
    wake_.notify_all();
  }
  while (takeChunk(generation)) {
  }
  const auto finished = [&] { return finished_.load() >= chunks; };
  if (!spinUntil(finished))
    while (!finished()) std::this_thread::yield();
}

void ThreadPool::work(int) {
  flushSubnormals();
  uint64_t seen = 0;
  const auto called = [&] { return stop_ || job_.load() >> 32 != seen; };
  for (;;) {
    if (!spinUntil(called)) {
      std::unique_lock lock(mutex_);
      sleeping_++;
      wake_.wait(lock, called);
      sleeping_--;
    }
    if (stop_) return;
    const uint64_t generation = job_.load() >> 32;
    while (takeChunk(generation)) {
    }
    seen = generation;
  }
}

void* ThreadPool::scratch(size_t bytes) {
  // the smallest spare block that is large enough, but for one that is far too large
  size_t best = spare_.size();
  for (size_t i = 0; i < spare_.size(); i++)
    if (spare_[i].bytes >= bytes && spare_[i].bytes / 4 <= bytes && (best == spare_.size() || spare_[i].bytes < spare_[best].bytes)) best = i;
  if (best < spare_.size()) {
    blocks_.push_back(spare_[best]);
    spare_.erase(spare_.begin() + static_cast<std::ptrdiff_t>(best));
  } else {
    blocks_.reserve(blocks_.size() + 1);
    blocks_.push_back({block(bytes), bytes});
  }
  return blocks_.back().memory;
}

void* ThreadPool::chunkScratch(size_t bytes) {
  if (bytes > kChunkScratch) throw std::bad_alloc();
  if (bytes > chunkBlock.bytes) {
    std::free(chunkBlock.memory);
    chunkBlock.memory = block(bytes);
    chunkBlock.bytes = bytes;
  }
  return chunkBlock.memory;
}

void ThreadPool::reset() {
  spare_.insert(spare_.end(), blocks_.begin(), blocks_.end());
  blocks_.clear();
  size_t kept = 0;
  for (const Block& own : spare_) kept += own.bytes;
  // what has lain longest is given back
  auto first = spare_.begin();
  for (; kept > kSpare; first++) kept -= first->bytes, std::free(first->memory);
  spare_.erase(spare_.begin(), first);
}

void ThreadPool::freeSpare() {
  for (const Block& own : spare_) std::free(own.memory);
  spare_.clear();
}

}  // namespace ha
