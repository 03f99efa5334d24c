// The backward pass of the scan on a GPU: its arguments, and the kernel for 16 states, which returns whether the shape is its own.
#pragma once
#include "cuda_parts.h"

namespace ha::gpu {

template <class T> struct BackwardArguments {
  ScanShape shape;
  bool softplus;
  const T *u, *delta, *B, *C, *z, *dy;
  const float *A, *D, *deltaBias, *checkpoints, *dFinalState;
  T *du, *ddelta, *dz;
  float* dInitialState;
  float *dA, *dD, *dBias;  // [b d n], [b d], [b d]: a batch row's part
  float *dB, *dC;          // [block of a group][b l g n]: a block's part
};

/// How many blocks share a group's channels there; 0: not its shape.
template <class T> int64_t scanBackwardBlocks(const ScanShape&, const SelectiveScanBackward&);
template <class T> void scanBackward(Gpu&, const BackwardArguments<T>&);

}  // namespace ha::gpu
