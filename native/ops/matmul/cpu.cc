// The matrix product: in tiles, or as dot products where one factor has few rows. A weight in bf16 is read as it is, either way.
#include "dots.h"
#include "tiles.h"

namespace ha::HA_ISA {

constexpr int64_t kDots = W == 16 ? 64 : 128;  // rows of the smaller factor, up to which dot products win

static void multiplyByDots(Context& context, const Matmul& o) {
  if (o.b.dtype == DType::bf16) {
    float* held = static_cast<float*>(context.scratch(o.m * o.k * sizeof(float)));
    for (int64_t i = 0; i < o.m; i++) separate(o.a + i * o.k, o.k, held + i * o.k);
    multiplyDots<bf16>(context, {o.k, (const bf16*)o.b.data, held, o.c, 1, o.n, o.bias, nullptr, o.accumulate}, o.n, o.m);
  } else if (o.n >= o.m) multiplyDots<float>(context, {o.k, o.b, o.a, o.c, 1, o.n, o.bias, nullptr, o.accumulate}, o.n, o.m);
  else multiplyDots<float>(context, {o.k, o.a, o.b, o.c, o.n, 1, nullptr, o.bias, o.accumulate}, o.m, o.n);
}

/// a and b in bf16, two numbers of k in a lane: two to a multiplication. Of a [m k] and b [n k] with k even.
static void multiplyPairs(Context& context, Matmul o) {
#if defined(__AVX512F__)
  o.k /= 2, o.a.dtype = DType::f32;
  multiplyInTiles<Bf16Pairs>(context, o, Numbers<float>{(const float*)o.b.data, o.k});
#endif
}

void matmul(Context& context, const Matmul& call) {
  if (call.m * call.n == 0) return;
  if (call.a.dtype == DType::bf16) return multiplyPairs(context, call);
  Matmul o = call;
  if (o.m == 1) o.transposeA = false;  // [k 1] and [1 k] lie alike
  if (o.n == 1) o.transposeB = true;
  // a dot product ends with a sum over lanes, which takes some length to pay for
  const int64_t few = minimum(o.m, o.n), pitch = o.transposeB ? o.k : o.n;
  const bool narrow = o.b.dtype == DType::bf16, dots = few == 1 || (few <= kDots && 8 * few <= o.k);
  if (o.transposeB && !o.transposeA && (narrow ? readsNarrowWeight(o) : dots)) return multiplyByDots(context, o);
  if (narrow) multiplyInTiles(context, o, Numbers<bf16>{(const bf16*)o.b.data, pitch});
  else multiplyInTiles(context, o, Numbers<float>{o.b, pitch});
}

}  // namespace ha::HA_ISA
