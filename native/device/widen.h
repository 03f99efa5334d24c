// Kernels for f32 on operands of 16 bits: copies in f32 before, rounded copies after. The one place where a backend's
// kernels learn nothing of types; those that matter for speed read 16 bits themselves.
#pragma once
#include <type_traits>
#include <vector>
#include "backend.h"

namespace ha {

/// A visitor that does nothing with a field, to be derived from.
struct EachField {
  void size(const char*, int64_t&) {}
  void index(const char*, int64_t&) {}
  void number(const char*, float&) {}
  void flag(const char*, bool&) {}
  void kind(const char*, int32_t&) {}
};

/// Whether any operand is stored in 16 bits.
class AnyNarrow : public EachField {
 public:
  bool found = false;
  void in(const char*, In& x, int64_t) { see(x); }
  void optional(const char*, In& x, int64_t) { see(x); }
  void out(const char*, Out& y, int64_t) { see(y); }
  void optionalOut(const char*, Out& y, int64_t) { see(y); }
  void update(const char*, Out& y, int64_t) { see(y); }
  template <class T> void in(const char*, const T*&, int64_t) {}
  template <class T> void optional(const char*, const T*&, int64_t) {}
  template <class T> void out(const char*, T*&, int64_t) {}
  template <class T> void update(const char*, T*&, int64_t) {}
  template <class Item> void list(const char*, std::vector<Item>& items) {
    for (Item& item : items) item.fields(*this);
  }

 private:
  template <class T> void see(const T& operand) { found |= operand.data && operand.dtype != DType::f32; }
};
template <class Arguments> bool anyNarrow(const Arguments& arguments) {
  AnyNarrow visitor;
  const_cast<Arguments&>(arguments).fields(visitor);
  return visitor.found;
}

class Widen : public EachField {
 public:
  Widen(Context& context, void (*cast)(Context&, const Cast&)) : context_(context), cast_(cast) {}
  void in(const char*, In& x, int64_t elements) {
    if (x.data && x.dtype != DType::f32) x = widened(x, elements);
  }
  void optional(const char* name, In& x, int64_t elements) { in(name, x, elements); }
  void out(const char*, Out& y, int64_t elements) {
    if (y.data && y.dtype != DType::f32) y = later(y, elements);
  }
  void optionalOut(const char* name, Out& y, int64_t elements) { out(name, y, elements); }
  void update(const char*, Out& y, int64_t elements) {
    if (!y.data || y.dtype == DType::f32) return;
    const Out wide = later(y, elements);
    cast_(context_, {elements, y, wide});
    y = wide;
  }
  template <class T> void in(const char*, const T*&, int64_t) {}
  template <class T> void optional(const char*, const T*&, int64_t) {}
  template <class T> void out(const char*, T*&, int64_t) {}
  template <class T> void update(const char*, T*&, int64_t) {}
  template <class Item> void list(const char*, std::vector<Item>& items) {
    for (Item& item : items) item.fields(*this);
  }
  /// Rounds the results to their own types.
  void finish() {
    for (const Result& result : results_) cast_(context_, {result.elements, result.wide, result.narrow});
  }

 private:
  struct Result {
    Out narrow, wide;
    int64_t elements;
  };
  float* space(int64_t elements) { return static_cast<float*>(context_.scratch(static_cast<size_t>(elements) * 4)); }
  In widened(In x, int64_t elements) {
    float* wide = space(elements);
    cast_(context_, {elements, x, wide});
    return wide;
  }
  Out later(Out y, int64_t elements) {
    results_.push_back({y, space(elements), elements});
    return results_.back().wide;
  }
  Context& context_;
  void (*cast_)(Context&, const Cast&);
  std::vector<Result> results_;
};

/// kernel(arguments) with every operand of 16 bits in f32, but for `kept`, members that the kernel reads as they are.
template <class Arguments, class Kernel, class... Kept>
void widened(Context& context, void (*cast)(Context&, const Cast&), Kernel kernel, Arguments arguments, Kept... kept) {
  Widen visitor(context, cast);
  [[maybe_unused]] const Arguments own = arguments;
  (((arguments.*kept).dtype = DType::f32), ...);  // passed over
  arguments.fields(visitor);
  ((arguments.*kept = own.*kept), ...);
  kernel(context, arguments);
  visitor.finish();
}

}  // namespace ha
