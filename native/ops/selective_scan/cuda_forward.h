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
};

/// One position, the state carried: four states a lane (cuda_step.cu).
template <class T> bool scanStep(Gpu&, const ForwardArguments<T>&);
/// 16 states and channels in whole blocks: warps that walk, warps that bring and take away (cuda_duo.cu).
template <class T> bool scanDuo(Gpu&, const ForwardArguments<T>&);

}  // namespace ha::gpu
