// What a test asks of its results.
#include "check.h"

#include <cmath>
#include <cstdio>
#include <cstring>

namespace ha {

std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

/// All digits that a float has.
static std::string text(double x) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.9g", x);
  return digits;
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
      return failed(*this, what, "element " + std::to_string(i) + " is " + text(got[i]) + ", not " + text(want[i]));
}

void Check::close(const char* what, const Floats& got, const Doubles& want, double tolerance, double floor) {
  if (got.size() != want.size()) return failed(*this, what, "sizes differ");
  double scale = floor;
  for (double x : want) scale = std::fmax(scale, std::fabs(x));
  for (size_t i = 0; i < got.size(); i++)
    if (!(std::fabs(got[i] - want[i]) <= tolerance * slack * scale))
      return failed(*this, what, "element " + std::to_string(i) + " is " + text(got[i]) + ", not " + text(want[i]) +
                                   " (largest " + text(scale) + ")");
}

}  // namespace ha
