// Softmax attention of many heads: y_i = Σ_j p_ij·v_j with p_ij = exp(scale·q_i·k_j − logSumExp_i). With `causal` query i sees the
// keys up to past + i, where so many keys lie before its row's first query: keys − queries of them unless told.
//
// A row may hold several texts, one behind the other: `starts` says for each query where its text begins, and it sees no key
// before that, so that the matrix is one of blocks along the diagonal.
#pragma once
#include "../fields.h"

namespace ha {

/// Sizes that all three ops have. A row whose keys are none (a length of 0) has y = 0.
struct SoftmaxAttentionShape {
  int64_t batch, heads, queries, keys, width;
  float scale;
  bool causal;
  const int32_t* lengths;  // [batch]: keys of a row that count; all of them when absent
  In past;                 // [batch]: keys before a row's first query, whole numbers; keys − queries when absent
  const int32_t* starts;   // [batch queries]: the first key that a query sees, in order; 0 when absent
  template <class V> void shape(V& v) {
    v.size("batch", batch), v.size("heads", heads), v.size("queries", queries), v.size("keys", keys), v.size("width", width);
    v.number("scale", scale), v.flag("causal", causal), v.optional("lengths", lengths, batch);
    v.optional("past", past, batch), v.optional("starts", starts, batch * queries);
  }
  int64_t queryCount() const { return batch * queries * heads * width; }
  int64_t keyCount() const { return batch * keys * heads * width; }
  int64_t rowCount() const { return batch * heads * queries; }
};

struct SoftmaxAttention : SoftmaxAttentionShape {
  In q, k, v;     // [b lq h p], [b lk h p], [b lk h p]
  Out y;          // [b lq h p]
  Out logSumExp;  // [b h lq], what the backward and the rows start from
  template <class V> void fields(V& f) {
    shape(f);
    f.in("q", q, queryCount()), f.in("k", k, keyCount()), f.in("v", v, keyCount());
    f.out("y", y, queryCount()), f.optionalOut("logSumExp", logSumExp, rowCount());
  }
};

/// With dq and dk absent, the probabilities count as constants: dv = pᵀ·dy.
struct SoftmaxAttentionBackward : SoftmaxAttentionShape {
  In q, k, v, y, logSumExp, dy;
  Out dq, dk, dv;
  template <class V> void fields(V& f) {
    shape(f);
    f.in("q", q, queryCount()), f.in("k", k, keyCount()), f.in("v", v, keyCount()), f.in("y", y, queryCount());
    f.in("logSumExp", logSumExp, rowCount()), f.in("dy", dy, queryCount());
    f.optionalOut("dq", dq, queryCount()), f.optionalOut("dk", dk, keyCount()), f.optionalOut("dv", dv, keyCount());
  }
};

/// Rows rowStart… of the matrices p, one a head.
struct SoftmaxAttentionMatrix : SoftmaxAttentionShape {
  int64_t rowStart, rows;
  In q, k, logSumExp;
  Out out;  // [b h rows lk]
  template <class V> void fields(V& f) {
    shape(f);
    f.size("rowStart", rowStart), f.size("rows", rows), f.in("q", q, queryCount()), f.in("k", k, keyCount());
    f.in("logSumExp", logSumExp, rowCount()), f.out("out", out, batch * heads * rows * keys);
  }
};

}  // namespace ha
