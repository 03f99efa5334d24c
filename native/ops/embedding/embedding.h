// y[i] = table[ids[i]], and the gradient of the table. Ids out of range are an error of the queue, not memory read astray.
#pragma once
#include "../fields.h"

namespace ha {

struct Embedding {
  int64_t count, vocabulary, width;
  const int32_t* ids;  // [count]
  In table;            // [vocabulary width]
  Out y;               // [count width]
  template <class V> void fields(V& v) {
    v.size("count", count), v.size("vocabulary", vocabulary), v.size("width", width);
    v.in("ids", ids, count), v.in("table", table, vocabulary * width), v.out("y", y, count * width);
  }
};

struct EmbeddingBackward {
  int64_t count, vocabulary, width;
  const int32_t* ids;
  In dy;       // [count width]
  Out dtable;  // [vocabulary width], rows that no id names are zero
  template <class V> void fields(V& v) {
    v.size("count", count), v.size("vocabulary", vocabulary), v.size("width", width);
    v.in("ids", ids, count), v.in("dy", dy, count * width), v.out("dtable", dtable, vocabulary * width);
  }
};

}  // namespace ha
