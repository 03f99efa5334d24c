// Weights of 8 bits: groups of 32 numbers along a row, each a whole number q in −127…127 (−128 in some files) times its group's
// scale. This is how GGUF's Q8_0 has them, with the scale in f32.
#pragma once
#include "../fields.h"

namespace ha {

constexpr int64_t kGroup = 32;

/// c = a·(q·scale)ᵀ + bias: a linear layer. Products of f32 are added up in f32, in one order for m up to 8 and one above.
/// `rounded`: a is rounded to 8 bits as well, by QuantizeInt8 (weights and activations in int8, "W8A8"). Then
/// c = Σ over groups scaleA·scaleW·(Σ qA·qW) + bias, the inner sum exact, in whole numbers, the outer one in f32. A group of a with a
/// number that is NaN or infinite makes its row of c NaN.
struct MatmulInt8 {
  int64_t m, n, k;  // k: a multiple of kGroup
  In a;             // [m k]
  const int8_t* q;  // [n k]
  In scales;        // [n k/32]
  In bias;          // [n], added to every row
  Out c;            // [m n]
  bool rounded = false;
  int64_t firstRow = 0;  // where q and scales begin in their memory: some rows of a weight
  template <class V> void fields(V& v) {
    v.size("m", m), v.size("n", n), v.size("k", k), v.size("firstRow", firstRow), v.flag("rounded", rounded);
    v.in("a", a, m * k), v.in("q", q, (firstRow + n) * k), v.in("scales", scales, (firstRow + n) * (k / kGroup)), v.optional("bias", bias, n), v.out("c", c, m * n);
  }
};

/// The same call with the weight where it begins.
inline MatmulInt8 placed(MatmulInt8 o) {
  o.q += o.firstRow * o.k;
  o.scales.data = static_cast<const char*>(o.scales.data) + o.firstRow * (o.k / kGroup) * bytesOf(o.scales.dtype);
  o.firstRow = 0;
  return o;
}

/// y[i] = q·scale of row ids[i]; of row i where there are no ids: then count is at most the vocabulary.
struct EmbeddingInt8 {
  int64_t count, vocabulary, width;  // width: a multiple of kGroup
  const int32_t* ids;                // [count]
  const int8_t* q;                   // [vocabulary width]
  In scales;                         // [vocabulary width/32]
  Out y;                             // [count width]
  template <class V> void fields(V& v) {
    v.size("count", count), v.size("vocabulary", vocabulary), v.size("width", width), v.optional("ids", ids, count);
    v.in("q", q, vocabulary * width), v.in("scales", scales, vocabulary * (width / kGroup)), v.out("y", y, count * width);
  }
};

/// scale = max|x|/127 of each group, q = x/scale rounded to the nearest, halves away from zero. A group with a number that is NaN or
/// infinite is NaN altogether: its scale is. One of zeros, or of numbers too small for a scale, is zeros.
struct QuantizeInt8 {
  int64_t count;  // a multiple of kGroup
  In x;           // [count]
  int8_t* q;      // [count]
  Out scales;     // [count/32]
  template <class V> void fields(V& v) {
    v.size("count", count), v.in("x", x, count), v.out("q", q, count), v.out("scales", scales, count / kGroup);
  }
};

}  // namespace ha
