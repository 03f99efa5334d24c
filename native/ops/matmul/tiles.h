// The matrix product in tiles of up to 6 rows by 4 vectors of columns in registers, over a packed right factor and slabs of the inner
// axis: the packed panel streams from the second cache, six rows of the left factor stay in the first. A right factor that is stored
// in fewer bits is widened while it is packed.
#pragma once
#include "../rows.h"

namespace ha::HA_ISA {

constexpr int kRows = 6;                       // of a tile
constexpr int kVectors = W == 16 ? 4 : 2;      // of columns of a tile: 24 sums in 32 registers, or 12 in 16
constexpr int64_t kColumns = kVectors * W;
constexpr int64_t kDepth = 768;                // of the inner axis at a time, at most: c is read and written once for each
constexpr int64_t kSlabUnit = 32;              // slabs begin at multiples of it: no group of a weight in int8 is cut
constexpr int64_t kBlockRows = 24 * kRows;     // rows whose slab stays in the second cache
constexpr int64_t kPanelRows = 6 * kBlockRows; // up to which a panel is packed by whoever multiplies with it, and by nobody else
constexpr int64_t kStripColumns = 4096, kStripRows = 28 * kBlockRows;  // packed at a time: 12 MB each
constexpr int64_t kWorthPacking = 256;         // rows, from which the right factor is packed even if it lies well
constexpr double kNanoseconds = 0.13 / W;      // of one multiply-add

/// A right factor of T, numbers `pitch` apart from row to row.
template <class T>
struct Numbers {
  static constexpr bool kWide = sizeof(T) == sizeof(float);  // may be multiplied with where it lies
  const T* b;
  int64_t pitch;
  HA_INLINED vf at(int64_t row, int64_t p) const { return load(b + row * pitch + p); }
  HA_INLINED vf part(int64_t row, int64_t p, int lanes) const { return loadPart(b + row * pitch + p, lanes); }
  HA_INLINED const float* place(int64_t row, int64_t p) const { return kWide ? (const float*)(const void*)(b + row * pitch + p) : nullptr; }
};

/// What lanes of 32 bits hold, and how they are multiplied and added to sums in f32: numbers in f32, or pairs in bf16 along the inner axis.
struct Singles {
  HA_INLINED static vf add(vf sum, vf a, vf b) { return fma(a, b, sum); }
};
#if defined(__AVX512F__)
/// For processors that `bf16Dots` (device/dots.h) names. Numbers too small for a normal bf16 count as zero.
struct Bf16Pairs {
  HA_INLINED static vf add(vf sum, vf a, vf b) {
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
  }
};
#endif

/// One tile: c (+)= a·b + bias over `depth`, a(i,p) = a[i·aRow + p·aStep], b(p,j) = b[p·bStep + j].
template <class Terms>
struct TileOf {
  int64_t depth;
  const float* a;
  int64_t aRow, aStep;
  const float* b;
  int64_t bStep;
  float* c;
  int64_t cRow;
  const float* bias;
  bool add;   // to c
  int lanes;  // of the last vector
  static constexpr int kRows = ha::HA_ISA::kRows, kVectors = ha::HA_ISA::kVectors;
  /// One of R rows by V vectors.
  template <int R, int V>
  static void multiply(const TileOf& t);
};
using Tile = TileOf<Singles>;

template <class Terms>
template <int R, int V>
void TileOf<Terms>::multiply(const TileOf& t) {
  vf sum[R][V] = {};
  // two row pointers and one stride address six rows
  const float *a = t.a, *a3 = t.a + 3 * t.aRow, *b = t.b;
  const int64_t aRow = t.aRow;
#pragma GCC unroll 6
  for (int i = 0; i < R; i++)
#pragma GCC unroll 4
    for (int j = 0; j < V; j++) __builtin_prefetch(t.c + i * t.cRow + j * W, 1);
  for (int64_t p = 0; p < t.depth; p++) {
    vf right[V];
#pragma GCC unroll 4
    for (int j = 0; j < V; j++) right[j] = load(b + j * W);
#pragma GCC unroll 6
    for (int i = 0; i < R; i++) {
      const vf left = splat(i < 3 ? a[i * aRow] : a3[(i - 3) * aRow]);
#pragma GCC unroll 4
      for (int j = 0; j < V; j++) sum[i][j] = Terms::add(sum[i][j], left, right[j]);
    }
    a += t.aStep, a3 += t.aStep, b += t.bStep;
  }
#pragma GCC unroll 6
  for (int i = 0; i < R; i++)
#pragma GCC unroll 4
    for (int j = 0; j < V; j++) {
      float* c = t.c + i * t.cRow + j * W;
      const int lanes = j == V - 1 ? t.lanes : W;
      vf total = sum[i][j];
      if (t.bias) total += loadPart(t.bias + j * W, lanes);
      if (t.add) total += loadPart(c, lanes);
      storePart(c, total, lanes);
    }
}

/// T::multiply for so many rows and vectors.
template <class T, int R>
HA_INLINE auto tileOfRows(int vectors) -> void (*)(const T&) {
  switch (vectors) {
    case 1: return T::template multiply<R, 1>;
    case 2: return T::template multiply<R, 2>;
    case 3: return T::template multiply<R, T::kVectors == 4 ? 3 : 1>;
    default: return T::template multiply<R, T::kVectors>;
  }
}
template <class T>
HA_INLINE auto tileFunction(int64_t rows, int vectors) -> void (*)(const T&) {
  constexpr bool six = T::kRows == 6;
  switch (rows) {
    case 1: return tileOfRows<T, 1>(vectors);
    case 2: return tileOfRows<T, 2>(vectors);
    case 3: return tileOfRows<T, 3>(vectors);
    case 4: return tileOfRows<T, six ? 4 : 1>(vectors);
    case 5: return tileOfRows<T, six ? 5 : 1>(vectors);
    default: return tileOfRows<T, T::kRows>(vectors);
  }
}

// --- packing

/// Columns first…first+vectors·W−1 of rows from…to−1 of b [k n] as [depth][columns], zeros past n.
template <class Right>
HA_INLINE void packColumns(const Right& b, int64_t n, int64_t first, int vectors, int64_t from, int64_t to, float* packed) {
  for (int64_t p = from; p < to; p++)
    for (int v = 0; v < vectors; v++, packed += W) {
      const int64_t column = first + v * W;
      store(packed, column + W <= n ? b.at(p, column) : b.part(p, column, (int)maximum(0, n - column)));
    }
}

/// The same of b [n k]: tiles of W by W are turned.
template <class Right>
HA_INLINE void packTurned(const Right& b, int64_t n, int64_t first, int vectors, int64_t from, int64_t to, float* packed) {
  const int64_t step = vectors * W;
  for (int v = 0; v < vectors; v++) {
    const int64_t row = first + v * W;
    const int valid = (int)minimum(W, n - row);
    float* target = packed + v * W;
    for (int64_t p = from; p < to; p += W, target += W * step) {
      const int lanes = (int)minimum(W, to - p);
      vf tile[W];
      if (valid == W && lanes == W)
#pragma GCC unroll 16
        for (int i = 0; i < W; i++) tile[i] = b.at(row + i, p);
      else
        for (int i = 0; i < W; i++) tile[i] = i < valid ? b.part(row + i, p, lanes) : splat(0);
      transposeTile(tile);
      if (lanes == W)
#pragma GCC unroll 16
        for (int i = 0; i < W; i++) store(target + i * step, tile[i]);
      else
        for (int i = 0; i < lanes; i++) store(target + i * step, tile[i]);
    }
  }
}

/// Rows firstRow…lastRow−1 of aᵀ [k m] as [depth][rows].
HA_INLINE void packRows(const float* a, int64_t m, int64_t firstRow, int64_t lastRow, int64_t from, int64_t to, float* packed) {
  const int64_t rows = lastRow - firstRow;
  for (int64_t p = from; p < to; p++, packed += rows) {
    const float* source = a + p * m + firstRow;
    if (rows == kRows) memcpy(packed, source, kRows * sizeof(float));
    else
      for (int64_t i = 0; i < rows; i++) packed[i] = source[i];
  }
}

// --- tiles

/// The rows in panels of at most kRows, the columns in panels of at most kVectors vectors, each as even as can be.
struct Panels {
  int64_t count, units;  // units: rows or vectors
  Panels(int64_t units, int64_t most) : count((units + most - 1) / most), units(units) {}
  Span operator[](int64_t panel) const { return share(units, panel, count); }
};

/// The inner axis in slabs of at most kDepth.
struct Slabs {
  Panels panels;
  int64_t k;
  explicit Slabs(int64_t k) : panels(k == 0 ? 1 : (k + kSlabUnit - 1) / kSlabUnit, kDepth / kSlabUnit), k(k) {}
  int64_t count() const { return panels.count; }
  int64_t longest() const { return (panels.units + panels.count - 1) / panels.count * kSlabUnit; }
  Span operator[](int64_t slab) const {
    const Span units = panels[slab];
    return {minimum(k, units.first * kSlabUnit), minimum(k, units.last * kSlabUnit)};
  }
};

/// A product in tiles: what is packed of the strip and slab at hand, and how its tiles are done.
template <class Right, class Terms>
struct TiledProduct {
  const Matmul& o;
  const Right& right;
  Panels rows, columns;
  Slabs slabs;
  bool packAll;           // of the right factor; else only a last panel that ends inside a vector
  float *packedA, *packedB;
  int64_t from, to;       // the slab of the inner axis
  int64_t firstRowPanel, firstColumnPanel;  // the strips

  bool packs(int64_t columnPanel) const { return packAll || (o.n % W != 0 && columnPanel == columns.count - 1); }
  float* packedColumns(int64_t panel) const { return packedB + (packAll ? panel - firstColumnPanel : 0) * slabs.longest() * kColumns; }
  float* packedRows(int64_t panel) const { return packedA + (panel - firstRowPanel) * slabs.longest() * kRows; }

  void packColumnPanel(int64_t index, float* packed) const {
    const Span panel = columns[index];
    const int width = (int)(panel.last - panel.first);
    if (o.transposeB) packTurned(right, o.n, panel.first * W, width, from, to, packed);
    else packColumns(right, o.n, panel.first * W, width, from, to, packed);
  }
  void packRowPanel(int64_t index) const { packRows(o.a, o.m, rows[index].first, rows[index].last, from, to, packedRows(index)); }

  /// The tiles of some panels of rows and one of columns, packed at `packed`: six rows of a are read again and again.
  void multiplyPanel(Span rowPanels, int64_t j, const float* packed) const {
    const Span panel = columns[j];
    const int64_t width = panel.last - panel.first, column = panel.first * W;
    TileOf<Terms> tile;
    tile.depth = to - from;
    tile.b = packed ? packed : right.place(from, column);
    tile.bStep = packed ? width * W : o.n;
    tile.cRow = o.n;
    tile.bias = o.bias && from == 0 ? o.bias + column : nullptr;
    tile.add = o.accumulate || from > 0;
    tile.lanes = (int)(minimum(o.n, panel.last * W) - (panel.last - 1) * W);
    for (int64_t i = rowPanels.first; i < rowPanels.last; i++) {
      const Span rowPanel = rows[i];
      const int64_t height = rowPanel.last - rowPanel.first;
      tile.a = o.transposeA ? packedRows(i) : o.a + rowPanel.first * o.k + from;
      tile.aRow = o.transposeA ? 1 : o.k;
      tile.aStep = o.transposeA ? height : 1;
      tile.c = o.c + rowPanel.first * o.n + column;
      tileFunction<TileOf<Terms>>(height, (int)width)(tile);
    }
  }
  void multiply(Span rowPanels, Span columnPanels) const {
    for (int64_t j = columnPanels.first; j < columnPanels.last; j++) multiplyPanel(rowPanels, j, packs(j) ? packedColumns(j) : nullptr);
  }
  void setSlab(int64_t slab) { from = slabs[slab].first, to = slabs[slab].last; }
};

/// One strip of rows by one strip of columns over one slab, its right factor packed already.
template <class Product>
HA_INLINE void multiplyStrip(Context& context, const Product& p, int64_t rowPanels, int64_t columnPanels) {
  const int64_t depth = p.to - p.from;
  if (p.o.transposeA)
    parallelParts(context, rowPanels, 0.3 * depth * kRows, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; i++) p.packRowPanel(p.firstRowPanel + i);
    });
  const int64_t blocks = (rowPanels * kRows + kBlockRows - 1) / kBlockRows;
  const int64_t wanted = chunkCount(context, rowPanels * columnPanels, kNanoseconds * kRows * kColumns * depth);
  const int64_t parts = minimum(columnPanels, (wanted + blocks - 1) / blocks);
  const auto chunk = [&](int64_t index) {
    const Span block = share(rowPanels, index / parts, blocks), part = share(columnPanels, index % parts, parts);
    p.multiply({p.firstRowPanel + block.first, p.firstRowPanel + block.last},
               {p.firstColumnPanel + part.first, p.firstColumnPanel + part.last});
  };
  if (wanted > 1) return parallel(context, blocks * parts, chunk);
  for (int64_t index = 0; index < blocks * parts; index++) chunk(index);
}

/// Each panel of columns is packed, in `bytes` of the second cache of whoever multiplies a block of rows with it at once.
template <class Product>
static void multiplyByPanels(Context& context, const Product& shared, int64_t blocks, int64_t bytes, double nanoseconds) {
  parallelParts(context, shared.columns.count * blocks, nanoseconds, [&](int64_t first, int64_t last) {
    Product p = shared;
    void* packed = context.chunkScratch(bytes);
    for (int64_t index = first; index < last; index++)
      for (int64_t slab = 0; slab < p.slabs.count(); slab++) {
        p.setSlab(slab);
        p.packColumnPanel(index / blocks, static_cast<float*>(packed));
        p.multiplyPanel(share(p.rows.count, index % blocks, blocks), index / blocks, static_cast<float*>(packed));
      }
  });
}

/// `right` is b, whatever it is stored in; a and it hold Terms.
template <class Terms = Singles, class Right>
static void multiplyInTiles(Context& context, const Matmul& o, const Right& right) {
  TiledProduct<Right, Terms> p{o, right, {o.m, kRows}, {(o.n + W - 1) / W, kVectors}, Slabs(o.k), o.transposeB || !Right::kWide || o.m >= kWorthPacking};
  // few rows, many columns
  if (p.packAll && !o.transposeA && o.m <= kPanelRows && p.columns.count >= 4 * context.threads())
    return multiplyByPanels(context, p, 1, p.slabs.longest() * kColumns * sizeof(float), o.k * kColumns * (kNanoseconds * o.m + 0.3));
  const int64_t stripColumns = minimum(p.columns.count, kStripColumns / kColumns);
  const int64_t stripRows = o.transposeA ? minimum(p.rows.count, kStripRows / kRows) : p.rows.count;
  p.packedB = static_cast<float*>(context.scratch((p.packAll ? stripColumns : 1) * p.slabs.longest() * kColumns * sizeof(float)));
  if (o.transposeA) p.packedA = static_cast<float*>(context.scratch(stripRows * p.slabs.longest() * kRows * sizeof(float)));

  for (int64_t& panel = p.firstColumnPanel; panel < p.columns.count; panel += stripColumns) {
    const int64_t columnPanels = minimum(stripColumns, p.columns.count - panel);
    for (int64_t slab = 0; slab < p.slabs.count(); slab++) {
      p.setSlab(slab);
      parallelParts(context, columnPanels, p.packAll ? 0.3 * (p.to - p.from) * kColumns : 1, [&](int64_t first, int64_t last) {
        for (int64_t j = panel + first; j < panel + last; j++)
          if (p.packs(j)) p.packColumnPanel(j, p.packedColumns(j));
      });
      for (p.firstRowPanel = 0; p.firstRowPanel < p.rows.count; p.firstRowPanel += stripRows)
        multiplyStrip(context, p, minimum(stripRows, p.rows.count - p.firstRowPanel), columnPanels);
    }
  }
}

}  // namespace ha::HA_ISA
