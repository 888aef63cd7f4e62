// Products with weights of which whole blocks are zero: LANES weights of one k, a vector as the kernels read it. Empty ones are neither kept nor multiplied.
//
// Packed, a panel begins with a vector: its first number of 32 bits says whether the panel is sparse; it is where at most half of its vectors are there, so that
// the numbers of each k and the vectors fit into the memory of a dense one. Then come, for each vector of the result, how many k it has, which, and their weights.
// A result is one chain of multiply-adds in the order of k, as in product.h, from which those with zero are left out.
#pragma once
#include "product.h"

enum { SPARSE_ROWS = 8, HALF = 2 };

// The numbers of 32 bits that `count` and as many k take, in whole vectors.
INLINE long sparse_head(long count) { return ((count + 1) * (long)sizeof(int32_t) + VECTOR_BYTES - 1) / VECTOR_BYTES * LANES; }

// A dense panel, packed [k][vectors] at `from` (which is not `to`), becomes a sparse one, if that is small enough. Returns whether it is.
static bool pack_sparse(const real* from, long depth, long vectors, real* to) {
  long there = 0;
  for (long i = 0; i < depth * vectors; i++) {
    bool any = false;
    for (int n = 0; n < LANES; n++) any |= from[i * LANES + n] != 0;
    there += any;
  }
  if (there * HALF > depth * vectors) return false;
  for (long j = 0; j < vectors; j++) {
    int32_t* head = (int32_t*)to;
    long count = 0;
    for (int pass = 0; pass < 2; pass++) {
      real* weights = pass ? to + sparse_head(count) : nullptr;
      long number = 0;
      for (long k = 0; k < depth; k++) {
        const real* vector = from + (k * vectors + j) * LANES;
        bool any = false;
        for (int n = 0; n < LANES; n++) any |= vector[n] != 0;
        if (!any) continue;
        if (pass) head[1 + number] = (int32_t)k, store(weights + number * LANES, load(vector));
        number++;
      }
      count = number;
    }
    head[0] = (int32_t)count;
    to += sparse_head(count) + count * LANES;
  }
  return true;
}

template <int ROWS>
static __attribute__((noinline)) void sparse_tile(const real* __restrict a, long as, const int32_t* __restrict k, long count, const real* __restrict w, const real* init,
                                                  long is, real* c, long cs) {
  vec sum[ROWS];
#pragma GCC unroll 8
  for (int r = 0; r < ROWS; r++) sum[r] = load(init + r * is);
  for (long i = 0; i < count; i++, w += LANES) {
    const vec weight = load(w);
    const real* x = a + k[i];
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; r++) sum[r] = fma(broadcast(x[r * as]), weight, sum[r]);
  }
#pragma GCC unroll 8
  for (int r = 0; r < ROWS; r++) store(c + r * cs, sum[r]);
}

static void sparse_panel(long vectors, long rows, const real* a, long as, const real* p, const real* init, long is, real* c, long cs) {
  for (long j = 0; j < vectors; j++, init += LANES, c += LANES) {
    const int32_t* head = (const int32_t*)p;
    const long count = head[0];
    const real* w = p + sparse_head(count);
    long r = 0;
    for (; r + SPARSE_ROWS <= rows; r += SPARSE_ROWS) sparse_tile<SPARSE_ROWS>(a + r * as, as, head + 1, count, w, init + r * is, is, c + r * cs, cs);
    for (; r + 4 <= rows; r += 4) sparse_tile<4>(a + r * as, as, head + 1, count, w, init + r * is, is, c + r * cs, cs);
    for (; r < rows; r++) sparse_tile<1>(a + r * as, as, head + 1, count, w, init + r * is, is, c + r * cs, cs);
    p = w + count * LANES;
  }
}
