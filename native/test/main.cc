// native_test [name], simt_test [name]: run every C++ test (or those whose name contains the word) on every level and close
// with the counts. HIDDEN_ATTENTION_ISA: only that instruction-set level; NATIVE_TEST_LEVELS=best: only the best one of this
// machine; NATIVE_TEST_ONLY=a,b: only tests whose name starts with one of these words; NATIVE_TEST_TIMES=1: print times, also the
// processor's, which a busy machine does not stretch.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include "levels.h"

static bool startsWithOneOf(const std::string& name, std::string words) {
  for (size_t end; !words.empty(); words = end == std::string::npos ? "" : words.substr(end + 1)) {
    end = words.find(',');
    if (name.rfind(words.substr(0, end), 0) == 0) return true;
  }
  return false;
}

int main(int argc, char** argv) {
  using namespace ha;
  const char* words = std::getenv("NATIVE_TEST_ONLY");
  const bool times = std::getenv("NATIVE_TEST_TIMES") != nullptr;
  int passed = 0, failed = 0;
  for (const Level& level : levels()) {
    for (const Test& test : tests()) {
      if (argc > 1 && !std::strstr(test.name, argv[1])) continue;
      if (words && *words && !startsWithOneOf(test.name, words)) continue;
      const auto start = std::chrono::steady_clock::now();
      const std::clock_t used = std::clock();
      int failures = 0;
      level.with([&](Check& check) {
        try {
          test.run(check);
        } catch (const std::exception& error) {
          check.failures++;
          std::printf("    %s%sthrew: %s\n", check.label.c_str(), check.label.empty() ? "" : ", ", error.what());
        }
        failures = check.failures;
      });
      (failures ? failed : passed)++;
      if (failures) std::printf("FAILED %s on %s\n", test.name, level.name.c_str());
      if (!times) continue;
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      std::printf("%8.2f s, %8.2f s of the processor: %s on %s\n", seconds, static_cast<double>(std::clock() - used) / CLOCKS_PER_SEC, test.name, level.name.c_str());
      std::fflush(stdout);
    }
  }
  std::printf("native: %d passed, %d failed\n", passed, failed);
  return failed || !passed;
}
