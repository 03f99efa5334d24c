// Functions of one number, and of two.
#pragma once
#include "../fields.h"

namespace ha {

struct UnaryKind {
  enum : int32_t {
    kSilu = 0,      // x·σ(x)
    kSoftplus = 1,  // log(1 + e^x), x itself above 20
    kSigmoid = 2,   // σ(x)
    kExp = 3,       // e^x
    kNegExp = 4,    // −e^x: A from A_log
    kPositive = 5,  // max(x, 0)
    kAbs = 6,       // |x|
    kAffine = 7,    // scale·x + shift
    kSquare = 8,    // x²
    kLog = 9,       // log x
    kGelu = 10,      // x·Φ(x), Φ the normal distribution function
    kGeluTanh = 11,  // x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2, its approximation
    kNormalDistribution = 12,  // Φ(x)
  };
};

struct Unary {
  int64_t count;
  int32_t kind;
  float scale, shift;  // of kAffine
  In x;
  Out y;  // may be x's own memory
  template <class V> void fields(V& v) {
    v.size("count", count), v.kind("kind", kind), v.number("scale", scale), v.number("shift", shift);
    v.in("x", x, count), v.out("y", y, count);
  }
};

/// dx = dy·f'(x)
struct UnaryBackward {
  int64_t count;
  int32_t kind;
  float scale;
  In x, dy;
  Out dx;
  template <class V> void fields(V& v) {
    v.size("count", count), v.kind("kind", kind), v.number("scale", scale), v.in("x", x, count), v.in("dy", dy, count);
    v.out("dx", dx, count);
  }
};

/// y[r,c] = a[r,c] ∘ b[r·bRowStride + c·bColumnStride]: strides (columns, 1) for equal shapes, (0, 1) for one row for all,
/// (1, 0) for one number a row, (0, 0) for one number.
struct Binary {
  enum Kind : int32_t { kAdd = 0, kSubtract = 1, kMultiply = 2, kDivide = 3 };
  int64_t rows, columns, bRowStride, bColumnStride;
  int32_t kind;
  In a, b;
  Out y;  // may be a's own memory
  template <class V> void fields(V& v) {
    v.size("rows", rows), v.size("columns", columns), v.size("bRowStride", bRowStride), v.size("bColumnStride", bColumnStride);
    v.kind("kind", kind), v.in("a", a, rows * columns);
    v.in("b", b, rows > 0 && columns > 0 ? (rows - 1) * bRowStride + (columns - 1) * bColumnStride + 1 : 0), v.out("y", y, rows * columns);
  }
};

}  // namespace ha
