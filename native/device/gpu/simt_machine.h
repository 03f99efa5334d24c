// What the files behind simt.h share: the threads and blocks that are alive. They are built without -fsanitize=thread (with -DSIMT_TSAN
// instead): the race detector is to see the kernels, and of the machine only the order that CUDA promises. For the same reason no
// template of the standard library is used over types that kernels use: the linker would merge it with the watched copy.
#pragma once
#include <string>
#include <vector>
#include "simt.h"

#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim
#ifdef SIMT_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if !defined(__x86_64__) && !defined(SIMT_UCONTEXT)
#define SIMT_UCONTEXT
#endif
#ifdef SIMT_UCONTEXT
#include <ucontext.h>
#endif

namespace simt::machine {

constexpr size_t kArenaBytes = 256 << 10, kPage = 4096;

/// What the race detector sees: everything before a release comes before what follows an acquire of the same address.
inline void release([[maybe_unused]] void* p) {
#ifdef SIMT_TSAN
  __tsan_release(p);
#endif
}
inline void acquire([[maybe_unused]] void* p) {
#ifdef SIMT_TSAN
  __tsan_acquire(p);
#endif
}

struct Random {
  using result_type = uint32_t;
  uint64_t state = 1;
  static constexpr uint32_t min() { return 0; }
  static constexpr uint32_t max() { return ~0u; }
  uint32_t operator()() {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return uint32_t(state >> 33) * 2654435761u;
  }
};

/// A copy that was begun and may not have happened yet.
struct Copy {
  void* to;
  const void* from;
  size_t bytes;
  int group;
  Site site;
};

struct Block;

/// A GPU thread.
struct Fiber : Thread {
  char* stack = nullptr;
#ifdef SIMT_UCONTEXT
  ucontext_t context;
#else
  void* sp;
#endif
  void* race_fiber = nullptr;
  void* asan_fake = nullptr;
  Block* in = nullptr;
  int index = 0;
  bool done = true;
  const unsigned* wait = nullptr;  // runs again when *wait differs from wait_value
  unsigned wait_value = 0;
  const char* at = "";  // what it waits at
  uint32_t mask = 0;
  Site site;
  std::vector<Copy> copies;
  int group = 0;
};

/// Lanes of a warp that wait for each other, one for every mask in use. Nobody is two generations ahead: two slots are enough.
struct Meeting {
  uint32_t mask = 0, arrived = 0;
  unsigned generation = 0;
  const char* op = "";
  Site site;
  uint64_t value[2][32];
  char order[2];  // what the race detector sees of it, by parity of the generation
};

/// A shared array of a block.
struct Named {
  const void* key;
  const char* name;
  Site site;
  size_t offset, bytes;
};

struct Block {
  std::vector<Fiber> fibers;
  int alive = 0, arrived = 0, sum = 0, sums[2];
  unsigned generation = 0;
  Site site;      // of the barrier that threads wait at
  char order[2];  // as in Meeting
  std::vector<std::vector<Meeting>> warps;
  char* arena = nullptr;  // its shared memory
  size_t used = 0;
  std::vector<Named> named;
  char start;
};

extern std::vector<Block> slots;  // blocks that may be alive at once
extern Fiber* current;
extern Random random;
extern std::string error;  // why the launch is abandoned
extern int yields;
extern char launch_order;
extern void (*body)(const void*);  // the kernel, and its arguments
extern const void* body_closure;

std::string place(const Site&);
std::string who(const Fiber&);

// fibers (simt_fibers.cc)
void prepare_host();                     // before the first fiber of a launch
void start_fibers(Block&, dim3 where);
void drop_fiber(Fiber&);                 // of an abandoned launch
void finish_fibers(Block&);
void to_host();                          // from the fiber that runs to the scheduler
void to_fiber(Fiber&);                   // and back
char* map(size_t bytes);

// shared memory (simt_memory.cc)
void start_memory(Block&);
void finish_memory(Block&);              // sets `error` where something was written outside an array
void drop_memory(Block&);
extern size_t dynamic_bytes;
size_t dynamic_limit_of(const void* kernel);

}  // namespace simt::machine
