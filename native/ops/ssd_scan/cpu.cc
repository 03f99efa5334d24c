// The scan in chunks and its transposed: products of small matrices in the tiles of the matrix product. A part's heads go through
// the chunks together, so that C·Bᵀ of a chunk is made once for all of them, and their states stay in the cache.
#include "parts.h"

namespace ha::HA_ISA {
namespace {

constexpr int64_t kFewPositions = 4;  // up to which the recurrence is walked position by position

/// What a part works with: the states [heads][n][P], and of one chunk the rest.
struct Workspace {
  float* states;
  float *turned, *scores;  // [n][Q]: B or C with the positions side by side; [Q][Q]: C·Bᵀ, or its transpose
  float *weights;          // [Q][Q]: of one head, the scores times the decays
  float *values, *kept;    // [Q][P]: x (or g) of one head, and times what is left of it after (before) the chunk
  static int64_t floats(const SsdShape& s, int64_t heads) {
    return heads * s.state * padded(s.width) + s.state * Q + 2 * Q * Q + 2 * Q * padded(s.width);
  }
  Workspace(float* memory, const SsdShape& s, int64_t heads) {
    states = memory, turned = states + heads * s.state * padded(s.width), scores = turned + s.state * Q;
    weights = scores + Q * Q, values = weights + Q * Q, kept = values + Q * padded(s.width);
  }
};

/// Position by position, on states as they lie in memory: what one step of generation is.
void stepPart(const SsdScan& s, const SsdPart& part) {
  const int64_t N = s.state, p = s.width, H = s.heads;
  for (int64_t head = part.first; head < part.end; head++) {
    const int64_t own = (part.row * H + head) * p * N;
    const float skip = s.D ? s.D[head] : 0;
    for (int64_t i = 0; i < part.length; i++) {
      const int64_t position = part.row * s.length + i, at = (position * H + head) * p;
      const float delta = s.delta[position * H + head];
      const bool begins = part.starts && i > 0 && part.starts[i] == i;
      const vf decay = begins ? splat(0) : exp2Flushed(splat(delta * s.A[head] * kLog2e));
      const float *B = s.B + (position * s.groups + part.group) * N, *C = s.C + (position * s.groups + part.group) * N;
      const float* before = i == 0 || !s.finalState ? s.initialState : s.finalState;
      for (int64_t c = 0; c < p; c += W) {
        alignas(64) float products[W * W] = {};
        const int lanes = (int)minimum(W, p - c);
        for (int k = 0; k < lanes; k++) {
          const float* from = before ? before + own + (c + k) * N : nullptr;
          float* to = s.finalState ? s.finalState + own + (c + k) * N : nullptr;
          const vf input = splat(delta * s.x[at + c + k]);
          vf product = splat(0);
          eachVector(0, N, [&](int64_t n, int states) HA_INLINED {
            const vf old = from ? loadPart(from + n, states) : splat(0);
            const vf now = fma(decay, old, input * loadPart(B + n, states));
            if (to) storePart(to + n, now, states);
            product = fma(now, loadPart(C + n, states), product);
          });
          store(products + k * W, product);
        }
        storePart(s.y + at + c, fma(splat(skip), loadPart(s.x + at + c, lanes), sumEach(products)), lanes);
      }
    }
    if (part.length == 0 && s.finalState && s.finalState != (const float*)s.initialState) {
      if (s.initialState) memcpy(s.finalState + own, s.initialState + own, p * N * sizeof(float));
      else zero(s.finalState + own, p * N);
    }
  }
}

/// weights[i][j] = scores[i][j]·exp(S_i − S_j)·delta_j for j ≤ i, zeros up to the end of each six rows' triangle.
void causalWeights(const ChunkDecays& d, const float* scores, float* weights) {
  vi lane;
  for (int k = 0; k < W; k++) lane[k] = k;
  for (int64_t i = 0; i < d.count; i++) {
    const int64_t end = minimum(Q, i / kRows * kRows + kRows);
    const vf high = splat(d.high[i]), low = splat(d.low[i]);
    for (int64_t j = 0; j < end; j += W) {
      const vf decay = exp2Flushed((high - load(d.high + j)) + (low - load(d.low + j))) * load(d.delta + j);
      const vi position = lane + (int32_t)j;
      const vi sees = (position <= (int32_t)i) & (position >= d.begin[i]);
      store(weights + i * Q + j, select(sees, load(scores + i * Q + j) * decay, splat(0)));
    }
  }
}

void forwardPart(const SsdScan& s, const SsdPart& part, const Workspace& w) {
  const int64_t N = s.state, p = s.width, P = padded(p), H = s.heads, rowStride = H * p, keyStride = s.groups * N;
  const int64_t row = part.row * s.length, chunks = ssdChunks(s.length);
  for (int64_t h = part.first; h < part.end; h++) {
    takeState(s.initialState ? s.initialState + (part.row * H + h) * p * N : nullptr, p, N, w.states + (h - part.first) * N * P);
    for (int64_t i = part.length; i < s.length; i++) zero(s.y + ((row + i) * H + h) * p, p);
  }
  ChunkDecays d;
  for (int64_t first = 0; first < part.length; first += Q) {
    const int64_t count = minimum(Q, part.length - first), keys = (row + first) * keyStride + part.group * N;
    const float *B = s.B + keys, *C = s.C + keys;
    turn(B, keyStride, count, N, w.turned, Q);
    for (int64_t i = 0; i < count; i += kRows)
      productRows({C, keyStride, 1, w.turned, Q, w.scores, Q, false}, i, minimum(kRows, count - i), 0, padded(minimum(Q, i + kRows)), N);
    for (int64_t h = part.first; h < part.end; h++) {
      const int64_t position = row + first, at = position * rowStride + h * p;
      float *state = w.states + (h - part.first) * N * P, *y = s.y + at;
      const float* x = s.x + at;
      d.read(s.delta + position * H + h, H, s.A[h], part.starts, first, count);
      causalWeights(d, w.scores, w.weights);
      takeRows(x, rowStride, count, p, nullptr, nullptr, w.values);
      takeRows(x, rowStride, count, p, d.leaving, d.delta, w.kept);
      if (s.checkpoints) {
        float* saved = s.checkpoints + ((part.row * chunks + first / Q) * H + h) * p * N;
        for (int64_t n = 0; n < N; n++)
          eachVector(0, p, [&](int64_t c, int lanes) HA_INLINED { storePart(saved + n * p + c, load(state + n * P + c), lanes); });
      }
      const vf skip = splat(s.D ? s.D[h] : 0);
      for (int64_t i = 0; i < count; i += kRows) {
        const int64_t rows = minimum(kRows, count - i);
        productRows({C, keyStride, 1, state, P, y, rowStride, false}, i, rows, 0, p, N);
        for (int64_t k = i; k < i + rows; k++)
          eachVector(0, p, [&](int64_t c, int lanes) HA_INLINED {
            float* to = y + k * rowStride + c;
            storePart(to, fma(splat(d.entering[k]), loadPart(to, lanes), skip * load(w.values + k * P + c)), lanes);
          });
        productRows({w.weights, Q, 1, w.values, P, y, rowStride, true}, i, rows, 0, p, i + rows);
      }
      updateState(state, N, P, d.total, B, keyStride, w.kept, count);
    }
  }
  for (int64_t h = part.first; s.finalState && h < part.end; h++)
    giveState(w.states + (h - part.first) * N * P, p, N, s.finalState + (part.row * H + h) * p * N);
}

}  // namespace

void ssdScan(Context& context, const SsdScan& s) {
  const SsdParts parts = ssdParts("ssdScan", context, s);
  const bool steps = s.length <= kFewPositions && !s.checkpoints && (s.finalState || s.length == 1);
  if (steps) {
    for (int64_t b = 0; s.lengths && b < s.batch; b++)
      for (int64_t i = s.lengths[b]; i < s.length; i++) zero(s.y + (b * s.length + i) * s.heads * s.width, s.heads * s.width);
    return parallel(context, parts.count, [&](int64_t index) { stepPart(s, parts.at(index)); });
  }
  const ScanMemory memory(context, Workspace::floats(s, parts.most), parts.count);
  parallel(context, parts.count, [&](int64_t index) {
    const SsdPart part = parts.at(index);
    forwardPart(s, part, Workspace(memory.of(index), s, part.heads()));
  });
}

// ---- transposed

namespace {

void transposedPart(const SsdScanTransposed& s, const SsdPart& part, const Workspace& w) {
  const int64_t N = s.state, p = s.width, P = padded(p), H = s.heads, rowStride = H * p, keyStride = s.groups * N;
  const int64_t row = part.row * s.length;
  for (int64_t h = part.first; h < part.end; h++) {
    takeState(s.dFinalState ? s.dFinalState + (part.row * H + h) * p * N : nullptr, p, N, w.states + (h - part.first) * N * P);
    for (int64_t i = part.length; i < s.length; i++) zero(s.out + ((row + i) * H + h) * p, p);
  }
  ChunkDecays d;
  for (int64_t first = (ssdChunks(part.length) - 1) * Q; first >= 0; first -= Q) {
    const int64_t count = minimum(Q, part.length - first), keys = (row + first) * keyStride + part.group * N;
    const float *B = s.B + keys, *C = s.C + keys;
    turn(C, keyStride, count, N, w.turned, Q);
    for (int64_t j = 0; j < count; j += kRows)
      productRows({B, keyStride, 1, w.turned, Q, w.scores, Q, false}, j, minimum(kRows, count - j), j / W * W, Q, N);
    for (int64_t h = part.first; h < part.end; h++) {
      const int64_t position = row + first, at = position * rowStride + h * p;
      float *state = w.states + (h - part.first) * N * P, *out = s.out + at;
      d.read(s.delta + position * H + h, H, s.A[h], part.starts, first, count);
      anticausalWeights(d, w.scores, w.weights);
      takeRows(s.g + at, rowStride, count, p, nullptr, nullptr, w.values);
      takeRows(s.g + at, rowStride, count, p, d.entering, nullptr, w.kept);
      transposedRows(d, {B, keyStride, 1, state, P, out, rowStride, false}, w.weights, w.values, p, N,
                     [&](int64_t j, int64_t c, vf sum, int lanes) HA_INLINED {
                       return fma(splat(d.delta[j]), sum, splat(s.D ? s.D[h] : 0) * load(w.values + j * P + c));
                     });
      updateState(state, N, P, d.total, C, keyStride, w.kept, count);
    }
  }
  for (int64_t h = part.first; s.dInitialState && h < part.end; h++)
    giveState(w.states + (h - part.first) * N * P, p, N, s.dInitialState + (part.row * H + h) * p * N);
}

}  // namespace

void ssdScanTransposed(Context& context, const SsdScanTransposed& s) {
  const SsdParts parts = ssdParts("ssdScanTransposed", context, s);
  const ScanMemory memory(context, Workspace::floats(s, parts.most), parts.count);
  parallel(context, parts.count, [&](int64_t index) {
    const SsdPart part = parts.at(index);
    transposedPart(s, part, Workspace(memory.of(index), s, part.heads()));
  });
}

}  // namespace ha::HA_ISA
