// The card's own matrix products: cuBLAS, loaded where it is installed. Without it, ops/matmul/cuda.cu has a product of its own.
#pragma once
#include "../../ops/matmul/matmul.h"

namespace ha::gpu {

class Blas {
 public:
  /// Looks for the library; HIDDEN_ATTENTION_CUBLAS=0 leaves it out.
  void open();
  void close();
  /// c (+)= op(a)·op(b), without bias; f32 with f32 arithmetic, 16 bits with sums in f32. False where it cannot.
  bool matmul(const Matmul& o, void* stream);

 private:
  void* handle_ = nullptr;
  void* create_ = nullptr;
  void* destroy_ = nullptr;
  void* setStream_ = nullptr;
  void* gemm_ = nullptr;
};

}  // namespace ha::gpu
