// What native_test runs every test on: the instruction-set levels of the processor (cpu.cc), or a GPU's kernels (gpu.cc).
#pragma once
#include <functional>
#include <string>
#include <vector>
#include "check.h"

namespace ha {

struct Level {
  std::string name;
  /// Runs `body` with a Check for this level.
  std::function<void(const std::function<void(Check&)>& body)> with;
};
std::vector<Level> levels();

}  // namespace ha
