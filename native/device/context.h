// What a CPU kernel may use beside its arguments: the device's threads and scratch memory.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ha {

struct Context {
  virtual ~Context() = default;
  /// Number of threads that `run` uses.
  virtual int threads() const = 0;
  /// Calls body(data, chunk) once for every chunk in 0…chunks−1, on all threads, and waits for the last one. Chunks begin in
  /// the order of their numbers, so that one may wait for a smaller one (turn.h). Which thread takes which chunk differs from
  /// run to run: results may depend on the chunk's number only (partial sums are kept a chunk, never a thread, and added up
  /// in order).
  virtual void run(int64_t chunks, void (*body)(void* data, int64_t chunk), void* data) = 0;
  /// Memory (64-byte aligned, uninitialised) that lives until the op returns. Call it from the op itself, not from a chunk.
  virtual void* scratch(size_t bytes) = 0;
  /// Memory (64-byte aligned, uninitialised) that a chunk may use until it returns; a second call of one chunk gives the
  /// same block again, so ask once. At most kChunkScratch bytes.
  virtual void* chunkScratch(size_t bytes) = 0;
  static constexpr size_t kChunkScratch = size_t{4} << 20;
};

}  // namespace ha
