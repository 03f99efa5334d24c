// What depends on where in its text a position stands: position i of row b of a batch is number past[b] + i of its text.
#pragma once
#include "../fields.h"

namespace ha {

/// ids[b,i] = past[b] + i: the rows of a table of learned positions.
struct PositionIds {
  int64_t batch, length;
  In past;  // [batch], whole numbers; zeros when absent
  int32_t* ids;  // [b l]
  template <class V> void fields(V& v) {
    v.size("batch", batch), v.size("length", length), v.optional("past", past, batch), v.out("ids", ids, batch * length);
  }
};

/// cache[b, past[b] + i] = source[b, i] for the first lengths[b] positions: what attention keeps of a text. The rest of the
/// cache is left as it is; a position that it has no room for is an error of the queue.
struct AppendPositions {
  int64_t batch, length, capacity, width;
  In past;                 // [batch]
  const int32_t* lengths;  // [batch]: positions of a row that count; all of them when absent
  In source;               // [b l w]
  Out cache;               // [b capacity w]
  template <class V> void fields(V& v) {
    v.size("batch", batch), v.size("length", length), v.size("capacity", capacity), v.size("width", width), v.in("past", past, batch);
    v.optional("lengths", lengths, batch), v.in("source", source, batch * length * width), v.update("cache", cache, batch * capacity * width);
  }
};

/// Rotary position embedding: the first 2·pairs numbers of every head are turned in pairs (c, c + pairs) by the angle
/// (past[b] + i)·base^(−c/pairs), or back with `inverse`, which is the gradient; the other numbers stay.
struct Rotate {
  int64_t batch, length, heads, width, pairs;
  float base;
  bool inverse;
  In past;  // [batch]; zeros when absent
  In x;     // [b l h p]
  Out y;
  template <class V> void fields(V& v) {
    v.size("batch", batch), v.size("length", length), v.size("heads", heads), v.size("width", width), v.size("pairs", pairs);
    v.number("base", base), v.flag("inverse", inverse), v.optional("past", past, batch);
    v.in("x", x, batch * length * heads * width), v.out("y", y, batch * length * heads * width);
  }
};

}  // namespace ha
