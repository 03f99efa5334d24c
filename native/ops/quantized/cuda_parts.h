// The part of matmulInt8 that has a file of its own.
#pragma once
#include "../../device/gpu/gpu.h"

namespace ha::gpu {

/// The product with activations that are rounded to 8 bits (cuda_rounded.cu).
void multiplyRounded(Gpu&, const MatmulInt8&);

}  // namespace ha::gpu
