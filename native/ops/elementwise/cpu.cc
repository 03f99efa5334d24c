// Functions of one number and of two, a vector at a time.
#include "../rows.h"

namespace ha::HA_ISA {

// A step of work: short enough to share well, long enough to forget about the loop around it.
constexpr int64_t kStep = 4096;

/// y = f(x) over `count` numbers.
template <class F>
HA_INLINE void map(Context& context, const Unary& o, double nanoseconds, const F& f) {
  parallelParts(context, (o.count + kStep - 1) / kStep, nanoseconds * kStep, [&](int64_t first, int64_t last) {
    eachVector(first * kStep, minimum(last * kStep, o.count),
               [&](int64_t i, int lanes) HA_INLINED { storePart(o.y + i, f(loadPart(o.x + i, lanes)), lanes); });
  });
}

/// dx = dy·derivative(x)
template <class F>
HA_INLINE void mapBackward(Context& context, const UnaryBackward& o, double nanoseconds, const F& derivative) {
  parallelParts(context, (o.count + kStep - 1) / kStep, nanoseconds * kStep, [&](int64_t first, int64_t last) {
    eachVector(first * kStep, minimum(last * kStep, o.count), [&](int64_t i, int lanes) HA_INLINED {
      storePart(o.dx + i, loadPart(o.dy + i, lanes) * derivative(loadPart(o.x + i, lanes)), lanes);
    });
  });
}

/// log x of any x: −∞ at 0, NaN below, ∞ at ∞.
HA_INLINE vf logOfAny(vf x) {
  const vf infinity = splat(__builtin_inff()), notFinite = select(x == infinity, x, splat(__builtin_nanf("")));
  return select((x > splat(0)) & (x < infinity), log(x), select(x == splat(0), -infinity, notFinite));
}
/// dσ/dx = e/(1+e)², e = exp(−|x|)
HA_INLINE vf sigmoidGradient(vf x) {
  const vf e = exp(-vabs(x)), s = splat(1) / (splat(1) + e);
  return e * s * s;
}
/// −1, 0 or 1; NaN stays.
HA_INLINE vf sign(vf x) { return select(x > splat(0), splat(1), select(x < splat(0), splat(-1), x)); }
/// 0 up to 0, 1 above; NaN stays.
HA_INLINE vf step(vf x) { return select(x > splat(0), splat(1), select(x <= splat(0), splat(0), x)); }

/// Φ(x), with its digits kept far below 0: ½·e^(−x²/2)·t·p(t) of |x|, t = 1/(1 + 0.4·|x|/√2), p fitted to erfc(z)·e^(z²)/t
/// on z in 0…10.5 by interpolation at Chebyshev's points (relative error 1e-7).
HA_INLINE vf normalDistribution(vf x) {
  const vf t = splat(1) / fma(vabs(x), splat(0.28284271f), splat(1));
  vf p = splat(3.95107544e-02f);
  p = fma(p, t, splat(-1.32414401e-01f));
  p = fma(p, t, splat(6.89211630e-02f));
  p = fma(p, t, splat(1.03638967e-01f));
  p = fma(p, t, splat(7.00769257e-02f));
  p = fma(p, t, splat(1.97002422e-01f));
  p = fma(p, t, splat(2.01099872e-01f));
  p = fma(p, t, splat(2.26534360e-01f));
  p = fma(p, t, splat(2.25629978e-01f));
  const vf tail = exp(x * x * splat(-0.5f)) * (p * t * splat(0.5f));
  return select(x > splat(0), splat(1) - tail, tail);
}
/// x times a share of it that is 0 far below 0: 0 there, not −∞·0.
HA_INLINE vf shareOf(vf x, vf share) { return select(x < splat(-1e4f), splat(0), x * share); }
HA_INLINE vf normalDensity(vf x) { return exp(x * x * splat(-0.5f)) * splat(0.3989422804f); }
/// Φ(x) + x·φ(x)
HA_INLINE vf geluGradient(vf x) {
  return normalDistribution(x) + select(vabs(x) > splat(1e4f), splat(0), x * normalDensity(x));
}
/// The tanh form is x·σ(w), w = 2·√(2/π)·(x + 0.044715·x³).
HA_INLINE vf geluTanhShare(vf x) { return sigmoid(x * fma(x * x, splat(0.0713548163f), splat(1.5957691216f))); }
HA_INLINE vf geluTanhGradient(vf x) {
  const vf s = geluTanhShare(x), slope = fma(x * x, splat(0.2140644489f), splat(1.5957691216f));
  return s + select(vabs(x) > splat(1e4f), splat(0), x * s * (splat(1) - s) * slope);
}

void unary(Context& context, const Unary& o) {
  const vf scale = splat(o.scale), shift = splat(o.shift);
  switch (o.kind) {
    case UnaryKind::kSilu: return map(context, o, 0.3, [](vf x) HA_INLINED { return silu(x); });
    case UnaryKind::kSoftplus: return map(context, o, 0.5, [](vf x) HA_INLINED { return softplus(x); });
    case UnaryKind::kSigmoid: return map(context, o, 0.3, [](vf x) HA_INLINED { return sigmoid(x); });
    case UnaryKind::kExp: return map(context, o, 0.3, [](vf x) HA_INLINED { return exp(x); });
    case UnaryKind::kNegExp: return map(context, o, 0.3, [](vf x) HA_INLINED { return -exp(x); });
    case UnaryKind::kPositive: return map(context, o, 0.2, [](vf x) HA_INLINED { return vmax(splat(0), x); });
    case UnaryKind::kAbs: return map(context, o, 0.2, [](vf x) HA_INLINED { return vabs(x); });
    case UnaryKind::kAffine: return map(context, o, 0.2, [=](vf x) HA_INLINED { return fma(x, scale, shift); });
    case UnaryKind::kSquare: return map(context, o, 0.2, [](vf x) HA_INLINED { return x * x; });
    case UnaryKind::kLog: return map(context, o, 0.3, [](vf x) HA_INLINED { return logOfAny(x); });
    case UnaryKind::kGelu: return map(context, o, 0.5, [](vf x) HA_INLINED { return shareOf(x, normalDistribution(x)); });
    case UnaryKind::kGeluTanh: return map(context, o, 0.4, [](vf x) HA_INLINED { return shareOf(x, geluTanhShare(x)); });
    case UnaryKind::kNormalDistribution: return map(context, o, 0.5, [](vf x) HA_INLINED { return normalDistribution(x); });
  }
}

void unaryBackward(Context& context, const UnaryBackward& o) {
  const vf scale = splat(o.scale);
  switch (o.kind) {
    case UnaryKind::kSilu: return mapBackward(context, o, 0.4, [](vf x) HA_INLINED { return siluGradient(x); });
    case UnaryKind::kSoftplus:
      return mapBackward(context, o, 0.4, [](vf x) HA_INLINED { return select(x > splat(20), splat(1), sigmoid(x)); });
    case UnaryKind::kSigmoid: return mapBackward(context, o, 0.4, [](vf x) HA_INLINED { return sigmoidGradient(x); });
    case UnaryKind::kExp: return mapBackward(context, o, 0.4, [](vf x) HA_INLINED { return exp(x); });
    case UnaryKind::kNegExp: return mapBackward(context, o, 0.4, [](vf x) HA_INLINED { return -exp(x); });
    case UnaryKind::kPositive: return mapBackward(context, o, 0.3, [](vf x) HA_INLINED { return step(x); });
    case UnaryKind::kAbs: return mapBackward(context, o, 0.3, [](vf x) HA_INLINED { return sign(x); });
    case UnaryKind::kAffine: return mapBackward(context, o, 0.3, [=](vf) HA_INLINED { return scale; });
    case UnaryKind::kSquare: return mapBackward(context, o, 0.3, [](vf x) HA_INLINED { return x + x; });
    case UnaryKind::kLog: return mapBackward(context, o, 0.3, [](vf x) HA_INLINED { return splat(1) / x; });
    case UnaryKind::kGelu: return mapBackward(context, o, 0.6, [](vf x) HA_INLINED { return geluGradient(x); });
    case UnaryKind::kGeluTanh: return mapBackward(context, o, 0.5, [](vf x) HA_INLINED { return geluTanhGradient(x); });
    case UnaryKind::kNormalDistribution: return mapBackward(context, o, 0.4, [](vf x) HA_INLINED { return normalDensity(x); });
  }
}

/// `lanes` numbers of b that lie `stride` apart.
HA_INLINE vf loadSpread(const float* b, int64_t stride, int lanes) {
  vf v = {};
  for (int i = 0; i < lanes; i++) v[i] = b[i * stride];
  return v;
}

template <class F>
HA_INLINE void combineRow(int64_t columns, const float* a, const float* b, int64_t bStride, float* y, const F& f) {
  if (bStride == 1) {
    eachVector(0, columns, [&](int64_t c, int lanes) HA_INLINED {
      storePart(y + c, f(loadPart(a + c, lanes), loadPart(b + c, lanes)), lanes);
    });
  } else if (bStride == 0) {
    const vf same = splat(*b);
    eachVector(0, columns, [&](int64_t c, int lanes) HA_INLINED { storePart(y + c, f(loadPart(a + c, lanes), same), lanes); });
  } else {
    eachVector(0, columns, [&](int64_t c, int lanes) HA_INLINED {
      storePart(y + c, f(loadPart(a + c, lanes), loadSpread(b + c * bStride, bStride, lanes)), lanes);
    });
  }
}

/// y = a ∘ b: row by row, or cut into steps where b has a's shape or is one number.
template <class F>
HA_INLINE void combine(Context& context, const Binary& o, const F& f) {
  const bool oneNumber = o.bRowStride == 0 && o.bColumnStride == 0;
  const bool sameShape = (o.columns == 1 && o.bRowStride == 1) || (o.bColumnStride == 1 && o.bRowStride == o.columns);
  if (oneNumber || sameShape) {
    const int64_t count = o.rows * o.columns;
    parallelParts(context, (count + kStep - 1) / kStep, 0.3 * kStep, [&](int64_t first, int64_t last) {
      const int64_t from = first * kStep, to = minimum(last * kStep, count);
      combineRow(to - from, o.a + from, o.b + (oneNumber ? 0 : from), oneNumber ? 0 : 1, o.y + from, f);
    });
  } else {
    parallelParts(context, o.rows, 0.25 * o.columns + 2, [&](int64_t first, int64_t last) {
      for (int64_t r = first; r < last; r++)
        combineRow(o.columns, o.a + r * o.columns, o.b + r * o.bRowStride, o.bColumnStride, o.y + r * o.columns, f);
    });
  }
}

void binary(Context& context, const Binary& o) {
  if (o.rows * o.columns == 0) return;
  switch (o.kind) {
    case Binary::kAdd: return combine(context, o, [](vf a, vf b) HA_INLINED { return a + b; });
    case Binary::kSubtract: return combine(context, o, [](vf a, vf b) HA_INLINED { return a - b; });
    case Binary::kMultiply: return combine(context, o, [](vf a, vf b) HA_INLINED { return a * b; });
    case Binary::kDivide: return combine(context, o, [](vf a, vf b) HA_INLINED { return a / b; });
  }
}

}  // namespace ha::HA_ISA
