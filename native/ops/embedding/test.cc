// Rows by their numbers, the gradient of the table, and ids that are out of range.
#include <cstring>
#include <stdexcept>
#include "../../test/check.h"

namespace {
using namespace ha;

TEST(embeddingRows) {
  const struct { int64_t count, vocabulary, width; } shapes[] = {{1, 1, 1},     {0, 5, 3},      {7, 3, 17},
                                                                {100, 10, 33}, {500, 256, 64}, {300, 1000, 100}};
  for (auto [count, vocabulary, width] : shapes) {
    check.label = std::to_string(count) + " of " + std::to_string(vocabulary) + "x" + std::to_string(width);
    std::vector<int32_t> ids(count);
    for (auto& id : ids) id = (int32_t)(check.random() % vocabulary);
    const Floats table = check.normal(vocabulary * width), dy = check.normal(count * width);
    Floats y(count * width), dtable(vocabulary * width, 9), again(vocabulary * width, 8);
    check.op.embedding(check.context, {count, vocabulary, width, ids.data(), table.data(), y.data()});
    check.op.embeddingBackward(check.context, {count, vocabulary, width, ids.data(), dy.data(), dtable.data()});
    check.op.embeddingBackward(check.context, {count, vocabulary, width, ids.data(), dy.data(), again.data()});
    Doubles want(vocabulary * width);
    Floats rows(count * width);
    for (int64_t i = 0; i < count * width; i++) {
      rows[i] = table[ids[i / width] * width + i % width];
      want[ids[i / width] * width + i % width] += dy[i];
    }
    check.equal("y", y, rows);
    check.close("dtable", dtable, want, 1e-6);
    check.equal("twice", again, dtable);
  }
}

TEST(embeddingRange) {
  const Floats table(6), dy(6);
  Floats y(6), dtable(6);
  for (int32_t wrong : {3, -1}) {
    const int32_t ids[] = {0, 2, wrong};
    const auto message = [&](auto&& call) {
      try {
        call();
      } catch (const std::runtime_error& error) {
        return std::string(error.what());
      }
      return std::string();
    };
    const std::string forward = message([&] { check.op.embedding(check.context, {3, 3, 2, ids, table.data(), y.data()}); });
    check.that("forward names the id, its place and the vocabulary",
               forward == "embedding: id " + std::to_string(wrong) + " at position 2 is not in 0…2, the vocabulary is 3");
    const std::string backward =
        message([&] { check.op.embeddingBackward(check.context, {3, 3, 2, ids, dy.data(), dtable.data()}); });
    check.that("backward fails", !backward.empty());
  }
}

}  // namespace
