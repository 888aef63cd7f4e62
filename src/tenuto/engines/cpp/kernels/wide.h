// Products of weights of 8 bits with an operand of 16: as integers.h, where an operand's scale is known before. And the product of either kind.
//
// 512 products of the largest numbers fit into 32 bits; longer sums are added up in 64 bits, which are exact too. Packed: for each two k,
// each vector's lanes with their two weights; then the lanes' scales.
#pragma once
#include "integers.h"
#if REAL_BITS == 32

enum { TWO = 2, BLOCKS_IN_32_BITS = 256 };

// sum + the two products of each lane. `a`: two numbers of a row, the same for all lanes.
INLINE mask two_products(mask sum, int32_t a, const int8_t* w) {
#if defined(__AVX512VNNI__) && defined(__AVX512BW__) && VECTOR_BYTES == 64
  return (mask)_mm512_dpwssd_epi32((__m512i)sum, _mm512_set1_epi32(a), _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i*)w)));
#elif defined(__AVX512BW__) && VECTOR_BYTES == 64
  return sum + (mask)_mm512_madd_epi16(_mm512_set1_epi32(a), _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i*)w)));
#elif defined(__AVX2__) && VECTOR_BYTES == 32
  return sum + (mask)_mm256_madd_epi16(_mm256_set1_epi32(a), _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i*)w)));
#else
  int16_t x[TWO];
  memcpy(x, &a, sizeof x);
  for (int n = 0; n < LANES; n++) sum[n] += x[0] * w[n * TWO] + x[1] * w[n * TWO + 1];
  return sum;
#endif
}

template <int ROWS, int VECTORS>
static __attribute__((noinline)) void integer_tile(const int16_t* __restrict q, long q_stride, const real* row_scale, const int8_t* __restrict w, long blocks,
                                                   const real* init, long init_stride, real* c, long c_stride) {
  int64_t total[ROWS][VECTORS * LANES];
  mask sum[ROWS][VECTORS];
  const bool one = blocks <= BLOCKS_IN_32_BITS;
  if (!one) memset(total, 0, sizeof total);
  for (long first = 0; first == 0 || first < blocks; first += BLOCKS_IN_32_BITS) {
    const long last = blocks - first < BLOCKS_IN_32_BITS ? blocks : first + BLOCKS_IN_32_BITS;
    memset(sum, 0, sizeof sum);
    for (long b = first; b < last; b++, w += VECTORS * LANES * TWO) {
#pragma GCC unroll 4
      for (int r = 0; r < ROWS; r++) {
        int32_t a;
        memcpy(&a, q + r * q_stride + b * TWO, sizeof a);
#pragma GCC unroll 4
        for (int j = 0; j < VECTORS; j++) sum[r][j] = two_products(sum[r][j], a, w + j * LANES * TWO);
      }
    }
    for (int r = 0; r < ROWS && !one; r++)
      for (int n = 0; n < VECTORS * LANES; n++) total[r][n] += sum[r][n / LANES][n % LANES];
  }
  const real* scale = (const real*)w;
#pragma GCC unroll 4
  for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 4
    for (int j = 0; j < VECTORS; j++) {
      vec whole = __builtin_convertvector(sum[r][j], vec);
      for (int n = 0; n < LANES && !one; n++) whole[n] = (real)total[r][j * LANES + n];
      vec t = whole * (broadcast(row_scale[r]) * load(scale + j * LANES));
      store(c + r * c_stride + j * LANES, load(init + r * init_stride + j * LANES) + t);
    }
}

template <int VECTORS, class Number>
static void integer_rows(long rows, const Number* q, long qs, const real* scale, const int8_t* w, long blocks, const real* init, long is, real* c, long cs) {
  switch (rows) {
    case 1: return integer_tile<1, VECTORS>(q, qs, scale, w, blocks, init, is, c, cs);
    case 2: return integer_tile<2, VECTORS>(q, qs, scale, w, blocks, init, is, c, cs);
    case 3: return integer_tile<3, VECTORS>(q, qs, scale, w, blocks, init, is, c, cs);
    case 4: return integer_tile<4, VECTORS>(q, qs, scale, w, blocks, init, is, c, cs);
  }
}

static real round_operand(const Product& p, const real* a, long depth, long padded, int8_t* to) {
  return p.fixed ? round_within<127>(a, depth, padded, *p.most[0], to) : round_row(a, depth, padded, to);
}
static real round_operand(const Product& p, const real* a, long depth, long padded, int16_t* to) { return round_within<32767>(a, depth, padded, *p.most[0], to); }

// Rows of an operand times panels of weights. Rows are rounded a few at a time, and once for all panels.
template <class Number>
static void integer_product(const Product& p, const real* a, long as, const real* init, long is, real* c, long cs, long rows, Panels panels) {
  const long group = sizeof(Number) == 1 ? FOUR : TWO, room = OWN_NUMBERS / sizeof(Number);
  const long depth = p.segment_depth[0], blocks = (depth + group - 1) / group, padded = blocks * group;
  const long together = room / (padded ? padded : 1) < INTEGER_ROWS ? 1 : INTEGER_ROWS;
  Number* own = padded > room ? (Number*)__builtin_malloc(padded * sizeof(Number)) : (Number*)own_numbers;
  a += p.segment_column[0];
  for (long r = 0; r < rows; r += together) {
    const long count = rows - r < together ? rows - r : together;
    real scale[INTEGER_ROWS];
    for (long i = 0; i < count; i++) scale[i] = round_operand(p, a + (r + i) * as, depth, padded, own + i * padded);
    for (long k = 0; k < panels.count(); k++) {
      const Panel& panel = p.panel[panels[k]];
      const int8_t* w = (const int8_t*)(p.packed + panel.packed);
      const real* start = init + r * is + panel.column;
      real* to = c + r * cs + panel.column;
      switch (panel.vectors) {
        case 1: integer_rows<1>(count, own, padded, scale, w, blocks, start, is, to, cs); break;
        case 2: integer_rows<2>(count, own, padded, scale, w, blocks, start, is, to, cs); break;
        case 3: integer_rows<3>(count, own, padded, scale, w, blocks, start, is, to, cs); break;
        case 4: integer_rows<4>(count, own, padded, scale, w, blocks, start, is, to, cs); break;
      }
    }
  }
  if (own != (Number*)own_numbers) __builtin_free(own);
}
#endif
