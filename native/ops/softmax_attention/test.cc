// Softmax attention against its definition in double precision: values, rows, and gradients by the chain rule.
#include <cmath>
#include "../../test/check.h"

namespace {
using namespace ha;

struct Case {
  int64_t batch, heads, queries, keys, width;
  bool causal, ragged, past = false, texts = false;
};

/// Everything about one case in doubles.
struct Reference {
  Doubles y, p, dq, dk, dv;
  Reference(const SoftmaxAttentionShape& o, const Floats& q, const Floats& k, const Floats& v, const Floats& dy)
      : y(q.size()), p(o.rowCount() * o.keys), dq(q.size()), dk(k.size()), dv(k.size()) {
    for (int64_t b = 0; b < o.batch; b++)
      for (int64_t h = 0; h < o.heads; h++)
        for (int64_t i = 0; i < o.queries; i++) {
          const auto query = [&](int64_t c) { return ((b * o.queries + i) * o.heads + h) * o.width + c; };
          const auto key = [&](int64_t j, int64_t c) { return ((b * o.keys + j) * o.heads + h) * o.width + c; };
          const int64_t length = o.lengths ? o.lengths[b] : o.keys;
          Doubles score(o.keys), dp(o.keys);
          double total = 0, along = 0;
          const auto seen = [&](int64_t j) { return j < length && (!o.starts || j >= o.starts[b * o.queries + i]) && (!o.causal || j <= i + (o.past.data ? (int64_t)o.past[b] : o.keys - o.queries)); };
          for (int64_t j = 0; j < o.keys; j++) {
            for (int64_t c = 0; c < o.width; c++) score[j] += (double)q[query(c)] * k[key(j, c)];
            if (seen(j)) total += std::exp(o.scale * score[j]);
          }
          double* row = &p[((b * o.heads + h) * o.queries + i) * o.keys];
          for (int64_t j = 0; j < o.keys; j++) {
            if (!seen(j)) continue;
            row[j] = std::exp(o.scale * score[j]) / total;
            for (int64_t c = 0; c < o.width; c++) {
              y[query(c)] += row[j] * v[key(j, c)];
              dv[key(j, c)] += row[j] * dy[query(c)];
              dp[j] += (double)dy[query(c)] * v[key(j, c)];
            }
            along += row[j] * dp[j];
          }
          for (int64_t j = 0; j < o.keys; j++)
            for (int64_t c = 0; c < o.width; c++) {
              const double ds = row[j] * (dp[j] - along) * o.scale;
              dq[query(c)] += ds * k[key(j, c)];
              dk[key(j, c)] += ds * q[query(c)];
            }
        }
  }
};

TEST(softmaxAttention) {
  const Case cases[] = {{1, 1, 1, 1, 1, true, false},  {2, 3, 5, 5, 8, true, false},   {1, 2, 7, 7, 20, false, false}, {2, 2, 9, 9, 16, false, true},
                        {1, 2, 3, 40, 33, true, false}, {3, 1, 1, 17, 64, true, true}, {1, 1, 35, 35, 80, true, false}, {1, 2, 6, 6, 256, false, false},
                        {3, 2, 4, 12, 16, true, false, true}, {2, 2, 40, 40, 20, true, false, false, true}, {2, 1, 37, 37, 33, false, true, false, true}};
  Context& alone = *check.alone;
  for (const Case& one : cases) {
    if (check.played && one.width == 256) continue;
    check.label = std::to_string(one.batch) + "x" + std::to_string(one.heads) + "x" + std::to_string(one.queries) + "x" + std::to_string(one.keys) + "x" +
                  std::to_string(one.width) + (one.causal ? " causal" : "") + (one.ragged ? " ragged" : "") + (one.past ? " past" : "") + (one.texts ? " texts" : "");
    std::vector<int32_t> lengths(static_cast<size_t>(one.batch));
    for (size_t b = 0; b < lengths.size(); b++) lengths[b] = static_cast<int32_t>(b == 1 ? one.keys / 2 : one.keys);
    SoftmaxAttentionShape shape{one.batch, one.heads, one.queries, one.keys, one.width, 1.5f / std::sqrt((float)one.width), one.causal, one.ragged ? lengths.data() : nullptr, {}, nullptr};
    std::vector<int32_t> starts;  // several texts a row
    for (int64_t b = 0; one.texts && b < one.batch; b++)
      for (int64_t i = 0, start = 0; i < one.queries; i++) starts.push_back((int32_t)(start = check.random() % 7 ? start : i));
    if (one.texts) shape.starts = starts.data();
    const Floats past = {8, 0, 3};
    if (one.past) shape.past = past.data();
    const Floats q = check.normal(shape.queryCount()), k = check.normal(shape.keyCount()), v = check.normal(shape.keyCount()), dy = check.normal(shape.queryCount());
    const Reference want(shape, q, k, v, dy);

    Floats y(q.size(), 9), log(shape.rowCount(), 9), again(q.size());
    SoftmaxAttention forward{shape, q.data(), k.data(), v.data(), y.data(), log.data()};
    check.op.softmaxAttention(check.context, forward);
    check.close("y", y, want.y, 2e-6);
    forward.y = again.data();
    check.op.softmaxAttention(alone, forward);
    check.equal("y on one thread", again, y);

    Floats rows(one.batch * one.heads * one.queries * one.keys, 9);
    check.op.softmaxAttentionMatrix(check.context, {shape, 0, one.queries, q.data(), k.data(), log.data(), rows.data()});
    check.close("rows", rows, want.p, 2e-6);
    const int64_t start = one.queries / 2, some = one.queries - start;
    Floats part(one.batch * one.heads * some * one.keys, 9);
    check.op.softmaxAttentionMatrix(check.context, {shape, start, some, q.data(), k.data(), log.data(), part.data()});
    bool same = true;
    for (int64_t n = 0; n < one.batch * one.heads; n++)
      for (int64_t i = 0; i < some * one.keys; i++)
        same &= std::fabs(part[n * some * one.keys + i] - rows[(n * one.queries + start) * one.keys + i]) < 1e-6f;
    check.that("some rows", same);

    Floats dq(q.size(), 9), dk(k.size(), 9), dv(k.size(), 9), held(k.size(), 9);
    SoftmaxAttentionBackward backward{shape, q.data(), k.data(), v.data(), y.data(), log.data(), dy.data(), dq.data(), dk.data(), dv.data()};
    check.op.softmaxAttentionBackward(check.context, backward);
    check.close("dq", dq, want.dq, 4e-6, 0.1);
    check.close("dk", dk, want.dk, 4e-6, 0.1);
    check.close("dv", dv, want.dv, 4e-6, 0.1);
    backward.dq = Out{}, backward.dk = Out{}, backward.dv = held.data();
    check.op.softmaxAttentionBackward(check.context, backward);
    check.close("dv with the probabilities held", held, want.dv, 4e-6, 0.1);
  }
}

}  // namespace
