// A backend is one function per row of ops/table.def.
#pragma once
#include "../ops/ops.h"
#include "context.h"

namespace ha {

struct Backend {
  const char* name;
#define OP(name, Arguments) void (*name)(Context&, const Arguments&);
#include "../ops/table.def"
#undef OP
};

/// The names of the instruction-set levels that this binary holds and this processor runs, best first.
/// x86-64: v4 (AVX-512), v3 (AVX2 and FMA), v2; other processors: "base".
const Backend* cpuBackend(const char* level);  // nullptr: the best one; an unknown or unsupported level gives nullptr back
const char* const* cpuLevels();                // ends with nullptr

}  // namespace ha
