// Positions by their definitions; a cache that is filled in parts, and one that is too small.
#include <cmath>
#include <cstring>
#include <stdexcept>
#include "../../test/check.h"

namespace {
using namespace ha;

TEST(positionNumbers) {
  const Floats past = {3, 0};
  std::vector<int32_t> ids(8), first(8);
  check.op.positionIds(check.context, {2, 4, past.data(), ids.data()});
  check.op.positionIds(check.context, {2, 4, {}, first.data()});
  check.that("go on from the past", ids == std::vector<int32_t>{3, 4, 5, 6, 0, 1, 2, 3});
  check.that("begin at 0", first == std::vector<int32_t>{0, 1, 2, 3, 0, 1, 2, 3});
}

TEST(cacheInParts) {
  for (int64_t width : {1, 7, 40}) {
    check.label = "width " + std::to_string(width);
    const int64_t batch = 3, length = 5, capacity = 9;
    const Floats past = {0, 4, 2}, source = check.normal(batch * length * width), before = check.normal(batch * capacity * width);
    const std::vector<int32_t> lengths = {5, 5, 1};
    Floats cache = before, want = before;
    check.op.appendPositions(check.context, {batch, length, capacity, width, past.data(), lengths.data(), source.data(), cache.data()});
    for (int64_t b = 0; b < batch; b++)
      for (int64_t i = 0; i < lengths[b]; i++)
        for (int64_t c = 0; c < width; c++) want[(b * capacity + (int64_t)past[b] + i) * width + c] = source[(b * length + i) * width + c];
    check.equal("cache", cache, want);
    // 16 bits are moved as they are
    std::vector<uint16_t> narrow(source.size()), into(before.size(), 7), expected(before.size(), 7);
    for (size_t i = 0; i < narrow.size(); i++) narrow[i] = (uint16_t)(i * 2654435761u);
    check.op.appendPositions(check.context, {batch, length, capacity, width, past.data(), nullptr, {narrow.data(), DType::bf16}, {into.data(), DType::bf16}});
    for (int64_t b = 0; b < batch; b++)
      std::memcpy(&expected[(b * capacity + (int64_t)past[b]) * width], &narrow[b * length * width], (size_t)(length * width) * 2);
    check.that("16 bits", into == expected);
  }
}

TEST(cacheTooSmall) {
  const Floats past = {0, 5}, source(2 * 2 * 3);
  Floats cache(2 * 6 * 3);
  std::string message;
  try {
    check.op.appendPositions(check.context, {2, 2, 6, 3, past.data(), nullptr, source.data(), cache.data()});
  } catch (const std::runtime_error& error) {
    message = error.what();
  }
  check.that("names the row, where it stands and the room", message.find("row 1 goes on from position 5") != std::string::npos && message.find("room for 6") != std::string::npos);
}

TEST(rotaryPositions) {
  const struct { int64_t batch, length, heads, width, pairs; } shapes[] = {{1, 1, 1, 2, 1}, {2, 5, 3, 16, 8}, {1, 7, 2, 20, 5}, {2, 3, 1, 66, 33}, {1, 4, 2, 8, 0}};
  for (auto [batch, length, heads, width, pairs] : shapes) {
    check.label = std::to_string(length) + "x" + std::to_string(heads) + "x" + std::to_string(width) + " pairs " + std::to_string(pairs);
    const int64_t count = batch * length * heads * width;
    const Floats x = check.normal(count), past = batch == 2 ? Floats{1900, 3} : Floats{17};
    Floats y(count), back(count), near(count);
    check.op.rotate(check.context, {batch, length, heads, width, pairs, 10000, false, past.data(), x.data(), y.data()});
    check.op.rotate(check.context, {batch, length, heads, width, pairs, 10000, true, past.data(), y.data(), back.data()});
    check.op.rotate(check.context, {batch, length, heads, width, pairs, 10000, false, {}, x.data(), near.data()});
    Doubles want(count), wantNear(count);
    for (int64_t n = 0; n < count; n++) {
      const int64_t c = n % width, position = n / width / heads, i = position % length;
      const auto turned = [&](double number) {
        if (c >= 2 * pairs) return (double)x[n];
        const double angle = number * std::pow(10000.0, -(double)(c % pairs) / (double)pairs);
        return c < pairs ? x[n] * std::cos(angle) - x[n + pairs] * std::sin(angle) : x[n] * std::cos(angle) + x[n - pairs] * std::sin(angle);
      };
      want[n] = turned(past[position / length] + (double)i), wantNear[n] = turned((double)i);
    }
    check.close("y", y, want, 1e-6);
    check.close("from the beginning", near, wantNear, 1e-6);
    check.close("turned back", back, Doubles(x.begin(), x.end()), 1e-6);
  }
}

}  // namespace
