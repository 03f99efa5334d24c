// c (+)= op(a)·op(b) (+ bias): linear layers (b = the weight [n k], transposeB) and both of their gradients.
#pragma once
#include "../fields.h"

namespace ha {

struct Matmul {
  int64_t m, n, k;
  bool transposeA, transposeB, accumulate;
  In a;     // [m k], or [k m] with transposeA
  In b;     // [k n], or [n k] with transposeB
  In bias;  // [n], added to every row
  Out c;    // [m n]; with `accumulate` added to
  template <class V> void fields(V& v) {
    v.size("m", m), v.size("n", n), v.size("k", k);
    v.flag("transposeA", transposeA), v.flag("transposeB", transposeB), v.flag("accumulate", accumulate);
    v.in("a", a, m * k), v.in("b", b, k * n), v.optional("bias", bias, n), v.update("c", c, m * n);
  }
};

/// Whether b is a weight that few rows are multiplied with: then the processor reads it in bf16 as it is, since it is the reading
/// that takes the time.
inline bool readsNarrowWeight(const Matmul& o) {
  return o.b.dtype == DType::bf16 && o.transposeB && !o.transposeA && o.m <= 8 && o.m <= o.n && 8 * o.m <= o.k;
}

}  // namespace ha
