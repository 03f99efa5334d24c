// Moving numbers without changing them.
#include "../rows.h"

namespace ha::HA_ISA {

constexpr int64_t kStep = 4096;

void fill(Context& context, const Fill& o) {
  const vf value = splat(o.value);
  parallelParts(context, (o.count + kStep - 1) / kStep, 0.1 * kStep, [&](int64_t first, int64_t last) {
    eachVector(first * kStep, minimum(last * kStep, o.count),
               [&](int64_t i, int lanes) HA_INLINED { storePart(o.y + i, value, lanes); });
  });
}

HA_INLINE void copyRun(float* target, const float* source, int64_t count) {
  if (count <= 4 * W)
    eachVector(0, count, [&](int64_t i, int lanes) HA_INLINED { storePart(target + i, loadPart(source + i, lanes), lanes); });
  else memcpy(target, source, count * sizeof(float));
}

/// Numbers of 16 bits, source and target of one type.
static void copyNarrowBlocks(Context& context, const CopyBlocks& o) {
  const bf16* source = (const bf16*)o.source.data + o.sourceOffset;
  bf16* target = (bf16*)o.target.data + o.targetOffset;
  parallelParts(context, o.blocks, 0.1 * o.run + 4, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i++) memcpy(target + i * o.targetStride, source + i * o.sourceStride, o.run * sizeof(bf16));
  });
}

void copyBlocks(Context& context, const CopyBlocks& o) {
  if (o.blocks * o.run == 0) return;
  if (o.source.dtype != DType::f32) return copyNarrowBlocks(context, o);
  const float* source = o.source + o.sourceOffset;
  float* target = o.target + o.targetOffset;
  if (o.run == 1)
    return parallelParts(context, o.blocks, 0.5, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; i++) target[i * o.targetStride] = source[i * o.sourceStride];
    });
  const int64_t pieces = (o.run + kStep - 1) / kStep;  // long runs are shared, too
  parallelParts(context, o.blocks * pieces, 0.2 * minimum(o.run, kStep) + 2, [&](int64_t first, int64_t last) {
    int64_t block = first / pieces, piece = first % pieces;
    for (int64_t i = first; i < last; i++) {
      const int64_t from = piece * kStep;
      copyRun(target + block * o.targetStride + from, source + block * o.sourceStride + from, minimum(kStep, o.run - from));
      if (++piece == pieces) piece = 0, block++;
    }
  });
}

void reverse(Context& context, const Reverse& o) {
  parallelParts(context, o.blocks * o.count, 0.2 * o.run + 2, [&](int64_t first, int64_t last) {
    for (int64_t n = first; n < last; n++) {
      const int64_t from = n + o.count - 1 - 2 * (n % o.count);
      copyRun(o.y + n * o.run, o.x + from * o.run, o.run);
    }
  });
}

/// y[c,r] = x[r,c] for one tile of at most W by W, which the registers turn.
HA_INLINE void turnTile(const float* x, int64_t xStride, float* y, int64_t yStride, int rows, int columns) {
  vf tile[W];
#pragma GCC unroll 16
  for (int i = 0; i < W; i++) tile[i] = i < rows ? loadPart(x + i * xStride, columns) : splat(0);
  transposeTile(tile);
#pragma GCC unroll 16
  for (int i = 0; i < W; i++)
    if (i < columns) storePart(y + i * yStride, tile[i], rows);
}

void transpose(Context& context, const Transpose& o) {
  constexpr int64_t kRows = 4 * W;  // rows of one strip: whole cache lines are written while they are at hand
  const int64_t strips = (o.rows + kRows - 1) / kRows;
  parallelParts(context, o.batch * strips, 0.3 * kRows * o.columns, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i++) {
      const int64_t firstRow = i % strips * kRows, lastRow = minimum(o.rows, firstRow + kRows);
      const float* x = o.x + i / strips * o.rows * o.columns;
      float* y = o.y + i / strips * o.rows * o.columns;
      for (int64_t c = 0; c < o.columns; c += W)
        for (int64_t r = firstRow; r < lastRow; r += W) {
          const int rows = (int)minimum(W, lastRow - r), columns = (int)minimum(W, o.columns - c);
          if (rows == W && columns == W) turnTile(x + r * o.columns + c, o.columns, y + c * o.rows + r, o.rows, W, W);
          else turnTile(x + r * o.columns + c, o.columns, y + c * o.rows + r, o.rows, rows, columns);
        }
    }
  });
}

}  // namespace ha::HA_ISA
