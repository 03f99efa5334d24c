// All gradients of the scan in chunks. With E_i = exp(S_i), F_j = exp(S_last − S_j), s the state before a chunk, ds the gradient of
// the state after it, and of one head T_ij = dy_i·x_j, the gradients within the chunk are
//
//   dx_j = delta_j·(Σ_{i≥j} (C_i·B_j)·exp(S_i − S_j)·dy_i + F_j·dsᵀ·B_j) + D·dy_j
//   dC_i = Σ_j R_ij·B_j + E_i·sᵀ·dy_i,   dB_j = Σ_i R_ij·C_i + F_j·delta_j·dsᵀ·x_j    with R_ij = T_ij·exp(S_i − S_j)·delta_j
//   ds   = exp(S_last)·ds + Σ_i E_i·dy_i·C_iᵀ
//
// and what of delta_k·A is asked, for each k, is the sum of what passes from before k to k or later: P_ij = R_ij·(C_i·B_j) for
// j < k ≤ i, E_i·(dy_i·s·C_i) for i ≥ k, F_j·delta_j·(x_j·ds·B_j) for j < k, and exp(S_last)·(s·ds). Nothing is subtracted.
#include "parts.h"

namespace ha::HA_ISA {
namespace {

struct Workspace {
  float* gradients;                 // [heads][n][P]: of the state
  float *turnedB, *turnedC;         // [n][Q]
  float *dB, *dC;                   // [n][Q]: sums over the part's heads
  float* product;                   // [n][Q]: of one head, before its factors
  float *scores, *weights;          // [Q][Q]: at [j][i], C_i·B_j, and times the decay
  float *pairs, *dScores;           // [Q][Q]: T of one head; R, summed over the part's heads
  float *dy, *kept;                 // [Q][P]: dy of one head, and times E
  float *turnedX, *turnedDy;        // [p][Q]
  static int64_t floats(const SsdShape& s, int64_t heads) {
    return heads * s.state * padded(s.width) + 5 * s.state * Q + 4 * Q * Q + 2 * Q * padded(s.width) + 2 * s.width * Q;
  }
  Workspace(float* memory, const SsdShape& s, int64_t heads) {
    const auto take = [&](int64_t count) { return memory += count, memory - count; };
    gradients = take(heads * s.state * padded(s.width));
    turnedB = take(s.state * Q), turnedC = take(s.state * Q), dB = take(s.state * Q), dC = take(s.state * Q), product = take(s.state * Q);
    scores = take(Q * Q), weights = take(Q * Q), pairs = take(Q * Q), dScores = take(Q * Q);
    dy = take(Q * padded(s.width)), kept = take(Q * padded(s.width));
    turnedX = take(s.width * Q), turnedDy = take(s.width * Q);
  }
};

/// Sums over parts and rows, added up in order at the end. The first part of a group writes dB and dC themselves.
struct Sums {
  float *dA, *dD;  // [b h]
  float *dB, *dC;  // [parts − 1][b l g n]
};

/// R_ij from T_ij for all i ≥ j: added to dScores; and passed[k] = Σ_{j<k≤i} P_ij.
void sumPairs(const ChunkDecays& d, const Workspace& w, float* passed) {
  vi lane;
  for (int k = 0; k < W; k++) lane[k] = k;
  alignas(64) float running[Q] = {};         // of each i: Σ P_ij over the j so far
  alignas(64) float totals[(Q + W) * W] = {};  // of each k, lane by lane
  for (int64_t j = 0; j < d.count; j++) {
    const vf delta = splat(d.delta[j]);
    vf total = splat(0);
    for (int64_t i = j / W * W; i < Q; i += W) {
      const vi position = lane + (int32_t)i, begin = *(const vi*)(d.begin + i);
      const vi seen = (position >= (int32_t)j) & (begin <= (int32_t)j);
      const vf pair = select(seen, load(w.pairs + j * Q + i), splat(0)) * delta;
      const vf decay = select(seen, d.fromTo(j, i), splat(0));  // beyond the diagonal it may be infinite
      store(w.dScores + j * Q + i, fma(pair, decay, load(w.dScores + j * Q + i)));
      const vf sum = select(position > (int32_t)j, fma(pair, load(w.weights + j * Q + i), load(running + i)), splat(0));
      store(running + i, sum);
      total = total + sum;
    }
    store(totals + (j + 1) * W, total);
  }
  passed[0] = 0;
  for (int64_t k = 0; k < Q; k += W) store(passed + k, sumEach(totals + k * W));
}

/// result = state·values, [n][Q] = [n][stateRow]·[p][Q]; sums += factors ⊙ product; along[i] = factors_i·Σ_n keys[n][i]·result[n][i]
void throughState(const float* state, int64_t stateRow, const float* values, int64_t width, int64_t n, const float* factors, const float* keys,
                  float* result, float* sums, float* along) {
  product({state, stateRow, 1, values, Q, result, Q, false}, n, Q, width);
  for (int64_t i = 0; i < Q; i += W) {
    const vf factor = load(factors + i);
    vf even = splat(0), odd = splat(0);
    for (int64_t k = 0; k < n; k++) {
      const vf one = factor * load(result + k * Q + i);
      store(sums + k * Q + i, load(sums + k * Q + i) + one);
      (k % 2 ? odd : even) = fma(one, load(keys + k * Q + i), k % 2 ? odd : even);
    }
    store(along + i, even + odd);
  }
}

void backwardPart(const SsdScanBackward& s, const SsdPart& part, const Workspace& w, const Sums& sums) {
  const int64_t N = s.state, p = s.width, P = padded(p), H = s.heads, rowStride = H * p, keyStride = s.groups * N;
  const int64_t row = part.row * s.length, chunks = ssdChunks(s.length), all = s.keyCount();
  float* dB = part.part ? sums.dB + (part.part - 1) * all : (float*)s.dB;
  float* dC = part.part ? sums.dC + (part.part - 1) * all : (float*)s.dC;
  for (int64_t h = part.first; h < part.end; h++) {
    takeState(s.dFinalState ? s.dFinalState + (part.row * H + h) * p * N : nullptr, p, N, w.gradients + (h - part.first) * N * P);
    sums.dA[part.row * H + h] = sums.dD[part.row * H + h] = 0;
    for (int64_t i = part.length; i < s.length; i++) zero(s.dx + ((row + i) * H + h) * p, p), s.ddelta[(row + i) * H + h] = 0;
  }
  for (int64_t i = part.length; i < s.length; i++)
    zero(dB + (row + i) * keyStride + part.group * N, N), zero(dC + (row + i) * keyStride + part.group * N, N);

  ChunkDecays d;
  alignas(64) float passed[Q], entered[Q], left[Q], factors[Q], along[Q];
  for (int64_t first = (ssdChunks(part.length) - 1) * Q; first >= 0; first -= Q) {
    const int64_t count = minimum(Q, part.length - first), keys = (row + first) * keyStride + part.group * N;
    const float *B = s.B + keys, *C = s.C + keys;
    turn(B, keyStride, count, N, w.turnedB, Q), turn(C, keyStride, count, N, w.turnedC, Q);
    zero(w.dB, N * Q), zero(w.dC, N * Q), zero(w.dScores, Q * Q);
    for (int64_t j = 0; j < count; j += kRows)
      productRows({B, keyStride, 1, w.turnedC, Q, w.scores, Q, false}, j, minimum(kRows, count - j), j / W * W, Q, N);
    for (int64_t h = part.first; h < part.end; h++) {
      const int64_t position = row + first, at = position * rowStride + h * p;
      float *gradient = w.gradients + (h - part.first) * N * P, *dx = s.dx + at;
      const float *x = s.x + at, *saved = s.checkpoints + ((part.row * chunks + first / Q) * H + h) * p * N;
      d.read(s.delta + position * H + h, H, s.A[h], part.starts, first, count);
      anticausalWeights(d, w.scores, w.weights);
      turn(x, rowStride, count, p, w.turnedX, Q), turn(s.dy + at, rowStride, count, p, w.turnedDy, Q);
      takeRows(s.dy + at, rowStride, count, p, nullptr, nullptr, w.dy);
      takeRows(s.dy + at, rowStride, count, p, d.entering, nullptr, w.kept);

      // dx before delta and D, and what of delta it is
      const float skip = s.D ? s.D[h] : 0;
      float dD = 0;
      transposedRows(d, {B, keyStride, 1, gradient, P, dx, rowStride, false}, w.weights, w.dy, p, N,
                     [&](int64_t, int64_t, vf sum, int) HA_INLINED { return sum; });
      for (int64_t i = 0; i < count; i++) {
        vf ofDelta = splat(0), ofSkip = splat(0);
        eachVector(0, p, [&](int64_t c, int lanes) HA_INLINED {
          float* to = dx + i * rowStride + c;
          const vf sum = loadPart(to, lanes), value = loadPart(x + i * rowStride + c, lanes), dy = load(w.dy + i * P + c);
          ofDelta = fma(value, sum, ofDelta), ofSkip = fma(value, dy, ofSkip);
          storePart(to, fma(splat(d.delta[i]), sum, splat(skip) * dy), lanes);
        });
        along[i] = sum(ofDelta), dD += sum(ofSkip);
      }

      // dB, dC, and what passes each position
      for (int64_t j = 0; j < count; j += kRows)
        productRows({x, rowStride, 1, w.turnedDy, Q, w.pairs, Q, false}, j, minimum(kRows, count - j), j / W * W, Q, p);
      sumPairs(d, w, passed);
      throughState(saved, p, w.turnedDy, p, N, d.entering, w.turnedC, w.product, w.dC, entered);
      for (int64_t i = 0; i < Q; i += W) store(factors + i, load(d.leaving + i) * load(d.delta + i));
      throughState(gradient, P, w.turnedX, p, N, factors, w.turnedB, w.product, w.dB, left);
      vf whole = splat(0);
      for (int64_t n = 0; n < N; n++)
        eachVector(0, p, [&](int64_t c, int lanes) HA_INLINED { whole = fma(loadPart(saved + n * p + c, lanes), load(gradient + n * P + c), whole); });
      const float through = d.total * sum(whole);

      // delta and A
      float later = 0, earlier = 0, dA = 0;
      for (int64_t i = count - 1; i >= 0; i--) later += entered[i], passed[i] += later;
      for (int64_t i = 0; i < count; i++) {
        const float ofDecay = passed[i] + earlier + through;
        earlier += left[i];
        dA += d.delta[i] * ofDecay;
        s.ddelta[(position + i) * H + h] = s.A[h] * ofDecay + along[i];
      }
      sums.dA[part.row * H + h] += dA, sums.dD[part.row * H + h] += dD;
      updateState(gradient, N, P, d.total, C, keyStride, w.kept, count);
    }
    product({B, 1, keyStride, w.dScores, Q, w.dC, Q, true}, N, Q, count);
    turn(w.dScores, Q, Q, Q, w.pairs, Q);
    product({C, 1, keyStride, w.pairs, Q, w.dB, Q, true}, N, Q, count);
    for (int64_t i = 0; i < count; i += W)
      for (int64_t n = 0; n < N; n += W) {
        const int states = (int)minimum(W, N - n);
        const int64_t rows = minimum(W, count - i);
        const auto give = [&](const float* from, float* to) HA_INLINED {
          vf tile[W];
          for (int k = 0; k < W; k++) tile[k] = k < states ? load(from + (n + k) * Q + i) : splat(0);
          transposeTile(tile);
          for (int64_t k = 0; k < rows; k++) storePart(to + keys + (i + k) * keyStride + n, tile[k], states);
        };
        give(w.dB, dB), give(w.dC, dC);
      }
  }
  for (int64_t h = part.first; s.dInitialState && h < part.end; h++)
    giveState(w.gradients + (h - part.first) * N * P, p, N, s.dInitialState + (part.row * H + h) * p * N);
}

}  // namespace

void ssdScanBackward(Context& context, const SsdScanBackward& s) {
  const SsdParts parts = ssdParts("ssdScanBackward", context, s);
  const auto floats = [&](int64_t count) { return (float*)context.scratch(count * sizeof(float)); };
  const Sums sums = {floats(s.batch * s.heads), floats(s.batch * s.heads), floats((parts.parts - 1) * s.keyCount()), floats((parts.parts - 1) * s.keyCount())};
  const ScanMemory memory(context, Workspace::floats(s, parts.most), parts.count);
  parallel(context, parts.count, [&](int64_t index) {
    const SsdPart part = parts.at(index);
    backwardPart(s, part, Workspace(memory.of(index), s, part.heads()), sums);
  });
  addUp(context, sums.dA, s.batch, s.heads, s.dA, false);
  addUp(context, sums.dD, s.batch, s.heads, s.dD, false);
  addUp(context, sums.dB, parts.parts - 1, s.keyCount(), s.dB, true);
  addUp(context, sums.dC, parts.parts - 1, s.keyCount(), s.dC, true);
}

}  // namespace ha::HA_ISA
