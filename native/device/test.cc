// The queue and the memory under load (also what the thread sanitizer runs).
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <future>
#include "../test/check.h"
#include "fail.h"
#include "queue.h"

namespace ha {

TEST(queueRunsInOrderAndPoisonsWhatDependsOnAnError) {
  Queue queue(check.open(), size_t{1} << 30);
  const BufferRef a = queue.allocate(DType::f32, 4), b = queue.allocate(DType::f32, 4), c = queue.allocate(DType::f32, 4);
  int order = 0;
  queue.push({"first", {}, {a}, [&](Context&) { check.that("first is first", order++ == 0); }, {}});
  queue.push({"second", {a}, {b}, [&](Context&) { check.that("second is second", order++ == 1), fail("second: number %d is bad", 7); }, {}});
  queue.push({"third", {b}, {c}, [&](Context&) { check.that("third does not run", false); }, {}});
  std::promise<std::string> onC, onA;
  queue.push({"", {c}, {}, [](Context&) {}, [&](const std::string& error) { onC.set_value(error); }});
  queue.push({"", {a}, {}, [](Context&) {}, [&](const std::string& error) { onA.set_value(error); }});
  check.that("the error reaches c", onC.get_future().get() == "second: number 7 is bad");
  check.that("a is untouched", onA.get_future().get().empty());
}

TEST(queueClosesWithWorkLeft) {
  std::atomic<int> done = 0;
  {
    Queue queue(check.open(), size_t{1} << 30);
    for (int i = 0; i < 1000; i++) queue.push({"", {}, {}, [](Context&) {}, [&](const std::string&) { done++; }});
  }
  check.that("every task is answered", done == 1000);
}

TEST(memoryIsReusedAndLimited) {
  const auto hardware = check.open();
  Memory memory(*hardware, 1 << 20, [&](std::vector<void*> blocks) { for (void* block : blocks) hardware->free(block); });
  void* first = memory.allocate(1000);
  memory.free(first, 1000);
  check.that("a freed block is handed out again", memory.allocate(1010) == first);
  check.that("a fresh block is not a cached one", memory.cached() == 0);
  bool refused = false;
  try {
    memory.allocate(1 << 20);
  } catch (const OutOfMemory& error) {
    refused = std::strstr(error.what(), "asked for") != nullptr;
  }
  check.that("beyond the limit is refused", refused);
  memory.free(first, 1010);
  check.that("the cache is given up when room is needed", memory.allocate(1 << 20) != nullptr && memory.cached() == 0);
}

}  // namespace ha
