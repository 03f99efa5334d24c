// The matrix product, three ways to the same sums:
//   - tiles of up to 6 rows by 4 vectors of columns in registers, over a packed right factor and slabs of the inner
//     axis: the packed panel streams from the second cache, six rows of the left factor stay in the first;
//   - the same tiles on the factors as they lie, where packing would cost more than it saves;
//   - dot products, where both factors run along the inner axis and one of them has few rows (decoding: one position at a
//     time times a weight that comes from memory).
#include "../rows.h"

namespace ha::HA_ISA {

constexpr int kRows = 6;                       // of a tile
constexpr int kVectors = W == 16 ? 4 : 2;      // of columns of a tile: 24 sums in 32 registers, or 12 in 16
constexpr int64_t kColumns = kVectors * W;
constexpr int64_t kDepth = 768;                // of the inner axis at a time, at most: c is read and written once for each
constexpr int64_t kBlockRows = 24 * kRows;     // rows whose slab stays in the second cache
constexpr int64_t kStripColumns = 4096, kStripRows = 28 * kBlockRows;  // packed at a time: 12 MB each
constexpr int64_t kWorthPacking = 256;         // rows, from which the right factor is packed even if it lies well
constexpr int64_t kDots = W == 16 ? 64 : 128;  // rows of the smaller factor, up to which dot products win
constexpr double kNanoseconds = 0.13 / W;      // of one multiply-add

/// One tile: c (+)= a·b + bias over `depth`, a(i,p) = a[i·aRow + p·aStep], b(p,j) = b[p·bStep + j].
struct Tile {
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
};

template <int R, int V>
static void multiplyTile(const Tile& t) {
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
      for (int j = 0; j < V; j++) sum[i][j] = fma(left, right[j], sum[i][j]);
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

using TileFunction = void (*)(const Tile&);
template <int R>
HA_INLINE TileFunction tileOfRows(int vectors) {
  switch (vectors) {
    case 1: return multiplyTile<R, 1>;
    case 2: return multiplyTile<R, 2>;
    case 3: return multiplyTile<R, kVectors == 4 ? 3 : 1>;
    default: return multiplyTile<R, kVectors>;
  }
}
HA_INLINE TileFunction tileFunction(int64_t rows, int vectors) {
  switch (rows) {
    case 1: return tileOfRows<1>(vectors);
    case 2: return tileOfRows<2>(vectors);
    case 3: return tileOfRows<3>(vectors);
    case 4: return tileOfRows<4>(vectors);
    case 5: return tileOfRows<5>(vectors);
    default: return tileOfRows<6>(vectors);
  }
}

// --- packing

/// Columns first…first+vectors·W−1 of rows from…to−1 of b [k n] as [depth][columns], zeros past n.
HA_INLINE void packColumns(const float* b, int64_t n, int64_t first, int vectors, int64_t from, int64_t to, float* packed) {
  for (int64_t p = from; p < to; p++)
    for (int v = 0; v < vectors; v++, packed += W) {
      const int64_t column = first + v * W;
      store(packed, column + W <= n ? load(b + p * n + column) : loadPart(b + p * n + column, (int)maximum(0, n - column)));
    }
}

/// The same of b [n k]: tiles of W by W are turned.
HA_INLINE void packTurned(const float* b, int64_t n, int64_t k, int64_t first, int vectors, int64_t from, int64_t to, float* packed) {
  const int64_t step = vectors * W;
  for (int v = 0; v < vectors; v++) {
    const float* rows = b + (first + v * W) * k;
    const int valid = (int)minimum(W, n - (first + v * W));
    float* target = packed + v * W;
    int64_t p = from;
    if (valid == W)
      for (; p + W <= to; p += W, target += W * step) {
        vf tile[W];
#pragma GCC unroll 16
        for (int i = 0; i < W; i++) tile[i] = load(rows + i * k + p);
        transposeTile(tile);
#pragma GCC unroll 16
        for (int i = 0; i < W; i++) store(target + i * step, tile[i]);
      }
    for (; p < to; p++, target += step)
      for (int i = 0; i < W; i++) target[i] = i < valid ? rows[i * k + p] : 0;
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
  Span operator[](int64_t panel) const { return share(units, panel, count); }
};

/// A product in tiles: what is packed of the strip and slab at hand, and how its tiles are done.
struct TiledProduct {
  const Matmul& o;
  Panels rows, columns;
  bool packAll;           // of the right factor; else only a last panel that ends inside a vector
  int64_t depthMost;      // of a slab
  float *packedA, *packedB;
  int64_t from, to;       // the slab of the inner axis
  int64_t firstRowPanel, firstColumnPanel;  // the strips

  bool packs(int64_t columnPanel) const { return packAll || (o.n % W != 0 && columnPanel == columns.count - 1); }
  float* packedColumns(int64_t panel) const { return packedB + (packAll ? panel - firstColumnPanel : 0) * depthMost * kColumns; }
  float* packedRows(int64_t panel) const { return packedA + (panel - firstRowPanel) * depthMost * kRows; }

  void packColumnPanel(int64_t index) const {
    const Span panel = columns[index];
    const int width = (int)(panel.last - panel.first);
    if (o.transposeB) packTurned(o.b, o.n, o.k, panel.first * W, width, from, to, packedColumns(index));
    else packColumns(o.b, o.n, panel.first * W, width, from, to, packedColumns(index));
  }
  void packRowPanel(int64_t index) const { packRows(o.a, o.m, rows[index].first, rows[index].last, from, to, packedRows(index)); }

  /// The tiles of some panels of rows and some of columns: six rows of a are read again and again, so are the block's rows.
  void multiply(Span rowPanels, Span columnPanels) const {
    for (int64_t j = columnPanels.first; j < columnPanels.last; j++) {
      const Span panel = columns[j];
      const int64_t width = panel.last - panel.first, column = panel.first * W;
      Tile tile;
      tile.depth = to - from;
      tile.b = packs(j) ? packedColumns(j) : o.b + from * o.n + column;
      tile.bStep = packs(j) ? width * W : o.n;
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
        tileFunction(height, (int)width)(tile);
      }
    }
  }
};

/// One strip of rows by one strip of columns over one slab, its right factor packed already.
HA_INLINE void multiplyStrip(Context& context, const TiledProduct& p, int64_t rowPanels, int64_t columnPanels) {
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

static void multiplyInTiles(Context& context, const Matmul& o) {
  const int64_t vectors = (o.n + W - 1) / W, slabs = maximum(1, (o.k + kDepth - 1) / kDepth);
  TiledProduct p{o, {(o.m + kRows - 1) / kRows, o.m}, {(vectors + kVectors - 1) / kVectors, vectors},
                 o.transposeB || o.m >= kWorthPacking, (o.k + slabs - 1) / slabs};
  const int64_t stripColumns = minimum(p.columns.count, kStripColumns / kColumns);
  const int64_t stripRows = o.transposeA ? minimum(p.rows.count, kStripRows / kRows) : p.rows.count;
  p.packedB = static_cast<float*>(context.scratch((p.packAll ? stripColumns : 1) * p.depthMost * kColumns * sizeof(float)));
  if (o.transposeA) p.packedA = static_cast<float*>(context.scratch(stripRows * p.depthMost * kRows * sizeof(float)));

  for (int64_t& panel = p.firstColumnPanel; panel < p.columns.count; panel += stripColumns) {
    const int64_t columnPanels = minimum(stripColumns, p.columns.count - panel);
    for (int64_t slab = 0; slab < slabs; slab++) {
      p.from = o.k * slab / slabs, p.to = o.k * (slab + 1) / slabs;
      parallelParts(context, columnPanels, p.packAll ? 0.3 * (p.to - p.from) * kColumns : 1, [&](int64_t first, int64_t last) {
        for (int64_t j = panel + first; j < panel + last; j++)
          if (p.packs(j)) p.packColumnPanel(j);
      });
      for (p.firstRowPanel = 0; p.firstRowPanel < p.rows.count; p.firstRowPanel += stripRows)
        multiplyStrip(context, p, minimum(stripRows, p.rows.count - p.firstRowPanel), columnPanels);
    }
  }
}

// --- dot products

/// out(s,h) (+)= streamed_s·held_h + bias: `streamed` has many rows, of T, `held` few; both run along k.
template <class T>
struct Dots {
  int64_t k;
  const T* streamed;
  const float* held;
  float* out;
  int64_t outStreamed, outHeld;                // strides of out
  const float *biasOfStreamed, *biasOfHeld;  // one of them, or none
  bool add;
};

template <int S, int H, class T>
static void dotTile(const Dots<T>& t, int64_t firstStreamed, int64_t firstHeld) {
  constexpr int kChains = S * H <= 4 ? 2 : 1;
  const int64_t ahead = S * t.k <= 8192 ? S * t.k : 16 * W;  // prefetch the next tile, or this one where rows are long
  vf sums[kChains][S][H] = {};
  const T* streamed = t.streamed + firstStreamed * t.k;
  const float* held = t.held + firstHeld * t.k;
  const auto step = [&](int64_t p, int lanes, int chain) HA_INLINED {
    vf x[H];
#pragma GCC unroll 6
    for (int h = 0; h < H; h++) x[h] = loadPart(held + h * t.k + p, lanes);
#pragma GCC unroll 4
    for (int s = 0; s < S; s++) {
      const T* row = streamed + s * t.k + p;
      __builtin_prefetch(row + ahead);
      const vf w = loadPart(row, lanes);
#pragma GCC unroll 6
      for (int h = 0; h < H; h++) sums[chain][s][h] = fma(w, x[h], sums[chain][s][h]);
    }
  };
  int64_t p = 0;
  for (; p + kChains * W <= t.k; p += kChains * W)
#pragma GCC unroll 2
    for (int chain = 0; chain < kChains; chain++) step(p + chain * W, W, chain);
  for (; p < t.k; p += W) step(p, (int)minimum(W, t.k - p), 0);
#pragma GCC unroll 4
  for (int s = 0; s < S; s++)
#pragma GCC unroll 6
    for (int h = 0; h < H; h++) {
      float* out = t.out + (firstStreamed + s) * t.outStreamed + (firstHeld + h) * t.outHeld;
      float total = sum(kChains == 2 ? sums[0][s][h] + sums[kChains - 1][s][h] : sums[0][s][h]);
      if (t.biasOfStreamed) total += t.biasOfStreamed[firstStreamed + s];
      if (t.biasOfHeld) total += t.biasOfHeld[firstHeld + h];
      *out = t.add ? *out + total : total;
    }
}

constexpr int kStreamed = 4, kHeld = W == 16 ? 6 : 3;  // of a tile of dot products

template <int S, class T>
HA_INLINE void dotPanel(const Dots<T>& t, int64_t streamed, int64_t held, int64_t count) {
  switch (count) {
    case 1: return dotTile<S, 1>(t, streamed, held);
    case 2: return dotTile<S, 2>(t, streamed, held);
    case 3: return dotTile<S, 3>(t, streamed, held);
    case 4: return dotTile<S, kHeld == 6 ? 4 : 1>(t, streamed, held);
    case 5: return dotTile<S, kHeld == 6 ? 5 : 1>(t, streamed, held);
    default: return dotTile<S, kHeld>(t, streamed, held);
  }
}

template <class T>
static void multiplyDots(Context& context, const Dots<T>& t, int64_t streamed, int64_t held) {
  const int64_t panels = (held + kHeld - 1) / kHeld;
  const double cost = maximum(1, held) * kNanoseconds * 1.5 + 0.02 * sizeof(T);
  parallelParts(context, (streamed + kStreamed - 1) / kStreamed, cost * t.k * kStreamed, [&](int64_t first, int64_t last) {
    const int64_t end = minimum(streamed, last * kStreamed);
    for (int64_t s = first * kStreamed; s < end; s += kStreamed)
      for (int64_t i = 0; i < panels; i++) {
        const Span panel = share(held, i, panels);
        if (s + kStreamed <= end) dotPanel<kStreamed>(t, s, panel.first, panel.last - panel.first);
        else
          for (int64_t one = s; one < end; one++) dotPanel<1>(t, one, panel.first, panel.last - panel.first);
      }
  });
}

static void multiplyByDots(Context& context, const Matmul& o) {
  if (readsNarrowWeight(o)) multiplyDots<bf16>(context, {o.k, (const bf16*)o.b.data, o.a, o.c, 1, o.n, o.bias, nullptr, o.accumulate}, o.n, o.m);
  else if (o.n >= o.m) multiplyDots<float>(context, {o.k, o.b, o.a, o.c, 1, o.n, o.bias, nullptr, o.accumulate}, o.n, o.m);
  else multiplyDots<float>(context, {o.k, o.a, o.b, o.c, o.n, 1, nullptr, o.bias, o.accumulate}, o.m, o.n);
}

void matmul(Context& context, const Matmul& call) {
  if (call.m * call.n == 0) return;
  Matmul o = call;
  if (o.m == 1) o.transposeA = false;  // [k 1] and [1 k] lie alike
  if (o.n == 1) o.transposeB = true;
  // a dot product ends with a sum over lanes, which takes some length to pay for
  const int64_t few = minimum(o.m, o.n);
  if (o.transposeB && !o.transposeA && (few == 1 || (few <= kDots && 8 * few <= o.k))) multiplyByDots(context, o);
  else multiplyInTiles(context, o);
}

}  // namespace ha::HA_ISA
