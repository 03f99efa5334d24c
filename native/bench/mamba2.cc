// The scan of Mamba-2 at the shape of mamba2-130m's layers, in chunks as matrix products, beside the scan of Mamba-1 with each head's
// Δ and A repeated over its channels and states, which gives the same; and the attention of its heads.
#include "../device/backend.h"
#include "../device/pool.h"
#include "bench.h"

namespace bench {

void mamba2(Run& run) {
  using Floats = std::vector<float>;
  for (const int64_t length : run.quick ? std::vector<int64_t>{256} : std::vector<int64_t>{512, 2048}) {
    const ha::SsdShape s{1, length, 24, 64, 128, 1};
    const size_t ld = s.valueCount(), channels = s.heads * s.width, dn = channels * s.state, ln = s.keyCount();
    const std::string shape = " L=" + std::to_string(length), at = std::to_string(length);
    const Floats x = normal(ld), B = normal(ln), C = normal(ln), dy = normal(ld);
    Floats delta(s.stepCount()), A(s.heads), D(s.heads, 1.0f), y(ld), state(dn), dx(ld), dB(ln), dC(ln);
    for (size_t i = 0; i < delta.size(); i++) delta[i] = 0.01f + 0.09f * static_cast<float>(i % 97) / 97;
    for (size_t h = 0; h < A.size(); h++) A[h] = -static_cast<float>(h + 1);

    Floats checkpoints(ha::ssdChunks(length) * dn), ddelta(delta.size()), dA(s.heads), dD(s.heads);
    const ha::SsdScan forward{s, x.data(), delta.data(), A.data(), B.data(), C.data(), D.data(), {}, nullptr, nullptr, y.data(), state.data(), {}};
    ha::SsdScan saving = forward;
    saving.checkpoints = checkpoints.data();
    const ha::SsdScanBackward backward{s,         x.data(),  delta.data(),  A.data(),  B.data(),  C.data(),  D.data(), nullptr, nullptr, checkpoints.data(),
                                       dy.data(), {},        dx.data(),     ddelta.data(), dA.data(), dB.data(), dC.data(), dD.data(), {}};
    run.time("forward" + at, "scan of Mamba-2, 24 heads of 64, N=128," + shape, [&] { run.op.ssdScan(run.pool, forward); });
    run.time("both" + at, "the same, forward and backward", [&] { run.op.ssdScan(run.pool, saving), run.op.ssdScanBackward(run.pool, backward); });

    Floats deltas(ld), rates(dn), skips(channels, 1.0f), tiles(ha::scanTiles(length) * dn), ddeltas(ld), dRates(dn), dSkips(channels);
    for (size_t i = 0; i < ld; i++) deltas[i] = delta[i / s.width];
    for (size_t i = 0; i < dn; i++) rates[i] = A[i / (s.width * s.state)];
    ha::SelectiveScan repeated{1, length, static_cast<int64_t>(channels), s.state, 1, false};
    repeated.u = x.data(), repeated.delta = deltas.data(), repeated.A = rates.data(), repeated.B = B.data(), repeated.C = C.data();
    repeated.D = skips.data(), repeated.y = y.data(), repeated.finalState = state.data();
    ha::SelectiveScan kept = repeated;
    kept.checkpoints = tiles.data();
    ha::SelectiveScanBackward back{1, length, static_cast<int64_t>(channels), s.state, 1, false};
    back.u = repeated.u, back.delta = repeated.delta, back.A = repeated.A, back.B = repeated.B, back.C = repeated.C, back.D = repeated.D;
    back.checkpoints = tiles.data(), back.dy = dy.data(), back.du = dx.data(), back.ddelta = ddeltas.data(), back.dA = dRates.data();
    back.dB = dB.data(), back.dC = dC.data(), back.dD = dSkips.data();
    run.time("repeated" + at, "scan of Mamba-1 on the repeated Δ and A", [&] { run.op.selectiveScan(run.pool, repeated); });
    run.time("repeatedBoth" + at, "the same, forward and backward", [&] { run.op.selectiveScan(run.pool, kept), run.op.selectiveScanBackward(run.pool, back); });

    // multiply-adds of the forward pass as one product of the same size, two factors of which fit the cache
    const int64_t inner = 2 * s.state + ha::kSsdChunk / 2;
    const Floats left = normal(length * inner), right = normal(inner * channels);
    const ha::Matmul product{length, static_cast<int64_t>(channels), inner, false, false, false, left.data(), right.data(), {}, y.data()};
    run.time("product" + at, "a matrix product of as many multiply-adds", [&] { run.op.matmul(run.pool, product); });

    if (length > 512) continue;
    Floats headRates(s.heads * s.state), matrix(length * length);
    for (size_t i = 0; i < headRates.size(); i++) headRates[i] = A[i / s.state];
    ha::AttentionMatrixReduced mean{1, length, s.heads, s.state, 1, 0, length, 0, delta.data(), headRates.data(), B.data(), C.data()};
    mean.out = matrix.data();
    run.time("mean" + at, "mean attention matrix of the 24 heads," + shape, [&] { run.op.attentionMatrixReduced(run.pool, mean); });
    headRates[1] *= 1.0001f;  // no longer one decay a head: the way of Mamba-1
    run.time("meanByState" + at, "the same, each state with a decay of its own", [&] { run.op.attentionMatrixReduced(run.pool, mean); });
  }
}

}  // namespace bench
