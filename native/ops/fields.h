// How an op names its arguments. Each op has one plain struct (in <op>/<op>.h) and one `fields` function that visits its
// members in a fixed order, sizes first. The binding reads a JavaScript call through it, 16-bit operands are widened through
// it, tests print through it, and every pointer states the number of elements behind it, so that memory is checked in
// exactly one place: kernels check nothing.
//
// A visitor has:
//   size(name, int64_t&)                  a count, ≥ 0
//   index(name, int64_t&)                 a position or an offset; −1 may mean "none"
//   number(name, float&)                  a real number
//   flag(name, bool&)                     a choice of two
//   kind(name, int32_t&)                  a choice of several (an enum of the op)
//   in(name, In&, int64_t elements)       an operand that is read; `const int32_t*&` or `const int8_t*&` for whole numbers
//   optional(name, In&, int64_t elements) the same, or absent (nullptr)
//   out(name, Out&, int64_t elements)     a result, written whole; `int32_t*&` or `int8_t*&` for whole numbers
//   optionalOut(name, Out&, int64_t)      the same, or not wanted (nullptr)
//   update(name, Out&, int64_t elements)  read and written in place
//   list(name, std::vector<Item>&)        several items, each with `fields` of its own
#pragma once
#include <cstdint>
#include <vector>
#include "../device/dtype.h"
