// The largest numbers of each row, the largest first, of equals the one with the smaller index.
#pragma once
#include <cstring>
#include "../fields.h"

#ifndef __CUDACC__
#define HA_BOTH
#else
#define HA_BOTH __host__ __device__
#endif

namespace ha {

/// values[r], indices[r]: the k largest of x[r, 0…columns−1], whose indices are offset…, and of an earlier result (`held`). So a
/// long row can come in pieces, in any order. Slots without an entry have index −1 and value 0. A NaN counts as the largest.
struct TopK {
  int64_t rows, columns, k, offset;
  bool magnitude;          // rank by |x|
  In x;                    // [rows columns]
  const int32_t* lengths;  // [rows]: indices from there on do not count
  In heldValues;           // [rows k]
  const int32_t* heldIndices;
  Out values;  // [rows k]
  int32_t* indices;
  template <class V> void fields(V& v) {
    v.size("rows", rows), v.size("columns", columns), v.size("k", k), v.size("offset", offset), v.flag("magnitude", magnitude);
    v.in("x", x, rows * columns), v.optional("lengths", lengths, rows), v.optional("heldValues", heldValues, rows * k);
    v.optional("heldIndices", heldIndices, rows * k), v.out("values", values, rows * k), v.out("indices", indices, rows * k);
  }
};

/// Entries in their order as whole numbers, the first the largest; 0 comes after all.
HA_BOTH inline uint64_t rankOf(float value, int64_t index, bool magnitude) {
  value = (magnitude && value < 0 ? -value : value) + 0.f;  // −0 is 0
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  const uint32_t order = value != value ? ~1u : bits >> 31 ? ~bits : bits | 0x80000000u;
  return static_cast<uint64_t>(order) << 32 | (0xffffffffu - static_cast<uint32_t>(index));
}

}  // namespace ha
