// Fills, copies of blocks and transposes, number by number.
#include "../../test/check.h"

namespace {
using namespace ha;

TEST(fillNumbers) {
  for (int64_t count : {0, 1, 17, 100, 600001}) {
    Floats y(count + 3, 1), want(count + 3, 2.5f);
    for (int i = 0; i < 3; i++) want[count + i] = 1;
    check.op.fill(check.context, {count, 2.5f, y.data()});
    check.equal("y", y, want);
  }
}

TEST(copyBlocksEverywhere) {
  const struct { int64_t blocks, run, sourceOffset, sourceStride, targetOffset, targetStride; } cases[] = {
      {1, 1, 0, 1, 0, 1}, {5, 1, 2, 3, 1, 4},   {7, 3, 0, 3, 2, 10},     {4, 17, 5, 20, 0, 17},      {3, 100, 1, 150, 0, 100},
      {0, 4, 0, 4, 0, 4}, {6, 5, 3, 0, 1, 6},   {1, 200000, 7, 0, 3, 0}, {300, 700, 0, 1400, 0, 700}, {2, 9000, 100, 9000, 0, 20000},
      {3000, 1, 0, 0, 0, 1}, {64, 64, 64, 128, 0, 64}};
  for (const auto& c : cases) {
    check.label = std::to_string(c.blocks) + " of " + std::to_string(c.run);
    const int64_t last = c.blocks ? c.blocks - 1 : 0;
    const int64_t sourceCount = c.sourceOffset + last * c.sourceStride + c.run;
    const int64_t targetCount = c.targetOffset + last * c.targetStride + c.run + 5;
    const Floats source = check.normal(sourceCount);
    Floats target = check.normal(targetCount), want = target;
    check.op.copyBlocks(check.context, {c.blocks, c.run, c.sourceOffset, c.sourceStride, sourceCount, c.targetOffset, c.targetStride,
                                        targetCount, source.data(), target.data()});
    for (int64_t i = 0; i < c.blocks; i++)
      for (int64_t j = 0; j < c.run; j++) want[c.targetOffset + i * c.targetStride + j] = source[c.sourceOffset + i * c.sourceStride + j];
    check.equal("target", target, want);
  }
}

TEST(transposeShapes) {
  const struct { int64_t batch, rows, columns; } shapes[] = {{1, 1, 1},   {2, 3, 5},   {1, 16, 16},   {3, 17, 33}, {1, 1, 100},
                                                         {2, 100, 1}, {1, 64, 64}, {1, 500, 700}, {0, 3, 3}};
  for (auto [batch, rows, columns] : shapes) {
    check.label = std::to_string(batch) + "x" + std::to_string(rows) + "x" + std::to_string(columns);
    const Floats x = check.normal(batch * rows * columns);
    Floats y(x.size() + 4, 3), want(x.size() + 4, 3);
    check.op.transpose(check.context, {batch, rows, columns, x.data(), y.data()});
    for (int64_t b = 0; b < batch; b++)
      for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++) want[(b * columns + c) * rows + r] = x[(b * rows + r) * columns + c];
    check.equal("y", y, want);
  }
}

TEST(reverseShapes) {
  const struct { int64_t blocks, count, run; } shapes[] = {{1, 1, 1}, {2, 5, 3}, {3, 17, 1}, {1, 200, 70}, {4, 2, 100}, {0, 3, 3}};
  for (auto [blocks, count, run] : shapes) {
    check.label = std::to_string(blocks) + "x" + std::to_string(count) + "x" + std::to_string(run);
    const Floats x = check.normal(blocks * count * run);
    Floats y(x.size() + 4, 3), want(x.size() + 4, 3);
    check.op.reverse(check.context, {blocks, count, run, x.data(), y.data()});
    for (int64_t b = 0; b < blocks; b++)
      for (int64_t i = 0; i < count; i++)
        for (int64_t j = 0; j < run; j++) want[(b * count + i) * run + j] = x[(b * count + count - 1 - i) * run + j];
    check.equal("y", y, want);
  }
}

}  // namespace
