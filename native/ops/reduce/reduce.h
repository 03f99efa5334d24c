// Sums over an axis, in an order that depends on the shape alone.
#pragma once
#include "../fields.h"

namespace ha {

/// y[r] = scale·Σ_c f(x[r,c])
struct ReduceLast {
  enum Kind : int32_t { kSum = 0, kSumAbs = 1, kSumPositive = 2, kSumSquares = 3, kMax = 4, kMin = 5 };
  int64_t rows, columns;
  int32_t kind;
  float scale;
  In x;   // [rows columns]
  Out y;  // [rows]
  template <class V> void fields(V& v) {
    v.size("rows", rows), v.size("columns", columns), v.kind("kind", kind), v.number("scale", scale);
    v.in("x", x, rows * columns), v.out("y", y, rows);
  }
};

/// y[c] = Σ_r x[r,c]
struct ReduceLeading {
  int64_t rows, columns;
  In x;   // [rows columns]
  Out y;  // [columns]
  template <class V> void fields(V& v) {
    v.size("rows", rows), v.size("columns", columns), v.in("x", x, rows * columns), v.out("y", y, columns);
  }
};

/// y[b,d] = Σ_l weights[b,l]·x[b,l,d]: mean pooling, the last position, any one position.
struct WeightedSum {
  int64_t batch, length, channels;
  In x, weights;  // [b l d], [b l]
  Out y;          // [b d]
  template <class V> void fields(V& v) {
    v.size("batch", batch), v.size("length", length), v.size("channels", channels);
    v.in("x", x, batch * length * channels), v.in("weights", weights, batch * length), v.out("y", y, batch * channels);
  }
};

}  // namespace ha
