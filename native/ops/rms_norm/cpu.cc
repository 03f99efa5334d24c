// RMS norm of groups of a row, with the residual and the gate that stand beside it in a block.
#include "../rows.h"

namespace ha::HA_ISA {

constexpr int kNoGate = RmsNorm::kNone, kBefore = RmsNorm::kBefore, kAfter = RmsNorm::kAfter;

/// One group of one row. `y` holds what is normalised in between.
template <int Gate>
HA_INLINE void normalise(const RmsNorm& o, int64_t row, int64_t group, int64_t width) {
  const int64_t at = row * o.width + group * width;
  const double squares = sumOver(width, [&](int64_t c, int lanes) HA_INLINED {
    vf v = loadPart(o.x + at + c, lanes);
    if (o.residual) v += loadPart(o.residual + at + c, lanes);
    if (o.residualOut) storePart(o.residualOut + at + c, v, lanes);
    if (Gate == kBefore) v *= silu(loadPart(o.z + at + c, lanes));
    storePart(o.y + at + c, v, lanes);
    return v * v;
  });
  const float scale = (float)(1 / __builtin_sqrt(squares / width + o.epsilon));
  if (o.scale) o.scale[row * o.groups + group] = scale;
  eachVector(0, width, [&](int64_t c, int lanes) HA_INLINED {
    vf v = loadPart(o.y + at + c, lanes) * splat(scale);
    if (o.weight) v *= loadPart(o.weight + group * width + c, lanes);
    if (Gate == kAfter) v *= silu(loadPart(o.z + at + c, lanes));
    storePart(o.y + at + c, v, lanes);
  });
}

template <int Gate>
HA_INLINE void normaliseRows(Context& context, const RmsNorm& o) {
  parallelParts(context, o.rows, 0.3 * o.width + 20, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; row++)
      for (int64_t group = 0; group < o.groups; group++) normalise<Gate>(o, row, group, o.width / o.groups);
  });
}

void rmsNorm(Context& context, const RmsNorm& o) {
  if (o.rows * o.width == 0) return;
  if (o.gate == kBefore && o.z) normaliseRows<kBefore>(context, o);
  else if (o.gate == kAfter && o.z) normaliseRows<kAfter>(context, o);
  else normaliseRows<kNoGate>(context, o);
}

/// With t what is normalised (x, or x·SiLU(z)), x̂ = t·scale and g the gradient of x̂·weight (dy, or dy·SiLU(z)):
///   dt = scale·(g·weight − x̂·mean(g·weight·x̂)),   dweight += g·x̂
/// and from dt (or dy) the two factors of the gate. With holdScale the mean is left out.
template <int Gate>
HA_INLINE void differentiate(const RmsNormBackward& o, int64_t row, int64_t group, int64_t width, float* dweight) {
  const int64_t at = row * o.width + group * width;
  const vf scale = splat(o.scale[row * o.groups + group]);
  const auto weighted = [&](vf v, int64_t c, int lanes) HA_INLINED {
    return o.weight ? v * loadPart(o.weight + group * width + c, lanes) : v;
  };
  const auto gate = [&](int64_t c, int lanes) HA_INLINED {
    return Gate == kNoGate ? splat(1) : silu(loadPart(o.z + at + c, lanes));
  };
  const auto hat = [&](vf gate, int64_t c, int lanes) HA_INLINED {
    const vf x = loadPart(o.x + at + c, lanes) * scale;
    return Gate == kBefore ? x * gate : x;
  };
  const auto outer = [&](vf gate, int64_t c, int lanes) HA_INLINED {
    const vf dy = loadPart(o.dy + at + c, lanes);
    return Gate == kAfter ? dy * gate : dy;
  };
  double inner = 0;
  if (!o.holdScale)
    inner = sumOver(width, [&](int64_t c, int lanes) HA_INLINED {
      const vf s = gate(c, lanes);
      return weighted(outer(s, c, lanes) * hat(s, c, lanes), c, lanes);
    });
  const vf mean = splat((float)(inner / width));
  eachVector(0, width, [&](int64_t c, int lanes) HA_INLINED {
    const vf s = gate(c, lanes), xHat = hat(s, c, lanes), g = outer(s, c, lanes);
    const vf dt = scale * (weighted(g, c, lanes) - (o.holdScale ? splat(0) : xHat * mean));
    vf dx = Gate == kBefore ? dt * s : dt;
    if (dweight) {
      float* sum = dweight + group * width + c;
      storePart(sum, fma(g, xHat, loadPart(sum, lanes)), lanes);
    }
    if (o.dz) {
      vf dz = splat(0);
      if (Gate != kNoGate) dz = siluGradient(loadPart(o.z + at + c, lanes));
      if (Gate == kBefore) dz *= dt * loadPart(o.x + at + c, lanes);
      if (Gate == kAfter) dz *= weighted(loadPart(o.dy + at + c, lanes) * xHat, c, lanes);
      storePart(o.dz + at + c, dz, lanes);
    }
    if (o.dResidualOut) dx += loadPart(o.dResidualOut + at + c, lanes);
    storePart(o.dx + at + c, dx, lanes);
  });
}

/// The weight's gradient is summed a chunk of rows, then over the chunks in order.
template <int Gate>
HA_INLINE void differentiateRows(Context& context, const RmsNormBackward& o) {
  const int64_t chunks = chunkCount(context, o.rows, 0.6 * o.width + 20);
  float* partial = o.dweight && chunks > 1 ? static_cast<float*>(context.scratch(chunks * o.width * sizeof(float))) : (float*)o.dweight;
  parallel(context, chunks, [&](int64_t chunk) {
    const Span rows = share(o.rows, chunk, chunks);
    float* dweight = partial ? partial + chunk * o.width : nullptr;
    if (dweight) memset(dweight, 0, o.width * sizeof(float));
    for (int64_t row = rows.first; row < rows.last; row++)
      for (int64_t group = 0; group < o.groups; group++) differentiate<Gate>(o, row, group, o.width / o.groups, dweight);
  });
  if (!o.dweight || chunks == 1) return;
  eachVector(0, o.width, [&](int64_t c, int lanes) HA_INLINED {
    vf total = splat(0);
    for (int64_t chunk = 0; chunk < chunks; chunk++) total += loadPart(partial + chunk * o.width + c, lanes);
    storePart(o.dweight + c, total, lanes);
  });
}

void rmsNormBackward(Context& context, const RmsNormBackward& o) {
  if (o.width == 0) return;
  if (o.gate == kBefore && o.z) differentiateRows<kBefore>(context, o);
  else if (o.gate == kAfter && o.z) differentiateRows<kAfter>(context, o);
  else differentiateRows<kNoGate>(context, o);
}

}  // namespace ha::HA_ISA
