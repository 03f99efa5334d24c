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
  int64_t bOffset = 0, cOffset = 0;  // where b and c begin in their memory: some rows of a weight, or of its gradient
  template <class V> void fields(V& v) {
    v.size("m", m), v.size("n", n), v.size("k", k), v.size("bOffset", bOffset), v.size("cOffset", cOffset);
    v.flag("transposeA", transposeA), v.flag("transposeB", transposeB), v.flag("accumulate", accumulate);
    v.in("a", a, m * k), v.in("b", b, bOffset + k * n), v.optional("bias", bias, n), v.update("c", c, cOffset + m * n);
  }
};

/// The same call with b and c where they begin.
inline Matmul placed(Matmul o) {
  o.b.data = static_cast<const char*>(o.b.data) + o.bOffset * bytesOf(o.b.dtype);
  o.c.data = static_cast<char*>(o.c.data) + o.cOffset * bytesOf(o.c.dtype);
  o.bOffset = o.cOffset = 0;
  return o;
}

/// Whether b is a weight that few rows are multiplied with: then the processor reads it in bf16 as it is, since it is the reading
/// that takes the time.
inline bool readsNarrowWeight(const Matmul& o) {
  return o.b.dtype == DType::bf16 && o.transposeB && !o.transposeA && o.m <= 8 && o.m <= o.n && 8 * o.m <= o.k;
}

/// Whether both factors are in bf16 and run along k in whole pairs, many rows of them: then a processor with dot products of bf16
/// multiplies them as they are.
inline bool hasBf16Pairs(const Matmul& o) {
  return o.a.dtype == DType::bf16 && o.b.dtype == DType::bf16 && o.transposeB && !o.transposeA && o.k % 2 == 0 && !readsNarrowWeight(o);
}

}  // namespace ha
