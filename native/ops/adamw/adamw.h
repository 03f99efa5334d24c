// One AdamW step with decoupled weight decay, in place, of all the tensors given:
//   g = gradientScale·gradient;  m ← β1·m + (1−β1)·g;  v ← β2·v + (1−β2)·g²
//   p ← p − learningRate·(m/correction1 / (sqrt(v/correction2) + epsilon) + decay·p),   correctionK = 1 − βK^step
#pragma once
#include "../fields.h"

namespace ha {

struct Adamw {
  struct Item {
    int64_t count;
    float decay;
    In gradient;
    Out parameter, m, v;
    template <class V> void fields(V& f) {
      f.size("count", count), f.number("decay", decay), f.in("gradient", gradient, count);
      f.update("parameter", parameter, count), f.update("m", m, count), f.update("v", v, count);
    }
  };
  float learningRate, beta1, beta2, epsilon, correction1, correction2, gradientScale;
  std::vector<Item> tensors;
  template <class V> void fields(V& f) {
    f.number("learningRate", learningRate), f.number("beta1", beta1), f.number("beta2", beta2), f.number("epsilon", epsilon);
    f.number("correction1", correction1), f.number("correction2", correction2), f.number("gradientScale", gradientScale);
    f.list("tensors", tensors);
  }
};

}  // namespace ha
