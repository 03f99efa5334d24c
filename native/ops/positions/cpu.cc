// Numbers of positions, appending to a cache, and turning pairs by angles that grow with the position.
#include "../../device/fail.h"
#include "../rows.h"

namespace ha::HA_ISA {

void positionIds(Context&, const PositionIds& o) {
  for (int64_t b = 0; b < o.batch; b++)
    for (int64_t i = 0; i < o.length; i++) o.ids[b * o.length + i] = (int32_t)((o.past.data ? (int64_t)o.past[b] : 0) + i);
}

void appendPositions(Context& context, const AppendPositions& o) {
  for (int64_t b = 0; b < o.batch; b++) {
    const int64_t past = (int64_t)o.past[b], count = o.lengths ? minimum(o.lengths[b], o.length) : o.length;
    if (past < 0 || past + count > o.capacity)
      fail("appendPositions: row %lld goes on from position %lld by %lld; the cache has room for %lld", (long long)b, (long long)past, (long long)count, (long long)o.capacity);
  }
  const int64_t row = o.width * bytesOf(o.source.dtype);  // source and cache have one type
  parallelParts(context, o.batch * o.length, 0.2 * o.width + 5, [&](int64_t first, int64_t last) {
    for (int64_t n = first; n < last; n++) {
      const int64_t b = n / o.length, i = n % o.length;
      if (o.lengths && i >= o.lengths[b]) continue;
      memcpy((char*)o.cache.data + (b * o.capacity + (int64_t)o.past[b] + i) * row, (const char*)o.source.data + n * row, row);
    }
  });
}

void rotate(Context& context, const Rotate& o) {
  const int64_t positions = o.batch * o.length, row = o.heads * o.width;
  float* angles = (float*)context.scratch((positions * 2 * o.pairs + 1) * sizeof(float));
  parallelParts(context, positions, 40.0 * o.pairs + 0.5 * row, [&](int64_t first, int64_t last) {
    for (int64_t n = first; n < last; n++) {
      const double position = (o.past.data ? (double)o.past[n / o.length] : 0) + (double)(n % o.length);
      float *cosines = angles + n * 2 * o.pairs, *sines = cosines + o.pairs;
      for (int64_t c = 0; c < o.pairs; c++) {
        const double angle = position * __builtin_exp2(-(double)c / (double)o.pairs * __builtin_log2((double)o.base));
        cosines[c] = (float)__builtin_cos(angle);
        sines[c] = (float)(o.inverse ? -__builtin_sin(angle) : __builtin_sin(angle));
      }
      for (int64_t h = 0; h < o.heads; h++) {
        const float* x = o.x + n * row + h * o.width;
        float* y = o.y + n * row + h * o.width;
        eachVector(0, o.pairs, [&](int64_t c, int lanes) HA_INLINED {
          const vf a = loadPart(x + c, lanes), b = loadPart(x + o.pairs + c, lanes), cosine = loadPart(cosines + c, lanes), sine = loadPart(sines + c, lanes);
          storePart(y + c, a * cosine - b * sine, lanes);
          storePart(y + o.pairs + c, b * cosine + a * sine, lanes);
        });
        for (int64_t c = 2 * o.pairs; c < o.width; c++) y[c] = x[c];
      }
    }
  });
}

}  // namespace ha::HA_ISA
