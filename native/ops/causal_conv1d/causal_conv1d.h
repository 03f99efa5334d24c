// Depthwise causal convolution over positions: y_i[d] = Σ_k weight[d,k]·x_{i−(K−1)+k}[d] + bias[d]; the last tap multiplies
// the current position. `initial` holds the K−1 inputs before the first one, oldest first (zero when absent). With `silu`,
// y_i = SiLU of that sum. The backward then computes the sums again, a few positions at a time, so that nothing but x is kept for it.
//
// A row may hold several texts, one behind the other: `starts` says for each position where its text begins, and inputs before
// that count as zero (the first text, which begins at 0, goes on from `initial`), so that each text gets what it gets alone.
#pragma once
#include "../fields.h"

namespace ha {

struct CausalConv1d {
  int64_t batch, length, channels, width;
  bool silu;
  In x;                    // [b l d]
  In weight;               // [d k]
  In bias;                 // [d]
  In initial;              // [b d k−1]
  const int32_t* lengths;  // [b]
  const int32_t* starts;   // [b l], one text a row when absent
  Out y;                   // [b l d], zero past a row's length
  Out final;               // [b d k−1], the last K−1 inputs of each row's last text, `initial` included; may be initial's own memory
  template <class V> void fields(V& v) {
    v.size("batch", batch), v.size("length", length), v.size("channels", channels), v.size("width", width);
    v.flag("silu", silu);
    const int64_t bld = batch * length * channels, carried = batch * channels * (width - 1);
    v.in("x", x, bld), v.in("weight", weight, channels * width), v.optional("bias", bias, channels);
    v.optional("initial", initial, carried), v.optional("lengths", lengths, batch);
    v.optional("starts", starts, batch * length);
    v.out("y", y, bld), v.optionalOut("final", final, carried);
  }
};

struct CausalConv1dBackward {
  int64_t batch, length, channels, width;
  bool silu;
  In x, weight;            // as in the forward, as are bias and initial; without silu, x and initial are read for dweight only
  In bias;                 // [d], read with silu only
  In initial;              // [b d k−1]
  const int32_t* lengths;  // [b]
  const int32_t* starts;   // [b l]
  In dy;                   // [b l d]
  In dFinal;               // [b d k−1]
  Out dx, dweight, dbias;  // [b l d], [d k], [d]
  Out dInitial;            // [b d k−1]
  template <class V> void fields(V& v) {
    v.size("batch", batch), v.size("length", length), v.size("channels", channels), v.size("width", width);
    v.flag("silu", silu);
    const int64_t bld = batch * length * channels, carried = batch * channels * (width - 1);
    silu ? v.in("x", x, bld) : v.optional("x", x, bld);
    v.in("weight", weight, channels * width), v.optional("bias", bias, channels), v.optional("initial", initial, carried);
    v.optional("lengths", lengths, batch), v.optional("starts", starts, batch * length), v.in("dy", dy, bld);
    v.optional("dFinal", dFinal, carried);
    v.optionalOut("dx", dx, bld), v.optionalOut("dweight", dweight, channels * width);
    v.optionalOut("dbias", dbias, channels), v.optionalOut("dInitial", dInitial, carried);
  }
};

}  // namespace ha
