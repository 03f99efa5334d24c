// The scheduler behind simt.h: who runs next, barriers, meetings of warps, and what it refuses. Fibers and shared memory have files of
// their own; what they share, and how it is built for the race detector, is in simt_machine.h.
#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <stdexcept>
#include "simt_machine.h"

namespace simt {

Options options;
Thread* self;
dim3 block_dim, grid_dim;

namespace machine {

std::vector<Block> slots;
Fiber* current;
Random random;
std::string error;
int yields;
char launch_order;
void (*body)(const void*);
const void* body_closure;

std::string place(const Site& s) { return std::string(s.file_name()) + ":" + std::to_string(s.line()); }
std::string who(const Fiber& f) {
  char b[96];
  snprintf(b, sizeof b, "block (%u,%u,%u) thread (%u,%u,%u)", f.block.x, f.block.y, f.block.z, f.thread.x, f.thread.y, f.thread.z);
  return b;
}

}  // namespace machine

using namespace machine;

namespace {

struct Index {
  size_t i;
};
std::recursive_mutex one_launch;  // devices of several threads take turns

void block_on(const unsigned& generation, const char* at, Site site, uint32_t mask) {
  Fiber& f = *current;
  f.wait = &generation, f.wait_value = generation, f.at = at, f.site = site, f.mask = mask;
  to_host();
}

void start(Block& b, dim3 where) {
  const size_t n = size_t(block_dim.x) * block_dim.y * block_dim.z;
  b.arrived = b.sum = 0;
  b.warps.assign((n + 31) / 32, {});
  start_memory(b), start_fibers(b, where);
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

/// Lets the threads of a block run that can. True if one did; `only_yields` is false then if it did more than spin.
bool advance(Block& b, std::vector<Index>& order, bool& only_yields) {
  bool progress = false;
  if (options.order == Order::shuffle) std::shuffle(order.begin(), order.end(), random);
  for (Index k : order) {
    Fiber& f = b.fibers[k.i];
    if (f.done || (f.wait && *f.wait == f.wait_value)) continue;
    f.wait = nullptr;
    const int before = yields;
    to_fiber(f);
    progress = true;
    if (yields == before) only_yields = false;
    if (!error.empty()) break;
  }
  return progress;
}

/// Blocks begin in the chosen order, as many at a time as there are slots, and go on by turns until all have ended.
void play(dim3 grid, std::vector<Block*>& live) {
  const size_t blocks = size_t(grid.x) * grid.y * grid.z, threads = size_t(block_dim.x) * block_dim.y * block_dim.z;
  std::vector<Index> queue(blocks), order(threads);
  for (size_t i = 0; i < blocks; i++) queue[i].i = i;
  for (size_t i = 0; i < threads; i++) order[i].i = i;
  if (options.order == Order::reverse) std::reverse(queue.begin(), queue.end()), std::reverse(order.begin(), order.end());
  if (options.order == Order::shuffle) std::shuffle(queue.begin(), queue.end(), random);
  std::vector<Block*> idle;
  for (int i = 0; i < options.resident; i++) idle.push_back(&slots[i]);
  size_t next = 0;
  for (int spins = 0; error.empty();) {
    while (!idle.empty() && next < blocks) {
      const size_t q = queue[next++].i;
      live.push_back(idle.back());
      idle.pop_back();
      start(*live.back(), dim3(unsigned(q % grid.x), unsigned(q / grid.x % grid.y), unsigned(q / grid.x / grid.y)));
    }
    if (live.empty()) break;
    bool progress = false, only_yields = true;
    for (size_t i = 0; i < live.size() && error.empty();) {
      Block& b = *live[i];
      progress |= advance(b, order, only_yields);
      if (!error.empty() || b.alive != 0) {
        i++;
        continue;
      }
      finish_memory(b), finish_fibers(b);
      idle.push_back(&b), live.erase(live.begin() + long(i));
    }
    spins = only_yields ? spins + 1 : 0;
    if (error.empty() && (!progress || spins > 1000)) {
      describe_deadlock();
      if (spins > 1000) error = "threads spin for ever (a block waits for one that cannot start?); " + error;
    }
  }
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
void yield(Site site) {
  yields++;
  current->at = "a spin on a flag", current->mask = 0, current->site = site;
  to_host();
}
void maybe_yield() {
  if (options.order == Order::shuffle && random() & 1) to_host();
}

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
void run(const void* kernel, dim3 grid, dim3 block, size_t bytes, void (*call)(const void*), const void* closure) {
  std::lock_guard lock(one_launch);
  const size_t limit = dynamic_limit_of(kernel);
  if (bytes > limit || bytes > (227 << 10))
    throw std::runtime_error("simt: " + std::to_string(bytes) + " bytes of dynamic shared memory, allowed are " + std::to_string(limit));
  const size_t threads = size_t(block.x) * block.y * block.z, blocks = size_t(grid.x) * grid.y * grid.z;
  if (!threads || threads > 1024 || !blocks || grid.y > 65535 || grid.z > 65535 || block.z > 64) throw std::runtime_error("simt: invalid launch configuration");
  block_dim = block, grid_dim = grid, dynamic_bytes = bytes, body = call, body_closure = closure;
  random.state = options.seed;
  error.clear();
  prepare_host();
  release(&launch_order);
  slots.resize(std::max(slots.size(), size_t(options.resident)));
  std::vector<Block*> live;
  play(grid, live);
  for (auto* b : live) {  // of an abandoned launch
    for (auto& f : b->fibers) drop_fiber(f);
    drop_memory(*b);
  }
  acquire(&launch_order);
  if (!error.empty()) throw std::runtime_error("simt: " + error);
}

}  // namespace simt
