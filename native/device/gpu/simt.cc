// The scheduler behind simt.h. It is built without -fsanitize=thread (with -DSIMT_TSAN instead): the race detector is to see
// the kernels, and of the scheduler only the order that CUDA promises.
#include "simt.h"

#include <sys/mman.h>

#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
constexpr size_t stack_bytes = 256 << 10;
#else
constexpr size_t stack_bytes = 64 << 10;
#endif
#ifdef SIMT_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if !defined(__x86_64__) && !defined(SIMT_UCONTEXT)
#define SIMT_UCONTEXT
#endif
#ifdef SIMT_UCONTEXT
#include <ucontext.h>
#endif

namespace simt {
Options options;
Thread* self;
dim3 block_dim, grid_dim;
namespace {
constexpr size_t arena_bytes = 256 << 10, red_zone = 64, page = 4096;
void release([[maybe_unused]] void* p) {
#ifdef SIMT_TSAN
  __tsan_release(p);
#endif
}
void acquire([[maybe_unused]] void* p) {
#ifdef SIMT_TSAN
  __tsan_acquire(p);
#endif
}

// Own types, local to this file: std templates over them are never merged with the instrumented copies of a test.
struct Random {
  using result_type = uint32_t;
  uint64_t state = 1;
  static constexpr uint32_t min() { return 0; }
  static constexpr uint32_t max() { return ~0u; }
  uint32_t operator()() { state = state * 6364136223846793005u + 1442695040888963407u; return uint32_t(state >> 33) * 2654435761u; }
};
struct Index { size_t i; };
struct Limit { const void* kernel; size_t bytes; };
struct Block;
struct Copy { void* to; const void* from; size_t bytes; int group; Site site; };
struct Fiber : Thread {
  char* stack = nullptr;
#ifdef SIMT_UCONTEXT
  ucontext_t context;
#else
  void* sp;
#endif
  void* race_fiber = nullptr;
  Block* in = nullptr;
  int index = 0;
  bool done = true;
  const unsigned* wait = nullptr;   // runs again when *wait differs from wait_value
  unsigned wait_value = 0;
  const char* at = "";
  uint32_t mask = 0;
  Site site;
  std::vector<Copy> copies;
  int group = 0;
  void* asan_fake = nullptr;
};
struct Meeting { uint32_t mask = 0, arrived = 0; unsigned generation = 0; const char* op = ""; Site site; uint64_t value[2][32]; char order[2]; };
struct Named { const void* key; const char* name; Site site; size_t offset, bytes; };
struct Block {
  std::vector<Fiber> fibers;
  int alive = 0, arrived = 0, sum = 0, sums[2];
  unsigned generation = 0;
  Site site;
  char order[2];                    // what the race detector sees of the barrier, by parity
  std::vector<std::vector<Meeting>> warps;
  char* arena = nullptr;
  size_t used = 0;
  std::vector<Named> named;
  char start;
};
std::vector<Block> slots;
Fiber* current;
Random random;
std::string error;
void (*body)(const void*);
const void* body_closure;
int yields;
char launch_order;
std::vector<Limit> dynamic_limit;
std::recursive_mutex one_launch;  // devices of several threads take turns

#ifdef SIMT_UCONTEXT
ucontext_t host;
#else
void* host_sp;
extern "C" void simt_switch(void** save, void* to);
asm(".text\n.globl simt_switch\nsimt_switch:\n push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
    " mov %rsp,(%rdi)\n mov %rsi,%rsp\n pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n ret\n");
#endif
#ifdef SIMT_TSAN
void* host_race_fiber;
#endif
[[maybe_unused]] void* host_fake;
[[maybe_unused]] const void* host_stack;
[[maybe_unused]] size_t host_stack_bytes;

void to_host(bool last = false) {
  Fiber* f = current;
  (void)f; (void)last;
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(last ? nullptr : &f->asan_fake, host_stack, host_stack_bytes);
#endif
#ifdef SIMT_TSAN
  __tsan_switch_to_fiber(host_race_fiber, __tsan_switch_to_fiber_no_sync);
#endif
#ifdef SIMT_UCONTEXT
  swapcontext(&f->context, &host);
#else
  simt_switch(&f->sp, host_sp);
#endif
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(f->asan_fake, &host_stack, &host_stack_bytes);
#endif
}
void to_fiber(Fiber& f) {
  current = &f;
  self = &f;
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(&host_fake, f.stack, stack_bytes);
#endif
#ifdef SIMT_TSAN
  __tsan_switch_to_fiber(f.race_fiber, __tsan_switch_to_fiber_no_sync);
#endif
#ifdef SIMT_UCONTEXT
  swapcontext(&host, &f.context);
#else
  simt_switch(&host_sp, f.sp);
#endif
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(host_fake, nullptr, nullptr);
#endif
}
std::string place(const Site& s) { return std::string(s.file_name()) + ":" + std::to_string(s.line()); }
std::string who(const Fiber& f) {
  char b[96];
  snprintf(b, sizeof b, "block (%u,%u,%u) thread (%u,%u,%u)", f.block.x, f.block.y, f.block.z, f.thread.x, f.thread.y, f.thread.z);
  return b;
}
void leave() {                        // the fiber's last act
  Fiber& f = *current;
  Block& b = *f.in;
  if (b.arrived) fail("it exits while %d threads wait at the barrier %s", b.arrived, place(b.site).c_str());
  for (auto& m : b.warps[f.index / 32])
    if (m.arrived && m.mask >> (f.index & 31) & 1) fail("it exits while its warp waits for it at %s %s", m.op, place(m.site).c_str());
  if (!f.copies.empty()) fail("it exits without having waited for the copy that it began at %s", place(f.copies[0].site).c_str());
  b.alive--;
  f.done = true;
  release(f.stack);
  release(&launch_order);
  to_host(true);
}
void enter() {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, &host_stack, &host_stack_bytes);
#endif
  acquire(current->stack);
  acquire(&launch_order);
  acquire(&current->in->start);
  body(body_closure);
  leave();
  std::abort();
}
void block_on(const unsigned& generation, const char* at, Site site, uint32_t mask) {
  Fiber& f = *current;
  f.wait = &generation, f.wait_value = generation, f.at = at, f.site = site, f.mask = mask;
  to_host();
}
char* map(size_t n) {
  void* p = mmap(nullptr, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw std::runtime_error("simt: no memory for stacks");
  return static_cast<char*>(p);
}
void poison(char* p, size_t n) {
#ifdef __SANITIZE_ADDRESS__
  __asan_poison_memory_region(p, n);
#else
  std::memset(p, 0xa5, n);
#endif
}
void start(Block& b, dim3 where) {
  size_t n = size_t(block_dim.x) * block_dim.y * block_dim.z;
  if (b.fibers.size() != n) {
    for (auto& f : b.fibers) munmap(f.stack - page, stack_bytes + page);
    b.fibers.clear(), b.fibers.resize(n);
    for (auto& f : b.fibers) f.stack = map(stack_bytes + page) + page, mprotect(f.stack - page, page, PROT_NONE);
  }
  if (!b.arena) b.arena = map(arena_bytes);
#ifdef SIMT_TSAN                      // fresh pages: the race detector forgets the block before
  munmap(b.arena, arena_bytes);
  b.arena = map(arena_bytes);
#endif
  b.alive = int(n), b.arrived = b.sum = 0, b.used = red_zone, b.named.clear();
  poison(b.arena, red_zone);
  b.warps.assign((n + 31) / 32, {});
  release(&b.start);
  for (size_t i = 0; i < n; i++) {
    Fiber& f = b.fibers[i];
    f.in = &b, f.index = int(i), f.done = false, f.wait = nullptr, f.block = where, f.group = 0, f.copies.clear();
    f.thread = dim3(unsigned(i % block_dim.x), unsigned(i / block_dim.x % block_dim.y), unsigned(i / block_dim.x / block_dim.y));
#ifdef SIMT_TSAN
    f.race_fiber = __tsan_create_fiber(0);
#endif
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region(f.stack, stack_bytes);
#endif
#ifdef SIMT_UCONTEXT
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = f.stack, f.context.uc_stack.ss_size = stack_bytes, f.context.uc_link = nullptr;
    makecontext(&f.context, enter, 0);
#else
    void** top = reinterpret_cast<void**>(f.stack + stack_bytes) - 1;   // 8 past a multiple of 16, as after a call
    *--top = reinterpret_cast<void*>(enter);
    f.sp = top - 6;                   // six saved registers, then the return address
#endif
  }
}
void finish(Block& b) {
#ifdef __SANITIZE_ADDRESS__           // the sanitizer has watched the red zones itself
  __asan_unpoison_memory_region(b.arena, arena_bytes);
#else
  for (auto& n : b.named)
    for (size_t i = 0; i < red_zone; i++) {
      const bool before = b.arena[n.offset - 1 - i] != char(0xa5), after = b.arena[n.offset + n.bytes + i] != char(0xa5);
      if (!before && !after) continue;
      const dim3 at = b.fibers[0].block;
      error = "block (" + std::to_string(at.x) + "," + std::to_string(at.y) + "," + std::to_string(at.z) + ") wrote " +
              (after ? "past the end" : "before the start") + " of the shared array " + n.name + " (" + std::to_string(n.bytes) + " bytes, " + place(n.site) + ")";
      return;
    }
#endif
#ifdef SIMT_TSAN
  for (auto& f : b.fibers) __tsan_destroy_fiber(f.race_fiber);
#endif
}
void describe_deadlock() {
  error = "deadlock:";
  int shown = 0;
  for (auto& b : slots)
    for (auto& f : b.fibers)
      if (!f.done && shown++ < 6) {
        char m[16];
        snprintf(m, sizeof m, " %08x", f.mask);
        error += "\n  " + who(f) + " waits at " + f.at + (f.mask ? m : "") + " " + place(f.site);
      }
  if (shown > 6) error += "\n  and " + std::to_string(shown - 6) + " more";
}
}  // namespace

void fail(const char* format, ...) {
  char b[512];
  va_list a;
  va_start(a, format);
  vsnprintf(b, sizeof b, format, a);
  va_end(a);
  error = who(*current) + ": " + b;
  to_host();
  std::abort();
}
uint32_t lane() { return uint32_t(current->index) & 31; }
void yield(Site site) { yields++; current->at = "a spin on a flag", current->mask = 0, current->site = site; to_host(); }
void maybe_yield() { if (options.order == Order::shuffle && random() & 1) to_host(); }

int barrier_sum(int value, Site site) {
  Block& b = *current->in;
  unsigned g = b.generation & 1;
  if (b.alive != int(b.fibers.size())) fail("it reaches the barrier %s after %d threads have exited", place(site).c_str(), int(b.fibers.size()) - b.alive);
  if (b.arrived == 0) b.site = site;
  else if (b.site.line() != site.line() || b.site.column() != site.column())
    fail("divergent barrier: it is at %s, others are at %s", place(site).c_str(), place(b.site).c_str());
  release(&b.order[g]);
  b.sum += value;
  if (++b.arrived == b.alive) b.sums[g] = b.sum, b.arrived = b.sum = 0, b.generation++;
  else block_on(b.generation, "__syncthreads", site, 0);
  acquire(&b.order[g]);
  return b.sums[g];
}
void barrier(Site site) { barrier_sum(0, site); }

const uint64_t* meet(const char* op, uint32_t mask, uint64_t value, Site site) {
  Fiber& f = *current;
  Block& b = *f.in;
  int w = f.index / 32, l = f.index & 31;
  if (!(mask >> l & 1)) fail("%s with mask %08x, which leaves out its own lane %d (%s)", op, mask, l, place(site).c_str());
  for (int i = 0; i < 32; i++)
    if (mask >> i & 1) {
      size_t t = size_t(w) * 32 + i;
      if (t >= b.fibers.size()) { if (mask == ~0u) { mask &= (1u << i) - 1; break; } fail("%s with mask %08x names lane %d, which does not exist (%s)", op, mask, i, place(site).c_str()); }
      if (b.fibers[t].done) fail("%s with mask %08x names lane %d, which has exited (%s)", op, mask, i, place(site).c_str());
    }
  auto& list = b.warps[w];
  if (list.capacity() == 0) list.reserve(64);
  Meeting* m = nullptr;
  for (auto& c : list) if (c.mask == mask) m = &c;
  if (!m) {
    if (list.size() == 64) fail("more than 64 different masks in a warp");
    m = &list.emplace_back();
    m->mask = mask;
  }
  unsigned g = m->generation & 1;
  if (m->arrived == 0) m->op = op, m->site = site;
  else if (m->site.line() != site.line() || m->site.column() != site.column())
    fail("divergent warp: it is at %s %s, others are at %s %s", op, place(site).c_str(), m->op, place(m->site).c_str());
  release(&m->order[g]);
  m->value[g][l] = value;
  m->arrived |= 1u << l;
  if (m->arrived == mask) m->arrived = 0, m->generation++;
  else block_on(m->generation, op, site, mask);
  acquire(&m->order[g]);
  return m->value[g];
}
void* shared(const void* key, const char* name, size_t bytes, size_t align, Site site) {
  Block& b = *current->in;
  for (auto& n : b.named) if (n.key == key) return b.arena + n.offset;
  align = std::max<size_t>(align, 16);
  size_t at = (b.used + align - 1) & ~(align - 1);
  if (at + bytes + red_zone > arena_bytes) fail("more shared memory than a block can have");
  poison(b.arena + b.used, at - b.used);
#ifdef __SANITIZE_ADDRESS__
  __asan_unpoison_memory_region(b.arena + at, bytes);
#endif
#ifndef SIMT_TSAN
  std::memset(b.arena + at, 0xff, bytes);   // NaN until written
#endif
  poison(b.arena + at + bytes, red_zone);
  b.used = at + bytes + red_zone;
  b.named.push_back({key, name, site, at, bytes});
  return b.arena + at;
}
namespace { size_t dynamic_bytes; }
void* shared_dynamic(const char* name, Site site) { return shared(&dynamic_bytes, name, dynamic_bytes, 128, site); }
void copy_async(void* to, const void* from, size_t bytes, Site site) {
  if ((bytes != 4 && bytes != 8 && bytes != 16) || (uintptr_t(to) | uintptr_t(from)) % bytes) fail("cp.async of %zu bytes, misaligned or not 4, 8, 16 (%s)", bytes, place(site).c_str());
  if (options.late_copies) current->copies.push_back({to, from, bytes, current->group, site});
  else std::memcpy(to, from, bytes);
}
void copy_commit() { current->group++; }
void copy_wait(int newest) {
  auto& c = current->copies;
  size_t kept = 0;
  for (auto& x : c)
    if (x.group < current->group - newest) std::memcpy(x.to, x.from, x.bytes);
    else c[kept++] = x;
  c.resize(kept);
}
void allow_dynamic(const void* kernel, size_t bytes) {
  std::lock_guard lock(one_launch);
  for (auto& l : dynamic_limit)
    if (l.kernel == kernel) return void(l.bytes = bytes);
  dynamic_limit.push_back({kernel, bytes});
}

void run(const void* kernel, dim3 grid, dim3 block, size_t bytes, void (*call)(const void*), const void* closure) {
  std::lock_guard lock(one_launch);
  size_t limit = 48 << 10;
  for (auto& l : dynamic_limit) if (l.kernel == kernel) { limit = l.bytes; break; }
  if (bytes > limit || bytes > (227 << 10)) throw std::runtime_error("simt: " + std::to_string(bytes) + " bytes of dynamic shared memory, allowed are " + std::to_string(limit));
  size_t threads = size_t(block.x) * block.y * block.z, blocks = size_t(grid.x) * grid.y * grid.z;
  if (!threads || threads > 1024 || !blocks || grid.y > 65535 || grid.z > 65535 || block.z > 64) throw std::runtime_error("simt: invalid launch configuration");
  block_dim = block, grid_dim = grid, dynamic_bytes = bytes, body = call, body_closure = closure;
  random.state = options.seed;
  error.clear();
#ifdef SIMT_TSAN
  host_race_fiber = __tsan_get_current_fiber();
#endif
  release(&launch_order);
  slots.resize(std::max(slots.size(), size_t(options.resident)));
  std::vector<Index> queue(blocks), order(threads);
  for (size_t i = 0; i < blocks; i++) queue[i].i = i;
  for (size_t i = 0; i < threads; i++) order[i].i = i;
  if (options.order == Order::reverse) std::reverse(queue.begin(), queue.end()), std::reverse(order.begin(), order.end());
  if (options.order == Order::shuffle) std::shuffle(queue.begin(), queue.end(), random);
  std::vector<Block*> live, idle;
  for (int i = 0; i < options.resident; i++) idle.push_back(&slots[i]);
  size_t next = 0;
  for (int spins = 0; error.empty();) {
    while (!idle.empty() && next < blocks) {
      size_t q = queue[next++].i;
      Block* b = idle.back();
      idle.pop_back();
      start(*b, dim3(unsigned(q % grid.x), unsigned(q / grid.x % grid.y), unsigned(q / grid.x / grid.y)));
      live.push_back(b);
    }
    if (live.empty()) break;
    bool progress = false, only_yields = true;
    for (size_t i = 0; i < live.size() && error.empty();) {
      Block& b = *live[i];
      if (options.order == Order::shuffle) std::shuffle(order.begin(), order.end(), random);
      for (Index k : order) {
        Fiber& f = b.fibers[k.i];
        if (f.done || (f.wait && *f.wait == f.wait_value)) continue;
        f.wait = nullptr;
        int before = yields;
        to_fiber(f);
        progress = true;
        if (yields == before) only_yields = false;
        if (!error.empty()) break;
      }
      if (error.empty() && b.alive == 0) finish(b), idle.push_back(&b), live.erase(live.begin() + long(i));
      else i++;
    }
    spins = only_yields ? spins + 1 : 0;
    if (error.empty() && (!progress || spins > 1000)) {
      describe_deadlock();
      if (spins > 1000) error = "threads spin for ever (a block waits for one that cannot start?); " + error;
    }
  }
  if (!error.empty()) {
    for (auto* b : live) {
      for (auto& f : b->fibers) {
        f.done = true;
#ifdef SIMT_TSAN                      // what the abandoned threads did comes before what the caller does next
        __tsan_switch_to_fiber(f.race_fiber, __tsan_switch_to_fiber_no_sync);
        release(&launch_order), release(f.stack);
        __tsan_switch_to_fiber(host_race_fiber, __tsan_switch_to_fiber_no_sync);
        __tsan_destroy_fiber(f.race_fiber);
#endif
      }
#ifdef __SANITIZE_ADDRESS__
      __asan_unpoison_memory_region(b->arena, arena_bytes);
#endif
    }
    acquire(&launch_order);
    throw std::runtime_error("simt: " + error);
  }
  acquire(&launch_order);
}
}  // namespace simt
