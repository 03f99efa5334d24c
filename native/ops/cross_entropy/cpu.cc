// Softmax cross-entropy of rows of logits: log-sum-exp around the largest one, and the gradient from it.
#include "../../device/fail.h"
#include "../rows.h"

namespace ha::HA_ISA {

HA_INLINE void checkLabels(const int32_t* labels, int64_t rows, int64_t vocabulary) {
  for (int64_t r = 0; r < rows; r++)
    if (labels[r] >= vocabulary) fail(kLabelFault, labels[r], (int)r, (int)vocabulary);
}

/// The largest number of a row (a NaN may or may not show: the sum after it does show it).
HA_INLINE float largest(const float* x, int64_t count) {
  vf most[4];
  for (vf& v : most) v = splat(x[0]);
  int64_t i = 0;
  for (; i + 4 * W <= count; i += 4 * W)
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) most[j] = vmax(most[j], load(x + i + j * W));
  eachVector(i, count, [&](int64_t at, int lanes) HA_INLINED {
    most[0] = vmax(most[0], firstLanes(loadPart(x + at, lanes), lanes, splat(x[0])));
  });
  float lane[W], result = x[0];
  store(lane, vmax(vmax(most[0], most[1]), vmax(most[2], most[3])));
  for (float value : lane) result = value > result ? value : result;
  return result;
}

/// log Σ_v exp(x[v])
HA_INLINE double logSumExp(const float* x, int64_t count) {
  const float most = largest(x, count);
  const vf around = splat(most);
  const double total = sumOver(count, [&](int64_t v, int lanes) HA_INLINED { return exp(loadPart(x + v, lanes) - around); });
  return most + __builtin_log(total);
}

void crossEntropy(Context& context, const CrossEntropy& o) {
  checkLabels(o.labels, o.rows, o.vocabulary);
  if (o.vocabulary == 0) return;
  parallelParts(context, o.rows, 0.4 * o.vocabulary + 50, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; r++) {
      const bool ignored = o.labels[r] < 0;
      if (ignored) o.loss[r] = 0;
      if (ignored && !o.logSumExp) continue;
      const float* logits = o.logits + r * o.vocabulary;
      const double total = logSumExp(logits, o.vocabulary);
      if (o.logSumExp) o.logSumExp[r] = (float)total;
      if (!ignored) o.loss[r] = (float)(total - logits[o.labels[r]]);
    }
  });
}

void crossEntropyBackward(Context& context, const CrossEntropyBackward& o) {
  checkLabels(o.labels, o.rows, o.vocabulary);
  parallelParts(context, o.rows, 0.4 * o.vocabulary + 10, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; r++) {
      const float* logits = o.logits + r * o.vocabulary;
      float* dlogits = o.dlogits + r * o.vocabulary;
      if (o.labels[r] < 0) {
        memset(dlogits, 0, o.vocabulary * sizeof(float));
        continue;
      }
      const vf total = splat(o.logSumExp[r]), dloss = splat(o.dloss[r]);
      eachVector(0, o.vocabulary, [&](int64_t v, int lanes) HA_INLINED {
        storePart(dlogits + v, dloss * exp(loadPart(logits + v, lanes) - total), lanes);
      });
      dlogits[o.labels[r]] -= o.dloss[r];
    }
  });
}

}  // namespace ha::HA_ISA
