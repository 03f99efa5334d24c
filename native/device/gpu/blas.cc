#include "blas.h"

#include <dlfcn.h>

#include <cstdlib>

namespace ha::gpu {
namespace {

// cuBLAS as its interface has been since version 11; enums are ints, the handle is a pointer
using Create = int (*)(void** handle);
using Destroy = int (*)(void* handle);
using SetStream = int (*)(void* handle, void* stream);
using Gemm = int (*)(void* handle, int opA, int opB, int m, int n, int k, const void* alpha, const void* a, int typeA, int lda, const void* b,
                     int typeB, int ldb, const void* beta, void* c, int typeC, int ldc, int compute, int algorithm);
constexpr int kCompute32 = 68, kDefaultAlgorithm = -1;
int typeOf(DType dtype) { return dtype == DType::bf16 ? 14 : dtype == DType::f16 ? 2 : 0; }

}  // namespace

void Blas::open() {
  const char* setting = std::getenv("HIDDEN_ATTENTION_CUBLAS");
  if (setting && setting[0] == '0') return;
  for (const char* name : {"libcublas.so.13", "libcublas.so.12", "libcublas.so.11"}) {
    void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library) continue;
    create_ = dlsym(library, "cublasCreate_v2");
    destroy_ = dlsym(library, "cublasDestroy_v2");
    setStream_ = dlsym(library, "cublasSetStream_v2");
    gemm_ = dlsym(library, "cublasGemmEx");
    if (create_ && destroy_ && setStream_ && gemm_ && reinterpret_cast<Create>(create_)(&handle_) == 0) return;
    handle_ = nullptr;
  }
}

void Blas::close() {
  if (handle_) reinterpret_cast<Destroy>(destroy_)(handle_);
  handle_ = nullptr;
}

bool Blas::matmul(const Matmul& o, void* stream) {
  constexpr int64_t kLargest = 0x7fffffff;
  if (!handle_ || o.a.dtype != o.b.dtype || (o.c.dtype != o.a.dtype && o.c.dtype != DType::f32)) return false;
  if (o.m > kLargest || o.n > kLargest || o.k > kLargest || !o.m || !o.n || !o.k) return false;
  reinterpret_cast<SetStream>(setStream_)(handle_, stream);
  // cuBLAS counts columns first: cᵀ[n m] = op(b)ᵀ·op(a)ᵀ
  const float one = 1, kept = o.accumulate ? 1 : 0;
  return reinterpret_cast<Gemm>(gemm_)(handle_, o.transposeB, o.transposeA, static_cast<int>(o.n), static_cast<int>(o.m), static_cast<int>(o.k), &one,
                                       o.b.data, typeOf(o.b.dtype), static_cast<int>(o.transposeB ? o.k : o.n), o.a.data, typeOf(o.a.dtype),
                                       static_cast<int>(o.transposeA ? o.m : o.k), &kept, o.c.data, typeOf(o.c.dtype), static_cast<int>(o.n), kCompute32,
                                       kDefaultAlgorithm) == 0;
}

}  // namespace ha::gpu
