// native_test [name], simt_test [name]: run every C++ test (or those whose name contains the word) on every level and close
// with the counts. HIDDEN_ATTENTION_ISA: only that instruction-set level; NATIVE_TEST_LEVELS=best: only the best one of this
// machine; NATIVE_TEST_ONLY=a,b: only tests whose name starts with one of these words; NATIVE_TEST_TIMES=1: print times.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include "levels.h"

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
    if (!(std::fabs(got[i] - want[i]) <= tolerance * slack * scale))
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
  const char* words = std::getenv("NATIVE_TEST_ONLY");
  const bool times = std::getenv("NATIVE_TEST_TIMES") != nullptr;
  int passed = 0, failed = 0;
  for (const Level& level : levels()) {
    for (const Test& test : tests()) {
      if (argc > 1 && !std::strstr(test.name, argv[1])) continue;
      if (words && *words && !startsWithOneOf(test.name, words)) continue;
      const auto start = std::chrono::steady_clock::now();
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
      if (times) std::printf("%8.2f s %s on %s\n", std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), test.name, level.name.c_str());
    }
  }
  std::printf("native: %d passed, %d failed\n", passed, failed);
  return failed || !passed;
}
