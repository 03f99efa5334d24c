// The CPU's backends, one an instruction-set level, and the choice between them.
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <cstdlib>
#include <cstring>
#include "backend.h"
#include "dots.h"
#include "widen.h"

namespace ha {

#define OP(name, Arguments) void name(Context&, const Arguments&);
#if defined(__x86_64__)
namespace cpu_v4 {
#include "../ops/table.def"
}
namespace cpu_v3 {
#include "../ops/table.def"
}
namespace cpu_v2 {
#include "../ops/table.def"
}
#else
namespace cpu_base {
#include "../ops/table.def"
}
#endif
#undef OP

namespace {

/// One row of a backend: the kernel itself, behind the widening of operands of 16 bits.
template <class Arguments, void (*kernel)(Context&, const Arguments&), void (*cast)(Context&, const Cast&)>
void row(Context& context, const Arguments& arguments) {
  // what moves numbers without looking at them, and the weights that decoding waits for, is read as it is
  if constexpr (std::is_same_v<Arguments, Embedding>)
    if (arguments.table.dtype == arguments.y.dtype) return kernel(context, arguments);
  if constexpr (std::is_same_v<Arguments, CopyBlocks>)
    if (arguments.source.dtype == arguments.target.dtype) return kernel(context, arguments);
  if constexpr (std::is_same_v<Arguments, AppendPositions>)
    if (arguments.source.dtype == arguments.cache.dtype && arguments.past.dtype == DType::f32) return kernel(context, arguments);
  if constexpr (std::is_same_v<Arguments, Matmul>) {
    if (arguments.bOffset || arguments.cOffset) return row<Arguments, kernel, cast>(context, placed(arguments));
#if defined(__x86_64__)
    if (kernel == cpu_v4::matmul && hasBf16Pairs(arguments) && bf16Dots()) return widened(context, cast, kernel, arguments, &Matmul::a, &Matmul::b);
#endif
    if (arguments.b.dtype == DType::bf16) return widened(context, cast, kernel, arguments, &Matmul::b);
  }
  if constexpr (!std::is_same_v<Arguments, Cast>)
    if (anyNarrow(arguments)) return widened(context, cast, kernel, arguments);
  kernel(context, arguments);
}

#if defined(__x86_64__)
#define OP(name, Arguments) row<Arguments, cpu_v4::name, cpu_v4::cast>,
const Backend v4{"v4",
#include "../ops/table.def"
};
#undef OP
#define OP(name, Arguments) row<Arguments, cpu_v3::name, cpu_v3::cast>,
const Backend v3{"v3",
#include "../ops/table.def"
};
#undef OP
#define OP(name, Arguments) row<Arguments, cpu_v2::name, cpu_v2::cast>,
const Backend v2{"v2",
#include "../ops/table.def"
};
#undef OP
// tested one by one: clang has no __builtin_cpu_supports("x86-64-v4")
bool runs(const Backend& level) {
  const bool has3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  if (&level == &v4)
    return has3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
  if (&level == &v3) return has3;
  return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
}
const Backend* const all[] = {&v4, &v3, &v2};
#else
#define OP(name, Arguments) row<Arguments, cpu_base::name, cpu_base::cast>,
const Backend base{"base",
#include "../ops/table.def"
};
#undef OP
bool runs(const Backend&) { return true; }
const Backend* const all[] = {&base};
#endif

}  // namespace

const Backend* cpuBackend(const char* level) {
  for (const Backend* backend : all)
    if (runs(*backend) && (!level || !std::strcmp(level, backend->name))) return backend;
  return nullptr;
}

namespace {
/// The choice of HIDDEN_ATTENTION_DOTS.
bool dotsAre(const char* word) {
  static const char* const choice = std::getenv("HIDDEN_ATTENTION_DOTS");
  return choice && !std::strcmp(choice, word);
}
}  // namespace

bool int8Dots(int bytes) {
  static const bool wanted = !dotsAre("0");
#if defined(__x86_64__)
  static const bool avx2 = [] {  // AVX-VNNI
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4);
  }();
  return wanted && (bytes == 64 ? __builtin_cpu_supports("avx512vnni") : avx2);
#else
  return wanted && bytes == 16;
#endif
}

bool bf16Dots() {
#if defined(__x86_64__)
  static const bool has = __builtin_cpu_supports("avx512bf16") && !dotsAre("0") && (__builtin_cpu_is("amd") || dotsAre("all"));
  return has;
#else
  return false;
#endif
}

const char* const* cpuLevels() {
  static const char* names[sizeof(all) / sizeof(*all) + 1];
  int count = 0;
  for (const Backend* backend : all)
    if (runs(*backend)) names[count++] = backend->name;
  names[count] = nullptr;
  return names;
}

}  // namespace ha
