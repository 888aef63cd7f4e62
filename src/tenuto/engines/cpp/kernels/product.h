// Register tiles of the two matrix products: rows of a state times packed weights, and the outer product that makes gradients
// of weights. A tile is ROWS x VECTORS accumulators; each result is one chain of multiply-adds in the order of k, whatever the tile.
// The first is for numbers as they are (`real`) and for pairs of bfloat16 (bfloat16.h), which count as one k.
#pragma once
#include "vector.h"

// Registers for accumulators, chosen for 32 (AVX-512, NEON) and 16 (AVX2) vector registers: 24 of 32, 12 of 16.
#if defined(__AVX512F__) || defined(__ARM_NEON)
#define PANEL_VECTORS 4
#else
#define PANEL_VECTORS 2
#endif
enum { PANEL = PANEL_VECTORS, ACCUMULATORS = 6 * PANEL };
INLINE vec spread(const real* a) { return broadcast(*a); }
INLINE vec multiply_add(const real*, vec a, vec b, vec sum) { return fma(a, b, sum); }
const long BLOCK = 128;  // steps of k between stores: a panel's part of the weights, 32 KB, stays in the first-level cache

// C[r][j] = init[r][j] + sum_k A[r][k] P[k][j];  A row-major, P packed [k][VECTORS vectors], init_stride 0: one row for all; depth > 0.
// `ahead`: memory that is wanted soon; a line of it is fetched into the second-level cache at each k (not by tiles of one or two rows,
// which wait for nothing but their weights: 145 GB/s with it, 176 without). The lines that the next tile will write are asked for now. (Beyond that cache a core of the Xeon reads 11 GB/s and writes 7; waiting costs a quarter.)
template <int ROWS, int VECTORS, class Number>
static __attribute__((noinline)) void product_tile(const Number* __restrict a, long a_stride, const real* __restrict p, long depth,
                                                   const real* init, long init_stride, real* c, long c_stride, const real* __restrict ahead) {
  vec sum[ROWS][VECTORS];
#pragma GCC unroll 12
  for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 4
    for (int j = 0; j < VECTORS; j++) {
      __builtin_prefetch(c + (ROWS + r) * c_stride + j * LANES, 1);
      sum[r][j] = load(init + r * init_stride + j * LANES);
    }
  const real* end = p + depth * VECTORS * LANES;
  do {
    vec weight[VECTORS];
#pragma GCC unroll 4
    for (int j = 0; j < VECTORS; j++) weight[j] = load(p + j * LANES);
    if constexpr (ROWS > 2) __builtin_prefetch(ahead, 0, 2), ahead += LANES;
#pragma GCC unroll 12
    for (int r = 0; r < ROWS; r++) {
      vec x = spread(a + r * a_stride);
#pragma GCC unroll 4
      for (int j = 0; j < VECTORS; j++) sum[r][j] = multiply_add(a, x, weight[j], sum[r][j]);
    }
    p += VECTORS * LANES, a++;
  } while (p != end);
#pragma GCC unroll 12
  for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 4
    for (int j = 0; j < VECTORS; j++) store(c + r * c_stride + j * LANES, sum[r][j]);
}

// C[i][j] += sum_r A[r][i] D[r][j], i < ROWS columns of A, j < VECTORS vectors of D; C packed [i][VECTORS vectors]; depth > 0
template <int ROWS, int VECTORS>
static __attribute__((noinline)) void outer_tile(const real* __restrict a, long a_stride, const real* __restrict d, long d_stride,
                                                 long depth, real* __restrict c) {
  vec sum[ROWS][VECTORS];
#pragma GCC unroll 12
  for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 4
    for (int j = 0; j < VECTORS; j++) {
      sum[r][j] = load(c + (r * VECTORS + j) * LANES);
      __builtin_prefetch(c + ((ROWS + r) * VECTORS + j) * LANES, 1);
    }
  const real* end = a + depth * a_stride;
  do {
    vec gradient[VECTORS];
#pragma GCC unroll 4
    for (int j = 0; j < VECTORS; j++) gradient[j] = load(d + j * LANES);
#pragma GCC unroll 12
    for (int r = 0; r < ROWS; r++) {
      vec x = broadcast(a[r]);
#pragma GCC unroll 4
      for (int j = 0; j < VECTORS; j++) sum[r][j] = fma(x, gradient[j], sum[r][j]);
    }
    a += a_stride, d += d_stride;
  } while (a != end);
#pragma GCC unroll 12
  for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 4
    for (int j = 0; j < VECTORS; j++) store(c + (r * VECTORS + j) * LANES, sum[r][j]);
}

// Tiles for every number of rows up to the full one, so that no batch and no width needs padding.
template <int VECTORS, int ROWS>
struct Tiles {
  template <class Number>
  static void product(long rows, const Number* a, long as, const real* p, long depth, const real* init, long is, real* c, long cs, const real* ahead) {
    if (rows >= ROWS) return product_tile<ROWS, VECTORS>(a, as, p, depth, init, is, c, cs, ahead);
    Tiles<VECTORS, ROWS - 1>::product(rows, a, as, p, depth, init, is, c, cs, ahead);
  }
  static void outer(long rows, const real* a, long as, const real* d, long ds, long depth, real* c) {
    if (rows >= ROWS) return outer_tile<ROWS, VECTORS>(a, as, d, ds, depth, c);
    Tiles<VECTORS, ROWS - 1>::outer(rows, a, as, d, ds, depth, c);
  }
};
template <int VECTORS>
struct Tiles<VECTORS, 0> {
  template <class Number>
  static void product(long, const Number*, long, const real*, long, const real*, long, real*, long, const real*) {}
  static void outer(long, const real*, long, const real*, long, long, real*) {}
};

template <int VECTORS, class Number>
static void product_panel(long rows, const Number* a, long as, const real* p, long depth, const real* init, long is, real* c, long cs) {
  const int full = ACCUMULATORS / VECTORS < 12 ? ACCUMULATORS / VECTORS : 12;
  if (depth == 0)
    for (long r = 0; r < rows; r++)
      for (long j = 0; j < VECTORS; j++) store(c + r * cs + j * LANES, load(init + r * is + j * LANES));
  for (long k = 0; k < depth; k += BLOCK, init = c, is = cs) {
    long block = depth - k < BLOCK ? depth - k : BLOCK;
    const real *weights = p + k * VECTORS * LANES, *ahead = weights + block * VECTORS * LANES;
    for (long r = 0; r < rows; r += full, ahead += block * LANES)
      Tiles<VECTORS, full>::product(rows - r, a + r * as + k, as, weights, block, init + r * is, is, c + r * cs, cs, ahead);
  }
}
template <class Number>
static void product_panel(long vectors, long rows, const Number* a, long as, const real* p, long depth, const real* init, long is, real* c, long cs) {
  switch (vectors) {
    case 1: return product_panel<1>(rows, a, as, p, depth, init, is, c, cs);
    case 2: return product_panel<2>(rows, a, as, p, depth, init, is, c, cs);
#if PANEL_VECTORS > 2
    case 3: return product_panel<3>(rows, a, as, p, depth, init, is, c, cs);
    case 4: return product_panel<4>(rows, a, as, p, depth, init, is, c, cs);
#endif
  }
}
template <int VECTORS>
static void outer_panel(long columns, const real* a, long as, const real* d, long ds, long depth, real* c) {
  const int full = ACCUMULATORS / VECTORS < 12 ? ACCUMULATORS / VECTORS : 12;
  for (long k = 0; k < depth; k += BLOCK)
    for (long i = 0; i < columns; i += full)
      Tiles<VECTORS, full>::outer(columns - i, a + k * as + i, as, d + k * ds, ds, depth - k < BLOCK ? depth - k : BLOCK,
                                  c + i * VECTORS * LANES);
}
