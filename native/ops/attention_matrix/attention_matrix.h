// Whole blocks of rows of the hidden attention α (math.md sections 2 and 3), when a user asks for a matrix.
// Both ops write rows rowStart … rowStart+rows−1, all `length` columns, zero above the diagonal.
#pragma once
#include "../fields.h"

namespace ha {

/// α of the chosen channels, one matrix each.
struct AttentionMatrix {
  int64_t batch, length, channels, state, groups, selected, rowStart, rows;
  In delta, A, B, C;         // [b l d] (after softplus), [d n], [b l g n], [b l g n]
  const int32_t* selection;  // [c] channel numbers
  Out out;                   // [b c rows l]
  template <class V> void fields(V& v) {
    v.size("batch", batch), v.size("length", length), v.size("channels", channels), v.size("state", state);
    v.size("groups", groups), v.size("selected", selected), v.size("rowStart", rowStart), v.size("rows", rows);
    const int64_t blgn = batch * length * groups * state;
    v.in("delta", delta, batch * length * channels), v.in("A", A, channels * state), v.in("B", B, blgn), v.in("C", C, blgn);
    v.in("selection", selection, selected), v.out("out", out, batch * selected * rows * length);
  }
};

/// A mean over all channels of α, of |α|, or of max(α, 0); or, with scales, of that of rowScale_i·α[i,j]·columnScale_j, channel by
/// channel. On the processor the kernel sums channel by channel, blocked for cache with the factors of section 3, so all three cost the
/// same. On a GPU the mean of α is a product of matrices on the tensor cores, good to 10⁻⁵ of the largest entry; the other two go row
/// by row.
struct AttentionMatrixReduced {
  enum Reduce : int32_t { kMean = 0, kMeanAbs = 1, kMeanPositive = 2 };
  int64_t batch, length, channels, state, groups, rowStart, rows;
  int32_t reduce;
  In delta, A, B, C;          // as above
  In rowScale, columnScale;  // [b l d], 1 when absent
  Out out;                   // [b rows l]
  template <class V> void fields(V& v) {
    v.size("batch", batch), v.size("length", length), v.size("channels", channels), v.size("state", state);
    v.size("groups", groups), v.size("rowStart", rowStart), v.size("rows", rows), v.kind("reduce", reduce);
    const int64_t blgn = batch * length * groups * state;
    v.in("delta", delta, batch * length * channels), v.in("A", A, channels * state), v.in("B", B, blgn), v.in("C", C, blgn);
    v.optional("rowScale", rowScale, batch * length * channels), v.optional("columnScale", columnScale, batch * length * channels);
    v.out("out", out, batch * rows * length);
  }
};

}  // namespace ha
