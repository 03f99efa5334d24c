// What a queue runs on: a processor's threads and memory, or a GPU. Those for GPUs come from a library of their own, loaded
// where there is a driver (device/library.h), so nothing here may throw or hand over C++ objects.
#pragma once
#include <cstddef>
#include "backend.h"

namespace ha {

class Hardware {
 public:
  virtual ~Hardware() = default;
  virtual const Backend& backend() const = 0;
  /// For the kernels; of the worker.
  virtual Context& context() = 0;
  /// Called once on the worker, before anything else there.
  virtual void begin() {}

  /// Memory for tensors, at least 64-byte aligned; nullptr when there is none. Any thread.
  virtual void* allocate(size_t bytes) = 0;
  virtual void free(void* block) = 0;
  /// Bytes that tensors may hold when nobody says otherwise.
  virtual size_t memoryLimit() const = 0;
  /// Whether a tensor's memory may be read and written by the host.
  virtual bool shared() const = 0;

  // The rest is called on the worker.
  /// Copies to the device; `from` may be changed when it returns.
  virtual void toDevice(void* to, const void* from, size_t bytes) = 0;
  using Done = void (*)(void* data, const char* error);
  /// Copies to the host after everything that ran before, then calls done(data, error) on some thread: error is null, or
  /// what the device, or one of `faults` (see below), has to report.
  virtual void toHost(void* to, const void* from, size_t bytes, const int* faults, int count, Done done, void* data) = 0;
  /// Waits until every toHost has been answered.
  virtual void finish() {}
  /// The error of the op that was just run, or null; it lives until the next op. Ends the op's scratch memory.
  virtual const char* finishOp() = 0;
  /// Errors that show only later, on the device itself (an id out of range): the number under which the op that was just
  /// run will report one, 0 for none. `forget` gives the number back (any thread).
  virtual int takeFault() { return 0; }
  virtual void forget(int) {}

  /// Ops called between `beginCapture` and `endCapture` are not run but kept, to be replayed with few launches. False
  /// where the hardware knows no such thing: the queue then runs them one by one each time.
  virtual bool beginCapture() { return false; }
  virtual void* endCapture() { return nullptr; }
  virtual void replay(void*) {}
  virtual void dropCapture(void*) {}
};

}  // namespace ha
