// loss[r] = log Σ_v exp(logits[r,v]) − logits[r, labels[r]]; rows whose label is negative (−100 by habit) are ignored: loss 0.
#pragma once
#include "../fields.h"

namespace ha {

/// The mistake in a row's label: the label, the row, the vocabulary.
constexpr char kLabelFault[] = "crossEntropy: label %d at row %d is not below the vocabulary %d";

struct CrossEntropy {
  int64_t rows, vocabulary;
  In logits;              // [rows vocabulary]
  const int32_t* labels;  // [rows]
  Out loss;               // [rows]
  Out logSumExp;          // [rows], input of the backward
  template <class V> void fields(V& v) {
    v.size("rows", rows), v.size("vocabulary", vocabulary), v.in("logits", logits, rows * vocabulary), v.in("labels", labels, rows);
    v.out("loss", loss, rows), v.optionalOut("logSumExp", logSumExp, rows);
  }
};

/// dlogits[r,v] = dloss[r]·(softmax(logits[r])[v] − [v = labels[r]]), zero in ignored rows.
struct CrossEntropyBackward {
  int64_t rows, vocabulary;
  In logits, logSumExp, dloss;  // [rows vocabulary], [rows], [rows]
  const int32_t* labels;
  Out dlogits;  // [rows vocabulary]
  template <class V> void fields(V& v) {
    v.size("rows", rows), v.size("vocabulary", vocabulary), v.in("logits", logits, rows * vocabulary);
    v.in("logSumExp", logSumExp, rows), v.in("dloss", dloss, rows), v.in("labels", labels, rows);
    v.out("dlogits", dlogits, rows * vocabulary);
  }
};

}  // namespace ha
