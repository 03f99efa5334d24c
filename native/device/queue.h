// A device: one worker that runs ops in the order in which they were queued. The thread that queues never waits.
//
// An op that throws, or that reads the result of one that did, leaves its results poisoned with the first error's text;
// whoever waits for such a result gets that error, everyone else's results are untouched. On a GPU some errors show only
// when the device gets there: results carry them as faults, and the read that depends on them reports them.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>
#include "dtype.h"
#include "hardware.h"
#include "memory.h"

namespace ha {

/// An error that the hardware may still report.
class Fault {
 public:
  Fault(std::shared_ptr<Hardware> hardware, int number) : number(number), hardware_(std::move(hardware)) {}
  ~Fault() { hardware_->forget(number); }
  Fault(const Fault&) = delete;
  const int number;

 private:
  std::shared_ptr<Hardware> hardware_;
};
using Faults = std::vector<std::shared_ptr<Fault>>;

/// A tensor's memory. Queued ops hold a share of it; `error` and `faults` belong to the worker.
struct Buffer {
  void* data;
  int64_t count;
  DType dtype;
  std::string error;
  Faults faults;
  size_t bytes() const { return static_cast<size_t>(count * bytesOf(dtype)); }
};
using BufferRef = std::shared_ptr<Buffer>;

struct Task {
  std::string name;
  std::vector<BufferRef> reads, writes;
  std::function<void(Context&)> run;
  /// Called on the worker after `run`, or instead of it with the error of a poisoned operand.
  std::function<void(const std::string& error)> done;
  /// `run` sees to it that `done` is called, later perhaps.
  bool answersItself = false;
};

/// A row of ops to be run again and again on the same memory: a decoding step. Everything it allocated is its own.
struct Recording {
  std::vector<Task> tasks;
  std::vector<BufferRef> held;  // released by the one who recorded; free when the recording is
  Faults faults;
  void* capture = nullptr;
  int runs = 0;
};

class Queue {
 public:
  /// memoryLimit 0: what the hardware has.
  Queue(std::unique_ptr<Hardware> hardware, size_t memoryLimit);
  ~Queue();  // ends after the running op; queued ones are dropped, their `done` called with an error
  Queue(const Queue&) = delete;

  void push(Task task);
  const Backend& backend() const { return hardware_->backend(); }
  Hardware& hardware() { return *hardware_; }

  BufferRef allocate(DType dtype, int64_t count, bool fresh = false);
  /// The memory may be used by ops queued from now on; those already queued still run before them.
  void release(const BufferRef& buffer);
  /// Copies into a tensor's memory, behind what is queued; `from` may be changed at once. Not recorded: it happens once.
  void write(const BufferRef& buffer, const void* from);
  /// Copies a tensor's memory, as soon as what it depends on has run, then calls `done`.
  void read(const BufferRef& buffer, void* to, std::function<void(const std::string& error)> done);

  /// From here to endRecording, ops are kept instead of run, and what is released stays allocated.
  void beginRecording();
  std::shared_ptr<Recording> endRecording();
  /// Between the two, ops run now, once, while the recording waits.
  void pauseRecording() { paused_ = std::move(recording_); }
  void resumeRecording() { recording_ = std::move(paused_); }
  bool recording() const { return recording_ != nullptr; }
  void replay(const std::shared_ptr<Recording>& recording);
  void dispose(const std::shared_ptr<Recording>& recording);

 private:
  void work();
  void runTask(Task& task);
  void enqueue(Task task);
  void settle();
  void runRecording(Recording& recording);
  std::shared_ptr<Hardware> hardware_;
  std::shared_ptr<Recording> recording_, paused_;  // of the queuing thread
  Faults found_;                                   // of the running task
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_;
  bool stop_ = false;

 public:
  Memory memory;  // of the queuing thread

 private:
  std::thread worker_;
};

}  // namespace ha
