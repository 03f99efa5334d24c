// Fibers: stacks, and switching between them, known to the sanitizers.
#include "simt_machine.h"

#include <sys/mman.h>

#include <cstdlib>
#include <stdexcept>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace simt::machine {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr size_t kStackBytes = 256 << 10;
#else
constexpr size_t kStackBytes = 64 << 10;
#endif

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

void leave_for_host([[maybe_unused]] bool last) {
  Fiber* f = current;
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

/// A fiber's last act.
void exit_fiber() {
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
  leave_for_host(true);
}

void enter() {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, &host_stack, &host_stack_bytes);
#endif
  acquire(current->stack);
  acquire(&launch_order);
  acquire(&current->in->start);
  body(body_closure);
  exit_fiber();
  std::abort();
}

}  // namespace

char* map(size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw std::runtime_error("simt: no memory for stacks");
  return static_cast<char*>(p);
}

void to_host() { leave_for_host(false); }

void to_fiber(Fiber& f) {
  current = &f;
  self = &f;
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(&host_fake, f.stack, kStackBytes);
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

void prepare_host() {
#ifdef SIMT_TSAN
  host_race_fiber = __tsan_get_current_fiber();
#endif
}

void start_fibers(Block& b, dim3 where) {
  const size_t n = size_t(block_dim.x) * block_dim.y * block_dim.z;
  if (b.fibers.size() != n) {
    for (auto& f : b.fibers) munmap(f.stack - kPage, kStackBytes + kPage);
    b.fibers.clear(), b.fibers.resize(n);
    for (auto& f : b.fibers) f.stack = map(kStackBytes + kPage) + kPage, mprotect(f.stack - kPage, kPage, PROT_NONE);
  }
  b.alive = int(n);
  release(&b.start);
  for (size_t i = 0; i < n; i++) {
    Fiber& f = b.fibers[i];
    f.in = &b, f.index = int(i), f.done = false, f.wait = nullptr, f.block = where, f.group = 0, f.copies.clear();
    f.thread = dim3(unsigned(i % block_dim.x), unsigned(i / block_dim.x % block_dim.y), unsigned(i / block_dim.x / block_dim.y));
#ifdef SIMT_TSAN
    f.race_fiber = __tsan_create_fiber(0);
#endif
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region(f.stack, kStackBytes);
#endif
#ifdef SIMT_UCONTEXT
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = f.stack, f.context.uc_stack.ss_size = kStackBytes, f.context.uc_link = nullptr;
    makecontext(&f.context, enter, 0);
#else
    void** top = reinterpret_cast<void**>(f.stack + kStackBytes) - 1;  // 8 past a multiple of 16, as after a call
    *--top = reinterpret_cast<void*>(enter);
    f.sp = top - 6;  // six saved registers, then the return address
#endif
  }
}

void finish_fibers([[maybe_unused]] Block& b) {
#ifdef SIMT_TSAN
  for (auto& f : b.fibers) __tsan_destroy_fiber(f.race_fiber);
#endif
}

void drop_fiber(Fiber& f) {
  f.done = true;
#ifdef SIMT_TSAN  // what the abandoned threads did comes before what the caller does next
  __tsan_switch_to_fiber(f.race_fiber, __tsan_switch_to_fiber_no_sync);
  release(&launch_order), release(f.stack);
  __tsan_switch_to_fiber(host_race_fiber, __tsan_switch_to_fiber_no_sync);
  __tsan_destroy_fiber(f.race_fiber);
#endif
}

}  // namespace simt::machine
