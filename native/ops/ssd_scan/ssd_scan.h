// The scan of Mamba-2 (state space duality, Dao and Gu 2024; math.md section 4): one decay a head, B and C shared by a group of
// heads. Head h reads group ⌊h·groups/heads⌋.
//
//   s_i = exp(delta_i·A)·s_{i−1} + delta_i·x_i·B_iᵀ           [p n] a head
//   y_i = s_i·C_i + D·x_i                                     D optional
//
// It is done in chunks of kSsdChunk positions as matrix products: with S_i the sum of delta·A from the chunk's first position to i,
//
//   y_i = Σ_{j≤i} (C_i·B_j)·exp(S_i − S_j)·delta_j·x_j + exp(S_i)·s_before·C_i + D·x_i
//   s_after = exp(S_last)·s_before + Σ_j exp(S_last − S_j)·delta_j·x_j·B_jᵀ
//
// All sums S are local to a chunk and their differences are exact to f32. With few positions it is the recurrence step by step.
// Rows shorter than `length` (see `lengths`) have y = 0 past their end and leave their state there.
//
// A row may hold several texts, one behind the other: `starts` says for each position where its text begins. Where one begins
// (starts_i = i, but for i = 0, which goes on from the initial state) nothing of the state before is left, in all ops.
#pragma once
#include "../fields.h"

namespace ha {

constexpr int64_t kSsdChunk = 64;
inline int64_t ssdChunks(int64_t length) { return (length + kSsdChunk - 1) / kSsdChunk; }

/// Sizes that all ops have; `width` is p, the channels of a head.
struct SsdShape {
  int64_t batch, length, heads, width, state, groups;
  template <class V> void shape(V& v) {
    v.size("batch", batch), v.size("length", length), v.size("heads", heads), v.size("width", width);
    v.size("state", state), v.size("groups", groups);
  }
  int64_t valueCount() const { return batch * length * heads * width; }
  int64_t keyCount() const { return batch * length * groups * state; }
  int64_t stepCount() const { return batch * length * heads; }
  int64_t stateCount() const { return batch * heads * width * state; }
};

struct SsdScan : SsdShape {
  In x;                    // [b l h p]
  In delta;                // [b l h], positive
  In A;                    // [h], negative
  In B, C;                 // [b l g n]
  In D;                    // [h]
  In initialState;         // [b h p n], zero when absent
  const int32_t* lengths;  // [b], `length` when absent
  const int32_t* starts;   // [b l], one text a row when absent
  Out y;                   // [b l h p]
  Out finalState;          // [b h p n]; may be the same memory as initialState
  Out checkpoints;         // ssdChunks(l) states, entering each chunk, in an order of the backend's own; input of the backward
  template <class V> void fields(V& v) {
    shape(v);
    v.in("x", x, valueCount()), v.in("delta", delta, stepCount()), v.in("A", A, heads), v.in("B", B, keyCount()), v.in("C", C, keyCount());
    v.optional("D", D, heads), v.optional("initialState", initialState, stateCount()), v.optional("lengths", lengths, batch);
    v.optional("starts", starts, batch * length);
    v.out("y", y, valueCount()), v.optionalOut("finalState", finalState, stateCount());
    v.optionalOut("checkpoints", checkpoints, ssdChunks(length) * stateCount());
  }
};

/// All gradients of SsdScan, given dy and, optionally, the gradient of the final state.
struct SsdScanBackward : SsdShape {
  In x, delta, A, B, C, D;           // as in the forward
  const int32_t *lengths, *starts;   // as in the forward
  In checkpoints;                    // from the forward
  In dy;                             // [b l h p]
  In dFinalState;                    // [b h p n]
  Out dx, ddelta, dA, dB, dC;        // [b l h p], [b l h], [h], [b l g n] twice
  Out dD;                            // [h]
  Out dInitialState;                 // [b h p n]
  template <class V> void fields(V& v) {
    shape(v);
    v.in("x", x, valueCount()), v.in("delta", delta, stepCount()), v.in("A", A, heads), v.in("B", B, keyCount()), v.in("C", C, keyCount());
    v.optional("D", D, heads), v.optional("lengths", lengths, batch), v.optional("starts", starts, batch * length);
    v.in("checkpoints", checkpoints, ssdChunks(length) * stateCount()), v.in("dy", dy, valueCount());
    v.optional("dFinalState", dFinalState, stateCount());
    v.out("dx", dx, valueCount()), v.out("ddelta", ddelta, stepCount()), v.out("dA", dA, heads);
    v.out("dB", dB, keyCount()), v.out("dC", dC, keyCount());
    v.optionalOut("dD", dD, heads), v.optionalOut("dInitialState", dInitialState, stateCount());
  }
};

/// αᵀ·g (+ D ⊙ g): the gradient of x with the dynamics held (math.md section 2), linear in g.
///   out_j = Σ_{i≥j} (C_i·B_j)·exp(S_i − S_j)·delta_j·g_i + D·g_j
struct SsdScanTransposed : SsdShape {
  In delta, A, B, C, D;             // as in the forward
  In g;                             // [b l h p]
  const int32_t *lengths, *starts;  // as in the forward
  In dFinalState;                   // [b h p n]
  Out out;                          // [b l h p]
  Out dInitialState;                // [b h p n]
  template <class V> void fields(V& v) {
    shape(v);
    v.in("delta", delta, stepCount()), v.in("A", A, heads), v.in("B", B, keyCount()), v.in("C", C, keyCount()), v.optional("D", D, heads);
    v.in("g", g, valueCount()), v.optional("lengths", lengths, batch), v.optional("starts", starts, batch * length);
    v.optional("dFinalState", dFinalState, stateCount());
    v.out("out", out, valueCount()), v.optionalOut("dInitialState", dInitialState, stateCount());
  }
};

}  // namespace ha
