// y = x·rsqrt(mean(x²) + epsilon)·weight over `groups` equal slices of the last axis.
// With a residual, x + residual is what is normalised (and given back as residualOut); with a gate z, SiLU(z) multiplies
// before the norm (kBefore) or after it (kAfter).
#pragma once
#include "../fields.h"

namespace ha {

struct RmsNorm {
  enum Gate : int32_t { kNone = 0, kBefore = 1, kAfter = 2 };
  int64_t rows, width, groups;
  float epsilon;
  int32_t gate;
  In x, weight, residual, z;  // [rows width], [width], [rows width], [rows width]
  Out y, residualOut;         // [rows width]
  Out scale;                  // [rows groups], 1/rms, input of the backward
  template <class V> void fields(V& v) {
    v.size("rows", rows), v.size("width", width), v.size("groups", groups), v.number("epsilon", epsilon), v.kind("gate", gate);
    v.in("x", x, rows * width), v.optional("weight", weight, width), v.optional("residual", residual, rows * width);
    v.optional("z", z, rows * width), v.out("y", y, rows * width), v.optionalOut("residualOut", residualOut, rows * width);
    v.optionalOut("scale", scale, rows * groups);
  }
};

/// dx is also the gradient of the residual. With holdScale, 1/rms counts as a constant (a relevance rule).
struct RmsNormBackward {
  int64_t rows, width, groups;
  int32_t gate;
  bool holdScale;
  In x, weight, z, scale;  // x: what was normalised before the gate (residual added)
  In dy, dResidualOut;     // [rows width]
  Out dx, dweight, dz;     // [rows width], [width], [rows width]
  template <class V> void fields(V& v) {
    v.size("rows", rows), v.size("width", width), v.size("groups", groups), v.kind("gate", gate), v.flag("holdScale", holdScale);
    v.in("x", x, rows * width), v.optional("weight", weight, width), v.optional("z", z, rows * width);
    v.in("scale", scale, rows * groups), v.in("dy", dy, rows * width), v.optional("dResidualOut", dResidualOut, rows * width);
    v.out("dx", dx, rows * width), v.optionalOut("dweight", dweight, width), v.optionalOut("dz", dz, rows * width);
  }
};

}  // namespace ha
