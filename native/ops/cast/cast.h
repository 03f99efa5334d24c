// The same numbers in another floating-point type, rounded to the nearest (ties to even).
#pragma once
#include "../fields.h"

namespace ha {

struct Cast {
  int64_t count;
  In x;
  Out y;
  template <class V> void fields(V& v) { v.size("count", count), v.in("x", x, count), v.out("y", y, count); }
};

}  // namespace ha
