// Every instruction-set level of this machine, with one thread and with three.
#include <cstdlib>
#include <cstring>
#include "../device/pool.h"
#include "../device/processor.h"
#include "levels.h"

namespace ha {

std::vector<Level> levels() {
  std::vector<Level> result;
  const char* which = std::getenv("NATIVE_TEST_LEVELS");
  const char* only = std::getenv("HIDDEN_ATTENTION_ISA");
  for (const char* const* level = cpuLevels(); *level; level++) {
    if (only && *only && std::strcmp(only, *level)) continue;
    for (int threads : {1, 3})
      result.push_back({std::string(*level) + " with " + std::to_string(threads) + " threads", [level = *level, threads](const auto& body) {
                          ThreadPool pool(threads), alone(1);
                          Check check{*cpuBackend(level), pool, [&] { return openProcessor(level, threads); }};
                          check.alone = &alone;
                          check.withThreads = [](int threads) { return std::make_unique<ThreadPool>(threads); };
                          body(check);
                        }});
    if (which && !std::strcmp(which, "best")) break;
  }
  return result;
}

}  // namespace ha
