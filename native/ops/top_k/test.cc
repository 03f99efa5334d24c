// The largest numbers of rows, whole and in pieces, against a sort.
#include <algorithm>
#include <cmath>
#include "../../test/check.h"

namespace {
using namespace ha;

struct Entry {
  float value;
  int32_t index;
};

/// The first k of a row in their order: larger first, of equals the smaller index.
std::vector<Entry> sorted(const float* x, int64_t count, int64_t k, bool magnitude) {
  std::vector<Entry> all;
  for (int64_t i = 0; i < count; i++) all.push_back({x[i], static_cast<int32_t>(i)});
  const auto key = [&](float v) { return std::isnan(v) ? INFINITY : magnitude ? std::fabs(v) : v; };
  std::stable_sort(all.begin(), all.end(), [&](const Entry& a, const Entry& b) { return key(a.value) > key(b.value); });
  all.resize(static_cast<size_t>(k), {0, -1});
  return all;
}

TEST(topK) {
  const struct { int64_t rows, columns, k, pieces; } shapes[] = {{1, 1, 1, 1},  {3, 7, 2, 1},    {2, 5, 9, 1},   {1, 300, 10, 1},
                                                                 {2, 700, 33, 3}, {5, 64, 1, 2}, {1, 1000, 5, 7}, {4, 0, 2, 1}, {0, 3, 2, 1}, {2, 3, 0, 1}};
  for (auto [rows, columns, k, pieces] : shapes)
    for (bool magnitude : {false, true})
      for (bool ragged : {false, true}) {
        check.label = std::to_string(rows) + "x" + std::to_string(columns) + " k " + std::to_string(k) + " in " + std::to_string(pieces) +
                      (magnitude ? " by magnitude" : "") + (ragged ? " ragged" : "");
        Floats x = check.normal(rows * columns);
        for (size_t i = 0; i < x.size(); i++)
          if (i % 3) x[i] = std::round(2 * x[i]) / 2;  // many equals, both zeros among them
        if (x.size() > 40) x[37] = NAN;
        std::vector<int32_t> lengths(static_cast<size_t>(rows));
        for (int64_t r = 0; r < rows; r++) lengths[static_cast<size_t>(r)] = static_cast<int32_t>(ragged ? columns - r % (columns + 1) : columns);
        Floats values(rows * k, 7), held;
        std::vector<int32_t> indices(static_cast<size_t>(rows * k), 7), heldAt;
        // the last piece first
        for (int64_t p = pieces; p-- > 0;) {
          const int64_t from = columns * p / pieces, width = columns * (p + 1) / pieces - from;
          Floats part(rows * width);
          for (int64_t r = 0; r < rows; r++) std::copy_n(x.data() + r * columns + from, width, part.data() + r * width);
          check.op.topK(check.context, {rows, width, k, from, magnitude, part.data(), ragged ? lengths.data() : nullptr,
                                        held.empty() ? In{} : In{held.data()}, heldAt.empty() ? nullptr : heldAt.data(), values.data(), indices.data()});
          held = values, heldAt = indices;
        }
        bool same = true;
        for (int64_t r = 0; r < rows; r++) {
          const auto want = sorted(x.data() + r * columns, lengths[static_cast<size_t>(r)], k, magnitude);
          for (int64_t s = 0; s < k; s++) {
            const float value = values[r * k + s];
            same &= indices[static_cast<size_t>(r * k + s)] == want[static_cast<size_t>(s)].index;
            same &= value == want[static_cast<size_t>(s)].value || (std::isnan(value) && std::isnan(want[static_cast<size_t>(s)].value));
          }
        }
        check.that("as sorted", same);
      }
}

}  // namespace
