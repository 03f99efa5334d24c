// Plain loops: the compiler has vector conversions for them where the processor has.
#include "../rows.h"

namespace ha::HA_ISA {

#if defined(__aarch64__)
typedef __fp16 f16;  // GCC 12 has no _Float16 here
#else
typedef _Float16 f16;
#endif

HA_INLINE float widen(uint16_t bits) { return __builtin_bit_cast(float, (uint32_t)bits << 16); }
HA_INLINE float widen(const f16& x) { return x; }
HA_INLINE float widen(float x) { return x; }
HA_INLINE void narrow(float x, uint16_t& y) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, x);
  y = (bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
HA_INLINE void narrow(float x, f16& y) { y = (f16)x; }
HA_INLINE void narrow(float x, float& y) { y = x; }

template <class X, class Y> void convert(Context& context, int64_t count, const void* from, void* to) {
  const X* x = static_cast<const X*>(from);
  Y* y = static_cast<Y*>(to);
  parallelParts(context, count, 0.3, [=](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i++) narrow(widen(x[i]), y[i]);
  });
}

template <class X> void from(Context& context, const Cast& o) {
  if (o.y.dtype == DType::bf16) convert<X, uint16_t>(context, o.count, o.x.data, o.y.data);
  else if (o.y.dtype == DType::f16) convert<X, f16>(context, o.count, o.x.data, o.y.data);
  else convert<X, float>(context, o.count, o.x.data, o.y.data);
}

void cast(Context& context, const Cast& o) {
  if (o.x.dtype == DType::bf16) from<uint16_t>(context, o);
  else if (o.x.dtype == DType::f16) from<f16>(context, o);
  else from<float>(context, o);
}

}  // namespace ha::HA_ISA
