// Moving numbers without changing them. `fill` sets them.
#pragma once
#include "../fields.h"

namespace ha {

struct Fill {
  int64_t count;
  float value;
  Out y;
  template <class V> void fields(V& v) { v.size("count", count), v.number("value", value), v.out("y", y, count); }
};

/// `blocks` runs of `run` numbers: target[targetOffset + i·targetStride + j] = source[sourceOffset + i·sourceStride + j].
/// Splits, slices and concatenations along any axis. A stride of 0 in the source repeats one run.
struct CopyBlocks {
  int64_t blocks, run, sourceOffset, sourceStride, sourceCount, targetOffset, targetStride, targetCount;
  In source;   // [sourceCount]
  Out target;  // [targetCount], the rest of it is left as it is
  template <class V> void fields(V& v) {
    v.size("blocks", blocks), v.size("run", run), v.size("sourceOffset", sourceOffset), v.size("sourceStride", sourceStride);
    v.size("sourceCount", sourceCount), v.size("targetOffset", targetOffset), v.size("targetStride", targetStride);
    v.size("targetCount", targetCount), v.in("source", source, sourceCount), v.update("target", target, targetCount);
  }
};

/// y[b,i,j] = x[b,count−1−i,j]: an axis the other way round.
struct Reverse {
  int64_t blocks, count, run;
  In x;
  Out y;  // other memory than x
  template <class V> void fields(V& v) {
    v.size("blocks", blocks), v.size("count", count), v.size("run", run);
    v.in("x", x, blocks * count * run), v.out("y", y, blocks * count * run);
  }
};

/// y[b,c,r] = x[b,r,c]
struct Transpose {
  int64_t batch, rows, columns;
  In x;
  Out y;
  template <class V> void fields(V& v) {
    v.size("batch", batch), v.size("rows", rows), v.size("columns", columns);
    v.in("x", x, batch * rows * columns), v.out("y", y, batch * rows * columns);
  }
};

}  // namespace ha
