// Row by row: a list that is kept sorted; most numbers are turned away by one comparison with its last entry.
#include "../rows.h"

namespace ha::HA_ISA {

void topK(Context& context, const TopK& o) {
  if (o.k == 0) return;
  parallelParts(context, o.rows, 1.5 * o.columns + 50, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; r++) {
      float* values = o.values + r * o.k;
      int32_t* indices = o.indices + r * o.k;
      for (int64_t s = 0; s < o.k; s++) {
        values[s] = o.heldValues ? o.heldValues[r * o.k + s] : 0;
        indices[s] = o.heldIndices ? o.heldIndices[r * o.k + s] : -1;
      }
      const float* x = o.x + r * o.columns;
      const int64_t end = o.lengths ? minimum(o.columns, (int64_t)o.lengths[r] - o.offset) : o.columns;
      const auto rankAt = [&](int64_t slot) { return indices[slot] < 0 ? 0 : rankOf(values[slot], indices[slot], o.magnitude); };
      uint64_t least = rankAt(o.k - 1);
      for (int64_t c = 0; c < end; c++) {
        const uint64_t rank = rankOf(x[c], o.offset + c, o.magnitude);
        if (rank <= least) continue;
        int64_t slot = o.k - 1;
        for (; slot > 0 && rankAt(slot - 1) < rank; slot--) values[slot] = values[slot - 1], indices[slot] = indices[slot - 1];
        values[slot] = x[c], indices[slot] = (int32_t)(o.offset + c);
        least = rankAt(o.k - 1);
      }
    }
  });
}

}  // namespace ha::HA_ISA
