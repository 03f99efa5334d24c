// The scan forward on a GPU: its arguments, and the kernels for particular shapes, which return whether the shape is theirs.
#pragma once
#include "cuda_parts.h"

namespace ha::gpu {

template <class T> struct ForwardArguments {
  ScanShape shape;
  bool softplus;
  const T *u, *delta, *B, *C, *z;
  const float *A, *D, *deltaBias, *initialState;
  T* y;
  float *finalState, *checkpoints;
  int64_t unit;  // of the transposed scan without u: where it is 1; < 0: at each row's own last position
  __device__ int64_t unitOf(int64_t b) const { return unit < 0 ? shape.lengthOf(b) - 1 : unit; }
  /// Nothing flows back from behind the one position where u is not zero.
  __device__ int64_t backEnd(int64_t b) const {
    const int64_t length = shape.lengthOf(b), end = unitOf(b) + 1;
    return u || initialState || end > length ? length : end;
  }
};

/// One position, the state carried: four states a lane (cuda_step.cu).
template <class T> bool scanStep(Gpu&, const ForwardArguments<T>&);
/// 16 states and channels in whole blocks: warps that walk, warps that bring and take away (cuda_duo.cu).
template <class T> bool scanDuo(Gpu&, const ForwardArguments<T>&);
/// The transposed scan as one from the last position to the first: u is g, B is C and C is B, y is `out`, the initial state is dFinalState
/// and the final one dInitialState.
template <class T> bool scanDuoBack(Gpu&, const ForwardArguments<T>&);

}  // namespace ha::gpu
