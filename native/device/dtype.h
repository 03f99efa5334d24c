// What a tensor's numbers are, and the operands of an op.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ha {

/// JavaScript knows them by these numbers too (src/addon.ts).
enum class DType : int32_t { f32 = 0, i32 = 1, bf16 = 2, f16 = 3, i8 = 4 };
constexpr int64_t bytesOf(DType dtype) { return dtype == DType::i8 ? 1 : dtype == DType::bf16 || dtype == DType::f16 ? 2 : 4; }
constexpr const char* nameOf(DType dtype) {
  constexpr const char* names[] = {"f32", "i32", "bf16", "f16", "i8"};
  return names[static_cast<int>(dtype)];
}

/// Numbers an op reads. A kernel for f32 uses it as a `const float*`: operands of 16 bits are widened before it runs
/// (device/widen.h) unless it looks at `dtype` and reads them itself.
struct In {
  const void* data = nullptr;
  DType dtype = DType::f32;
  In() = default;
  In(const float* numbers) : data(numbers) {}
  In(const void* numbers, DType dtype) : data(numbers), dtype(dtype) {}
  operator const float*() const { return static_cast<const float*>(data); }
};

/// Numbers an op writes, or reads and writes.
struct Out {
  void* data = nullptr;
  DType dtype = DType::f32;
  Out() = default;
  Out(float* numbers) : data(numbers) {}
  Out(void* numbers, DType dtype) : data(numbers), dtype(dtype) {}
  operator float*() const { return static_cast<float*>(data); }
  operator In() const { return {data, dtype}; }
};

}  // namespace ha
