// Scores of a few queries at a time against keys that were packed with positions side by side; then sums of rows of v.
#include "../rows.h"

namespace ha::HA_ISA {
namespace {

constexpr int kQueries = 4;

/// One head of one row of the batch.
struct Head {
  const SoftmaxAttentionShape& o;
  int64_t b, h;
  HA_INLINED inline Head(const SoftmaxAttentionShape& o, int64_t index) : o(o), b(index / o.heads), h(index % o.heads) {}
  HA_INLINED inline int64_t stride() const { return o.heads * o.width; }
  HA_INLINED inline int64_t query(int64_t i) const { return (b * o.queries + i) * stride() + h * o.width; }
  HA_INLINED inline int64_t key(int64_t j) const { return (b * o.keys + j) * stride() + h * o.width; }
  HA_INLINED inline int64_t row(int64_t i) const { return (b * o.heads + h) * o.queries + i; }
  /// The first key that query i sees.
  HA_INLINED inline int64_t from(int64_t i) const { return o.starts ? minimum(maximum(0, o.starts[b * o.queries + i]), o.keys) : 0; }
  /// The key behind the last one that query i sees.
  HA_INLINED inline int64_t seen(int64_t i) const {
    const int64_t length = o.lengths ? minimum(o.lengths[b], o.keys) : o.keys;
    const int64_t past = o.past.data ? (int64_t)o.past[b] : o.keys - o.queries;
    return maximum(0, o.causal ? minimum(length, past + i + 1) : length);
  }
};

HA_INLINE int64_t padded(int64_t keys) { return (keys + 2 * W - 1) / (2 * W) * (2 * W); }

/// x (b l h p) of every head as [p][padded l], zeros behind.
float* packed(Context& context, const SoftmaxAttentionShape& o, const float* x) {
  const int64_t length = padded(o.keys), heads = o.batch * o.heads;
  float* all = (float*)context.scratch(heads * o.width * length * sizeof(float));
  parallelParts(context, heads, 1.0 * o.width * length, [&](int64_t first, int64_t last) {
    for (int64_t n = first; n < last; n++) {
      const Head head(o, n);
      float* to = all + n * o.width * length;
      for (int64_t j = 0; j < length; j++)
        for (int64_t c = 0; c < o.width; c++) to[c * length + j] = j < o.keys ? x[head.key(j) + c] : 0;
    }
  });
  return all;
}

/// scores[q][j] = factor·q_q·k_j for from ≤ j < count (and somewhat more on either side), for kQueries queries at these addresses.
HA_INLINE void scoresOf(const float* const (&q)[kQueries], const float* keys, int64_t width, int64_t length, int64_t from, int64_t count, float factor, float* scores) {
  for (int64_t j = from / (2 * W) * (2 * W); j < count; j += 2 * W) {
    vf sums[kQueries][2] = {};
    for (int64_t c = 0; c < width; c++) {
      const vf k0 = load(keys + c * length + j), k1 = load(keys + c * length + j + W);
#pragma GCC unroll 4
      for (int n = 0; n < kQueries; n++) {
        const vf value = splat(q[n][c]);
        sums[n][0] = fma(value, k0, sums[n][0]);
        sums[n][1] = fma(value, k1, sums[n][1]);
      }
    }
    for (int n = 0; n < kQueries; n++) {
      store(scores + n * length + j, sums[n][0] * splat(factor));
      store(scores + n * length + j + W, sums[n][1] * splat(factor));
    }
  }
}

/// to[n][c] = Σ_j weights[n][j]·rows_j[c] over from ≤ j < count, rows `stride` apart.
HA_INLINE void weighted(const float* weights, int64_t length, int64_t from, int64_t count, const float* rows, int64_t stride, int64_t width, float* const (&to)[kQueries], int queries) {
  eachVector(0, width, [&](int64_t c, int lanes) HA_INLINED {
    vf sums[kQueries] = {};
    for (int64_t j = from; j < count; j++) {
      const vf x = loadPart(rows + j * stride + c, lanes);
#pragma GCC unroll 4
      for (int n = 0; n < kQueries; n++) sums[n] = fma(splat(weights[n * length + j]), x, sums[n]);
    }
    for (int n = 0; n < queries; n++) storePart(to[n] + c, sums[n], lanes);
  });
}

/// Scores become exp(score − log Σ exp), zero from `begin` to `from` and from `seen` to `until`; gives log Σ exp, +∞ where nothing is seen.
HA_INLINE float normalized(float* scores, int64_t begin, int64_t from, int64_t seen, int64_t until) {
  float most = -__builtin_inff();
  for (int64_t j = from; j < seen; j++) most = scores[j] > most ? scores[j] : most;
  const vf around = splat(most);
  double total = 0;
  if (seen > from) total = sumOver(seen - from, [&](int64_t j, int lanes) HA_INLINED { return exp(loadPart(scores + from + j, lanes) - around); });
  const float logSumExp = seen > from ? (float)(most + __builtin_log(total)) : __builtin_inff();
  eachVector(from, seen, [&](int64_t j, int lanes) HA_INLINED {
    storePart(scores + j, exp(loadPart(scores + j, lanes) - splat(logSumExp)), lanes);
  });
  for (int64_t j = begin; j < from; j++) scores[j] = 0;
  for (int64_t j = seen; j < until; j++) scores[j] = 0;
  return logSumExp;
}

/// body(head, first query, queries, scratch of `floats`) for blocks of kQueries queries, on the device's threads.
template <class F> HA_INLINE void eachBlock(Context& context, const SoftmaxAttentionShape& o, int64_t from, int64_t rows, int64_t floats, double nanoseconds, const F& body) {
  const int64_t blocks = (rows + kQueries - 1) / kQueries, items = o.batch * o.heads * blocks;
  const int64_t chunks = chunkCount(context, items, nanoseconds);
  float* scratch = (float*)context.scratch(chunks * floats * sizeof(float) + 64);
  parallel(context, chunks, [&](int64_t chunk) {
    const Span part = share(items, chunk, chunks);
    for (int64_t item = part.first; item < part.last; item++) {
      const int64_t first = from + item % blocks * kQueries;
      body(item / blocks, first, (int)minimum(kQueries, from + rows - first), scratch + chunk * floats);
    }
  });
}

}  // namespace

void softmaxAttention(Context& context, const SoftmaxAttention& o) {
  if (o.rowCount() == 0 || o.width == 0) return;
  const int64_t length = padded(o.keys);
  const float* keys = packed(context, o, o.k);
  eachBlock(context, o, 0, o.queries, kQueries * length, 0.3 * o.keys * o.width, [&](int64_t n, int64_t first, int queries, float* scores) {
    const Head head(o, n);
    const float* q[kQueries];
    float* y[kQueries];
    for (int i = 0; i < kQueries; i++) {
      const int64_t at = head.query(first + minimum(i, queries - 1));
      q[i] = o.q + at, y[i] = o.y + at;
    }
    const int64_t begin = head.from(first), until = head.seen(first + queries - 1);
    scoresOf(q, keys + n * o.width * length, o.width, length, begin, until, o.scale, scores);
    for (int i = 0; i < queries; i++) {
      const float logSumExp = normalized(scores + i * length, begin, head.from(first + i), head.seen(first + i), until);
      if (o.logSumExp) o.logSumExp[head.row(first + i)] = logSumExp;
    }
    for (int i = queries; i < kQueries; i++) memset(scores + i * length + begin, 0, maximum(0, until - begin) * sizeof(float));
    weighted(scores, length, begin, until, o.v + head.key(0), head.stride(), o.width, y, queries);
  });
}

void softmaxAttentionMatrix(Context& context, const SoftmaxAttentionMatrix& o) {
  if (o.batch * o.heads * o.rows * o.keys == 0) return;
  const int64_t length = padded(o.keys);
  const float* keys = packed(context, o, o.k);
  eachBlock(context, o, o.rowStart, o.rows, kQueries * length, 0.2 * o.keys * o.width, [&](int64_t n, int64_t first, int queries, float* scores) {
    const Head head(o, n);
    const float* q[kQueries];
    for (int i = 0; i < kQueries; i++) q[i] = o.q + head.query(first + minimum(i, queries - 1));
    scoresOf(q, keys + n * o.width * length, o.width, length, head.from(first), head.seen(first + queries - 1), o.scale, scores);
    for (int i = 0; i < queries; i++) {
      float* to = o.out + (n * o.rows + first - o.rowStart + i) * o.keys;
      const int64_t from = head.from(first + i), seen = maximum(from, head.seen(first + i));
      const vf around = splat(o.logSumExp[head.row(first + i)]);
      memset(to, 0, from * sizeof(float));
      eachVector(from, seen, [&](int64_t j, int lanes) HA_INLINED {
        storePart(to + j, exp(loadPart(scores + i * length + j, lanes) - around), lanes);
      });
      memset(to + seen, 0, (o.keys - seen) * sizeof(float));
    }
  });
}

void softmaxAttentionBackward(Context& context, const SoftmaxAttentionBackward& o) {
  const int64_t heads = o.batch * o.heads, length = padded(o.keys);
  if (heads == 0 || o.width == 0) return;
  const float *keys = packed(context, o, o.k), *values = o.dq || o.dk ? packed(context, o, o.v) : nullptr;
  const int64_t chunks = chunkCount(context, heads, 1.0 * o.queries * o.keys * o.width);
  float* scratch = (float*)context.scratch(chunks * 2 * kQueries * length * sizeof(float));
  parallel(context, chunks, [&](int64_t chunk) {
    const Span part = share(heads, chunk, chunks);
    float *p = scratch + chunk * 2 * kQueries * length, *dp = p + kQueries * length;
    for (int64_t n = part.first; n < part.last; n++) {
      const Head head(o, n);
      const int64_t stride = head.stride();
      for (int64_t j = 0; j < o.keys; j++) {
        if (o.dk) memset(o.dk + head.key(j), 0, o.width * sizeof(float));
        if (o.dv) memset(o.dv + head.key(j), 0, o.width * sizeof(float));
      }
      for (int64_t first = 0; first < o.queries; first += kQueries) {
        const int queries = (int)minimum(kQueries, o.queries - first);
        const float *q[kQueries], *dy[kQueries];
        float* dq[kQueries];
        for (int i = 0; i < kQueries; i++) {
          const int64_t at = head.query(first + minimum(i, queries - 1));
          q[i] = o.q + at, dy[i] = o.dy + at, dq[i] = o.dq + at;
        }
        const int64_t begin = head.from(first), until = head.seen(first + queries - 1);
        scoresOf(q, keys + n * o.width * length, o.width, length, begin, until, o.scale, p);
        if (values) scoresOf(dy, values + n * o.width * length, o.width, length, begin, until, 1, dp);
        for (int i = 0; i < kQueries; i++) {
          const int64_t from = i < queries ? head.from(first + i) : begin, seen = i < queries ? maximum(from, head.seen(first + i)) : begin;
          const float logSumExp = seen > from ? o.logSumExp[head.row(first + i)] : 0;
          const float* y = o.y + head.query(first + minimum(i, queries - 1));
          const float own = (float)sumOver(o.width, [&](int64_t c, int lanes) HA_INLINED { return loadPart(dy[i] + c, lanes) * loadPart(y + c, lanes); });
          float *pi = p + i * length, *dpi = dp + i * length;
          eachVector(from, seen, [&](int64_t j, int lanes) HA_INLINED {
            const vf probability = exp(loadPart(pi + j, lanes) - splat(logSumExp));
            storePart(pi + j, probability, lanes);
            if (values) storePart(dpi + j, probability * (loadPart(dpi + j, lanes) - splat(own)) * splat(o.scale), lanes);
          });
          for (int64_t j = begin; j < from; j++) pi[j] = dpi[j] = 0;
          for (int64_t j = seen; j < until; j++) pi[j] = dpi[j] = 0;
        }
        if (o.dq) weighted(dp, length, begin, until, o.k + head.key(0), stride, o.width, dq, queries);
        for (int64_t j = begin; j < until; j++) {
          float *dk = o.dk + head.key(j), *dv = o.dv + head.key(j);
          eachVector(0, o.width, [&](int64_t c, int lanes) HA_INLINED {
            vf k = o.dk ? loadPart(dk + c, lanes) : splat(0), v = o.dv ? loadPart(dv + c, lanes) : splat(0);
            for (int i = 0; i < queries; i++) {
              if (o.dk) k = fma(splat(dp[i * length + j]), loadPart(q[i] + c, lanes), k);
              if (o.dv) v = fma(splat(p[i * length + j]), loadPart(dy[i] + c, lanes), v);
            }
            if (o.dk) storePart(dk + c, k, lanes);
            if (o.dv) storePart(dv + c, v, lanes);
          });
        }
      }
    }
  });
}

}  // namespace ha::HA_ISA
