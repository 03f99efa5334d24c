// The selective scan (math.md section 1) and its two backward passes.
//
//   delta' = softplus(delta + deltaBias)                       both parts optional
//   s_i[d,n] = exp(delta'_i[d]·A[d,n])·s_{i−1}[d,n] + delta'_i[d]·B_i[n]·u_i[d]
//   y_i[d]   = (Σ_n C_i[n]·s_i[d,n] + D[d]·u_i[d])·SiLU(z_i[d])   D and the gate optional
//
// One sequence step is the same call with length 1 and a state carried in and out. Channel d reads group ⌊d·groups/channels⌋
// of B and C. Rows shorter than `length` (see `lengths`) have y = 0 past their end and leave their state there.
//
// A row may hold several texts, one behind the other: `starts` says for each position where its text begins. Where one begins
// (starts_i = i, but for i = 0, which goes on from the initial state) nothing of the state before is left: exp(delta'_i·A) counts
// as 0 there, in all three ops, so that each text gets what it gets alone.
#pragma once
#include "../fields.h"

namespace ha {

/// The state is saved on entering every tile of this many positions, for the backward to recompute the rest.
constexpr int64_t kScanTile = 16;
inline int64_t scanTiles(int64_t length) { return (length + kScanTile - 1) / kScanTile; }

struct SelectiveScan {
  int64_t batch, length, channels, state, groups;
  bool softplus;
  In u;                    // [b l d]
  In delta;                // [b l d]
  In A;                    // [d n], negative
  In B;                    // [b l g n]
  In C;                    // [b l g n]
  In D;                    // [d]
  In deltaBias;            // [d]
  In z;                    // [b l d]
  In initialState;         // [b d n], zero when absent
  const int32_t* lengths;  // [b], `length` when absent
  const int32_t* starts;   // [b l], one text a row when absent
  Out y;                   // [b l d]
  Out finalState;          // [b d n]; may be the same memory as initialState
  Out checkpoints;         // b·scanTiles(l)·d·n numbers, in an order of the backend's own; input of the backward
  template <class V> void fields(V& v) {
    v.size("batch", batch), v.size("length", length), v.size("channels", channels), v.size("state", state);
    v.size("groups", groups), v.flag("softplus", softplus);
    const int64_t bld = batch * length * channels, blgn = batch * length * groups * state, bdn = batch * channels * state;
    v.in("u", u, bld), v.in("delta", delta, bld), v.in("A", A, channels * state), v.in("B", B, blgn), v.in("C", C, blgn);
    v.optional("D", D, channels), v.optional("deltaBias", deltaBias, channels), v.optional("z", z, bld);
    v.optional("initialState", initialState, bdn), v.optional("lengths", lengths, batch);
    v.optional("starts", starts, batch * length);
    v.out("y", y, bld), v.optionalOut("finalState", finalState, bdn);
    v.optionalOut("checkpoints", checkpoints, batch * scanTiles(length) * channels * state);
  }
};

/// All gradients of SelectiveScan, given dy and, optionally, the gradient of the final state.
struct SelectiveScanBackward {
  int64_t batch, length, channels, state, groups;
  bool softplus;
  In u, delta, A, B, C, D, deltaBias, z;  // as in the forward
  const int32_t *lengths, *starts;        // [b], [b l]
  In checkpoints;                         // from the forward; they hold the initial state too
  In dy;                                  // [b l d]
  In dFinalState;                         // [b d n]
  Out du, ddelta;                         // [b l d]; ddelta is the gradient of `delta` before bias and softplus
  Out dA;                                 // [d n]
  Out dB, dC;                             // [b l g n]
  Out dD, ddeltaBias;                     // [d]
  Out dz;                                 // [b l d]
  Out dInitialState;                      // [b d n]
  template <class V> void fields(V& v) {
    v.size("batch", batch), v.size("length", length), v.size("channels", channels), v.size("state", state);
    v.size("groups", groups), v.flag("softplus", softplus);
    const int64_t bld = batch * length * channels, blgn = batch * length * groups * state, bdn = batch * channels * state;
    v.in("u", u, bld), v.in("delta", delta, bld), v.in("A", A, channels * state), v.in("B", B, blgn), v.in("C", C, blgn);
    v.optional("D", D, channels), v.optional("deltaBias", deltaBias, channels), v.optional("z", z, bld);
    v.optional("lengths", lengths, batch), v.optional("starts", starts, batch * length);
    v.in("checkpoints", checkpoints, batch * scanTiles(length) * channels * state);
    v.in("dy", dy, bld), v.optional("dFinalState", dFinalState, bdn);
    v.out("du", du, bld), v.out("ddelta", ddelta, bld), v.out("dA", dA, channels * state), v.out("dB", dB, blgn);
    v.out("dC", dC, blgn), v.optionalOut("dD", dD, channels), v.optionalOut("ddeltaBias", ddeltaBias, channels);
    v.optionalOut("dz", dz, bld), v.optionalOut("dInitialState", dInitialState, bdn);
  }
};

/// αᵀ·g (+ D ⊙ g): the backward with the dynamics held (math.md section 2), linear in g.
///   out_j[d] = Σ_{i≥j} α[d][i,j]·g_i[d] + D[d]·g_j[d]
/// `delta` is already positive (after softplus). With `position` ≥ 0, g is absent and stands for e_position in every
/// channel: out is then row `position` of every channel's α. `position` −1 with `lengths` and no g: each row's own last one.
/// A position past the end and no g: g = 0, and `dFinalState` alone is carried back.
struct SelectiveScanTransposed {
  int64_t batch, length, channels, state, groups, position;
  In delta, A, B, C;       // as in the forward
  In D;                    // [d]
  In g;                    // [b l d]
  const int32_t* lengths;  // [b]
  const int32_t* starts;   // [b l]
  In dFinalState;          // [b d n]
  Out out;                 // [b l d]
  Out dInitialState;       // [b d n]
  template <class V> void fields(V& v) {
    v.size("batch", batch), v.size("length", length), v.size("channels", channels), v.size("state", state);
    v.size("groups", groups), v.index("position", position);
    const int64_t bld = batch * length * channels, blgn = batch * length * groups * state, bdn = batch * channels * state;
    v.in("delta", delta, bld), v.in("A", A, channels * state), v.in("B", B, blgn), v.in("C", C, blgn);
    v.optional("D", D, channels), v.optional("g", g, bld), v.optional("lengths", lengths, batch);
    v.optional("starts", starts, batch * length);
    v.optional("dFinalState", dFinalState, bdn), v.out("out", out, bld), v.optionalOut("dInitialState", dInitialState, bdn);
  }
};

}  // namespace ha
