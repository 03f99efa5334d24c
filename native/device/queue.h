// A device: one worker that runs ops in the order in which they were queued. The thread that queues never waits.
//
// An op that throws, or that reads the result of one that did, leaves its results poisoned with the first error's text;
// whoever waits for such a result gets that error, everyone else's results are untouched.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>
#include "backend.h"
#include "memory.h"
#include "pool.h"

namespace ha {

enum class DType : int32_t { f32 = 0, i32 = 1 };

/// A tensor's memory. Queued ops hold a share of it; its `error` belongs to the worker.
struct Buffer {
  void* data;
  int64_t count;
  DType dtype;
  std::string error;
};
using BufferRef = std::shared_ptr<Buffer>;

struct Task {
  std::string name;
  std::vector<BufferRef> reads, writes;
  std::function<void(Context&)> run;
  /// Called on the worker after `run`, or instead of it with the error of a poisoned operand.
  std::function<void(const std::string& error)> done;
};

class Queue {
 public:
  Queue(const Backend& backend, int threads, size_t memoryLimit);
  ~Queue();  // ends after the running op; queued ones are dropped, their `done` called with an error
  Queue(const Queue&) = delete;

  void push(Task task);
  const Backend& backend() const { return backend_; }
  int threads() const { return pool_.threads(); }

  BufferRef allocate(DType dtype, int64_t count, bool fresh = false);
  /// The memory may be used by ops queued from now on; those already queued still run before them.
  void release(const BufferRef& buffer);
  Memory memory;  // of the queuing thread

 private:
  void work();
  void runTask(Task& task);
  const Backend& backend_;
  ThreadPool pool_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_;
  bool stop_ = false;
  std::thread worker_;
};

}  // namespace ha
