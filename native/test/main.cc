// native_test [name]: runs every C++ test (or those whose name contains the word) and closes with the counts.
// HIDDEN_ATTENTION_ISA: only that instruction-set level; NATIVE_TEST_LEVELS=best: only the best one of this machine;
// NATIVE_TEST_ONLY=a,b: only tests whose name starts with one of these words.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include "../device/pool.h"
#include "check.h"

namespace ha {

std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

static void failed(Check& check, const char* what, const std::string& how) {
  if (check.failures++ < 5) std::printf("    %s%s%s: %s\n", check.label.c_str(), check.label.empty() ? "" : ", ", what, how.c_str());
}

void Check::that(const char* what, bool holds) {
  if (!holds) failed(*this, what, "does not hold");
}

void Check::equal(const char* what, const Floats& got, const Floats& want) {
  if (got.size() != want.size()) return failed(*this, what, "sizes differ");
  for (size_t i = 0; i < got.size(); i++)
    if (std::memcmp(&got[i], &want[i], 4))
      return failed(*this, what, "element " + std::to_string(i) + " is " + std::to_string(got[i]) + ", not " + std::to_string(want[i]));
}

void Check::close(const char* what, const Floats& got, const Doubles& want, double tolerance, double floor) {
  if (got.size() != want.size()) return failed(*this, what, "sizes differ");
  double scale = floor;
  for (double x : want) scale = std::fmax(scale, std::fabs(x));
  for (size_t i = 0; i < got.size(); i++)
    if (!(std::fabs(got[i] - want[i]) <= tolerance * scale))
      return failed(*this, what, "element " + std::to_string(i) + " is " + std::to_string(got[i]) + ", not " + std::to_string(want[i]) +
                                   " (largest " + std::to_string(scale) + ")");
}

}  // namespace ha

static bool startsWithOneOf(const std::string& name, std::string words) {
  for (size_t end; !words.empty(); words = end == std::string::npos ? "" : words.substr(end + 1)) {
    end = words.find(',');
    if (name.rfind(words.substr(0, end), 0) == 0) return true;
  }
  return false;
}

int main(int argc, char** argv) {
  using namespace ha;
  const char* levels = std::getenv("NATIVE_TEST_LEVELS");
  const char* words = std::getenv("NATIVE_TEST_ONLY");
  int passed = 0, failed = 0;
  const char* only = std::getenv("HIDDEN_ATTENTION_ISA");
  for (const char* const* level = cpuLevels(); *level; level++) {
    if (only && *only && std::strcmp(only, *level)) continue;
    for (int threads : {1, 3}) {
      ThreadPool pool(threads);
      for (const Test& test : tests()) {
        if (argc > 1 && !std::strstr(test.name, argv[1])) continue;
        if (words && *words && !startsWithOneOf(test.name, words)) continue;
        Check check{*cpuBackend(*level), pool};
        try {
          test.run(check);
        } catch (const std::exception& error) {
          check.failures++;
          std::printf("    threw: %s\n", error.what());
        }
        pool.reset();
        (check.failures ? failed : passed)++;
        if (check.failures) std::printf("FAILED %s on %s with %d threads\n", test.name, *level, threads);
      }
    }
    if (levels && !std::strcmp(levels, "best")) break;
  }
  std::printf("native: %d passed, %d failed\n", passed, failed);
  return failed || !passed;
}
