// Products in bfloat16: both factors are rounded to 8 bits, to even at a tie; products are exact, and sums are float32.
//
// An instruction of AVX512-BF16 adds two products to each lane's sum: k and k + 1 of a row, beside the same two of the lane's weights. So
// packed weights are pairs, [two k][vector][lane], and a row is its own numbers rounded, in their order. A depth (a segment, the rows of
// a chunk) that is odd ends in a pair with a zero. Numbers below 2^-126 count as zero. On matrix units the same pairs are tiles (matrix.h).
#pragma once
#include "product.h"
#include "loop.h"
#include "panels.h"
#if defined(__AVX512BF16__) && REAL_BITS == 32 && VECTOR_BYTES == 64
#define BFLOAT16 1

struct Pair { uint32_t numbers; };
INLINE vec spread(const Pair* a) { return (vec)_mm512_set1_epi32((int)a->numbers); }
INLINE vec multiply_add(const Pair*, vec a, vec b, vec sum) { return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b); }

// 32 numbers that follow each other: pairs of neighbours.
INLINE vec in_pairs(vec first, vec second) { return (vec)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first); }
// Lane by lane, a number of each.
INLINE vec pair_lanes(vec first, vec second) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return (vec)_mm512_permutexvar_epi16(order, (__m512i)in_pairs(first, second));
}
INLINE long pairs_of(long depth) { return (depth + 1) / 2; }
static long pairs_of(const Product& p) {
  long pairs = 0;
  for (long g = 0; g < p.segments; g++) pairs += pairs_of(p.segment_depth[g]);
  return pairs;
}

enum { OWN_PAIRS = 1 << 16, MOST_PAIRS = 1 << 12 };  // of an operand's rows at once, 256 KB; of one row at once, a multiple of BLOCK
static __thread Pair own_pairs[OWN_PAIRS + LANES] __attribute__((aligned(64)));

// The pairs from `first` to `end` of a row of an operand; whole vectors are written, so up to LANES - 1 pairs more.
static void round_row(const Product& p, const real* a, long first, long end, Pair* to) {
  for (long g = 0, before = 0; g < p.segments && before < end; before += pairs_of(p.segment_depth[g]), g++) {
    const long depth = p.segment_depth[g], from = before > first ? before : first;
    const real* segment = a + p.segment_column[g];
    for (long u = 2 * (from - before); u < depth && before + u / 2 < end; u += 2 * LANES) {
      const long low = depth - u < LANES ? depth - u : LANES, high = depth - u - low < LANES ? depth - u - low : LANES;
      store((real*)(to + before + u / 2 - first), in_pairs(load_part(segment + u, low), load_part(segment + u + low, high)));
    }
  }
}
// Rows of an operand times panels of weights.
static void bfloat16_product(const Product& p, const real* a, long a_stride, const real* init, long init_stride, real* c, long c_stride,
                             long rows, Panels panels) {
  const long all = pairs_of(p), most = all < MOST_PAIRS ? all : MOST_PAIRS;
  const long stride = (most + LANES - 1) / LANES * LANES + LANES;  // neighbouring rows do not fall on one cache set
  const long together = OWN_PAIRS / stride / 12 * 12;
  for (long k = 0; k == 0 || k < all; k += MOST_PAIRS, init = c, init_stride = c_stride) {
    const long depth = all - k < most ? all - k : most;
    for (long r = 0; r < rows; r += together) {
      const long count = rows - r < together ? rows - r : together;
      for (long i = 0; i < count; i++) round_row(p, a + (r + i) * a_stride, k, k + depth, own_pairs + i * stride);
      for (long j = 0; j < panels.count(); j++) {
        const Panel& panel = p.panel[panels[j]];
        const real* weights = p.packed + panel.packed + k * panel.vectors * LANES;
        product_panel(panel.vectors, count, own_pairs, stride, weights, depth, init + r * init_stride + panel.column, init_stride,
                      c + r * c_stride + panel.column, c_stride);
      }
    }
  }
}

// What an outer product needs of 256 rows: the operand, columns as rows, and one panel's gradients, both in pairs of rows.
struct BFloat16Outer {
  enum { ROWS = 256, STRIDE = ROWS / 2 + LANES };  // STRIDE: pairs from column to column
  static long tile(long) { return LANES * STRIDE; }  // of 16 columns, in numbers

  static void turn(const real* const* rows, long count, long column, long columns, real* to) {
    for (long r = 0; r < count; r += 2 * LANES) {
      vec half[2][LANES];
#pragma GCC unroll 2
      for (int h = 0; h < 2; h++) {
#pragma GCC unroll 16
        for (long i = 0; i < LANES; i++) half[h][i] = r + h * LANES + i < count ? load_part(rows[r + h * LANES + i] + column, columns) : vec{};
        transpose<1>(half[h]);
      }
      for (long i = 0; i < columns; i++) store(to + i * STRIDE + r / 2, in_pairs(half[0][i], half[1][i]));
    }
  }
  static void keep(const real* const* gradients, long count, const Panel& panel) {
    real* to = (real*)own_pairs;
    for (long r = 0; r < count; r += 2)
      for (long j = 0; j < panel.vectors; j++, to += LANES) {
        const long column = panel.column + j * LANES;
        store(to, pair_lanes(load(gradients[r] + column), r + 1 < count ? load(gradients[r + 1] + column) : vec{}));
      }
  }
  // Adds some tiles of columns (the last may have fewer than 16) by the panel that was kept.
  static void add(const real* turned, long count, long tiles, long columns, long vectors, real* c) {
    for (long t = 0; t < tiles; t++, turned += tile(count), columns -= LANES, c += LANES * vectors * LANES)
      product_panel(vectors, columns < LANES ? columns : LANES, (const Pair*)turned, STRIDE, (const real*)own_pairs, pairs_of(count), c, vectors * LANES, c, vectors * LANES);
  }
};
#endif
