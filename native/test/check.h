// The smallest test runner that does: TEST(name) { … } registers a test, and native_test runs every test on every
// instruction-set level of this machine (or the one that HIDDEN_ATTENTION_ISA names), with 1, 2 and 3 threads where asked.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>
#include "../device/hardware.h"

namespace ha {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

struct Check {
  const Backend& op;
  Context& context;
  /// The same as a device of its own.
  std::function<std::unique_ptr<Hardware>()> open;
  /// The same with one thread.
  Context* alone = &context;
  /// The same with so many threads; absent on a GPU.
  std::function<std::unique_ptr<Context>(int threads)> withThreads;
  /// Times the tolerance of `close`: a GPU's exponentials are good to fewer digits.
  double slack = 1;
  /// Each GPU thread is played by the processor: keep shapes small, and leave out what only repeats a call (each is run under
  /// several schedules, whose bits must agree).
  bool played = false;
  std::mt19937 random{1};
  int failures = 0;
  std::string label;  // of the case at hand, printed with a failure

  Floats normal(int64_t count, float scale = 1) {
    std::normal_distribution<float> d(0, scale);
    Floats v(count);
    for (auto& x : v) x = d(random);
    return v;
  }
  Floats uniform(int64_t count, float low, float high) {
    std::uniform_real_distribution<float> d(low, high);
    Floats v(count);
    for (auto& x : v) x = d(random);
    return v;
  }
  /// |got − want| ≤ tolerance·max(max|want|, floor), everywhere; a NaN fails.
  void close(const char* what, const Floats& got, const Doubles& want, double tolerance, double floor = 1e-6);
  void equal(const char* what, const Floats& got, const Floats& want);  // the same bits
  void that(const char* what, bool holds);
};

struct Test {
  const char* name;
  void (*run)(Check&);
};
std::vector<Test>& tests();
struct Register {
  Register(const char* name, void (*run)(Check&)) { tests().push_back({name, run}); }
};
#define TEST(name)                                     \
  static void name(ha::Check&);                        \
  static const ha::Register name##Registered(#name, name); \
  static void name([[maybe_unused]] ha::Check& check)

}  // namespace ha
