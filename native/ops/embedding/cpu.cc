// Rows of a table by their numbers, and the table's gradient.
#include "../../device/fail.h"
#include "../rows.h"

namespace ha::HA_ISA {

HA_INLINE void checkIds(const char* op, const int32_t* ids, int64_t count, int64_t vocabulary) {
  for (int64_t i = 0; i < count; i++)
    if (ids[i] < 0 || ids[i] >= vocabulary)
      fail("%s: id %d at position %lld is not in 0…%lld, the vocabulary is %lld", op, ids[i], (long long)i,
           (long long)vocabulary - 1, (long long)vocabulary);
}

void embedding(Context& context, const Embedding& o) {
  checkIds("embedding", o.ids, o.count, o.vocabulary);
  parallelParts(context, o.count, 0.2 * o.width + 5, [&](int64_t first, int64_t last) {
    const int64_t row = o.width * bytesOf(o.table.dtype);  // table and y have one type
    for (int64_t i = first; i < last; i++) memcpy((char*)o.y.data + i * row, (const char*)o.table.data + o.ids[i] * row, row);
  });
}

/// Every chunk takes all ids in order for some of the columns, so that the sums have one order on any number of threads.
void embeddingBackward(Context& context, const EmbeddingBackward& o) {
  checkIds("embeddingBackward", o.ids, o.count, o.vocabulary);
  parallelParts(context, o.vocabulary, 0.1 * o.width, [&](int64_t first, int64_t last) {
    memset(o.dtable + first * o.width, 0, (last - first) * o.width * sizeof(float));
  });
  constexpr int64_t kLine = 16;  // floats in a cache line
  parallelParts(context, (o.width + kLine - 1) / kLine, o.count * (0.3 * kLine + 2), [&](int64_t first, int64_t last) {
    const int64_t from = first * kLine, to = minimum(last * kLine, o.width);
    for (int64_t i = 0; i < o.count; i++) {
      const float* dy = o.dy + i * o.width;
      float* row = o.dtable + o.ids[i] * o.width;
      eachVector(from, to, [&](int64_t c, int lanes) HA_INLINED {
        storePart(row + c, loadPart(row + c, lanes) + loadPart(dy + c, lanes), lanes);
      });
    }
  });
}

}  // namespace ha::HA_ISA
