// What an op's CUDA code has beside its arguments, and how the ops are named: gpu::<op>(Gpu&, const Arguments&) in
// ops/<op>/cuda.cu puts its kernels on `stream` and returns.
#pragma once
#include "../../ops/ops.h"
#include "../widen.h"
#include "dialect.h"

namespace ha::gpu {

/// Where kernels leave the first mistake in the data that they find (an id out of range): the smallest position and what
/// stood there. Pass it to the kernel as a pointer; on the device: `report`.
struct Fault {
  unsigned long long first;  // position·2³² + value; all ones: nothing
};
__device__ __forceinline__ void report(Fault* fault, int32_t position, int32_t value) {
  atomicMin(&fault->first, static_cast<unsigned long long>(position) << 32 | static_cast<uint32_t>(value));
}
/// Writes what a fault means for a user, beginning with the op's name.
using Explain = void (*)(char* text, size_t size, int32_t position, int32_t value, int64_t limit);

struct Gpu : Context {
  cudaStream_t stream = nullptr;
  int multiprocessors = 1;
  int64_t sharedPerBlock = 48 << 10;  // most bytes of dynamic shared memory, behind allowShared
  /// A fresh fault of this op, at most one an op; `limit` is given to `explain`.
  virtual Fault* fault(Explain explain, int64_t limit) = 0;
  /// A matrix product by the card's own library, c (+)= op(a)·op(b) as in Matmul without bias, all of one type or c of f32;
  /// false where there is no such library.
  virtual bool libraryMatmul(const Matmul&) { return false; }

  // of the processor only
  int threads() const override { return 1; }
  void run(int64_t, void (*)(void*, int64_t), void*) override {}
  void* chunkScratch(size_t) override { return nullptr; }
};

#define OP(name, Arguments) void name(Gpu&, const Arguments&);
#include "../../ops/table.def"
#undef OP

/// Scratch memory for so many T, until the op returns (that is: for kernels of this op).
template <class T> T* scratch(Gpu& gpu, int64_t count) { return static_cast<T*>(gpu.scratch(static_cast<size_t>(count) * sizeof(T))); }

/// op(arguments) with every operand of 16 bits in f32: for the mixtures of types that an op has no kernel for.
template <class Arguments> void inF32(Gpu& gpu, void (*op)(Gpu&, const Arguments&), const Arguments& arguments) {
  widened(gpu, [](Context& context, const Cast& o) { cast(static_cast<Gpu&>(context), o); },
          [op](Context& context, const Arguments& a) { op(static_cast<Gpu&>(context), a); }, arguments);
}

/// Lets a kernel use so many bytes of dynamic shared memory (more than 48 KiB must be asked for).
template <class Kernel> void allowShared(Kernel* kernel, int64_t bytes) {
  if (bytes > 48 << 10) cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
}

constexpr int64_t divideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
/// A grid's x can be 2³¹ − 1, y and z 65535: kernels over more rows loop.
inline unsigned gridX(int64_t blocks) { return static_cast<unsigned>(least(blocks, 0x7fffffff)); }
inline unsigned gridY(int64_t blocks) { return static_cast<unsigned>(least(blocks, 65535)); }

}  // namespace ha::gpu
