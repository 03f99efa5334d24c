#include <stdexcept>
#include "gpu.h"
namespace ha::gpu {
#define OP(name, Arguments) __attribute__((weak)) void name(Gpu&, const Arguments&) { throw std::runtime_error(#name ": no CUDA kernel yet"); }
#include "../../ops/table.def"
#undef OP
}  // namespace ha::gpu
