// Products of whole numbers of 8 bits: weights as they are stored, with a scale for each row; an operand's row is rounded to such
// numbers here, with one scale for the row. So a row's result depends on nothing but that row.
//
// Sums of 32 bits are exact, in whatever order and by whatever instructions: every processor gives the same bits. Both factors lie
// between -127 and 127, so that two products fit into 16 bits (2 x 127 x 127 = 32258) where there is no instruction for four at once.
// Packed: for each four k, each vector's lanes with their four weights; then the lanes' scales and 128 times the sums of their weights.
// An operand's scale may be known before instead (Product::fixed): then numbers beyond the largest count as it. wide.h has those of 16 bits.
#pragma once
#include "loop.h"
#include "panels.h"
#if REAL_BITS == 32

#if defined(__AVX512VNNI__) && VECTOR_BYTES == 64
enum { INTEGERS = 3 };
#elif defined(__AVXVNNI__) && VECTOR_BYTES == 32
enum { INTEGERS = 2 };
#elif defined(__AVX2__) && (VECTOR_BYTES == 32 || (defined(__AVX512BW__) && VECTOR_BYTES == 64))
enum { INTEGERS = 1 };
#else
enum { INTEGERS = 0 };
#endif
enum { INTEGER_ROWS = 4, FOUR = 4, OWN_NUMBERS = 1 << 16 };
static __thread int8_t own_numbers[OWN_NUMBERS] __attribute__((aligned(64)));

// sum + the four products of each lane. `a`: four numbers of a row, the same for all lanes; where instructions take them unsigned, with 128 added.
INLINE mask four_products(mask sum, int32_t a, const int8_t* w) {
#if defined(__AVX512VNNI__) && VECTOR_BYTES == 64
  return (mask)_mm512_dpbusd_epi32((__m512i)sum, _mm512_set1_epi32(a), _mm512_loadu_si512(w));
#elif defined(__AVXVNNI__) && VECTOR_BYTES == 32
  return (mask)_mm256_dpbusd_avx_epi32((__m256i)sum, _mm256_set1_epi32(a), _mm256_loadu_si256((const __m256i*)w));
#elif defined(__AVX512BW__) && VECTOR_BYTES == 64
  const __m512i x = _mm512_set1_epi32(a), v = _mm512_loadu_si512(w);
  const __m512i pairs = _mm512_maddubs_epi16(_mm512_abs_epi8(x), _mm512_mask_sub_epi8(v, _mm512_movepi8_mask(x), _mm512_setzero_si512(), v));
  return sum + (mask)_mm512_madd_epi16(pairs, _mm512_set1_epi16(1));
#elif defined(__AVX2__) && VECTOR_BYTES == 32
  const __m256i x = _mm256_set1_epi32(a), v = _mm256_loadu_si256((const __m256i*)w);
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(v, x));
  return sum + (mask)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
#else
  int8_t x[FOUR];
  memcpy(x, &a, FOUR);
  for (int n = 0; n < LANES; n++)
    for (int k = 0; k < FOUR; k++) sum[n] += x[k] * w[n * FOUR + k];
  return sum;
#endif
}

// c = init + sums * (the row's scale * the lane's scale)
template <int ROWS, int VECTORS>
static __attribute__((noinline)) void integer_tile(const int8_t* __restrict q, long q_stride, const real* row_scale, const int8_t* __restrict w, long blocks,
                                                   const real* init, long init_stride, real* c, long c_stride) {
  mask sum[ROWS][VECTORS] = {};
  for (long b = 0; b < blocks; b++, w += VECTORS * LANES * FOUR) {
#pragma GCC unroll 4
    for (int r = 0; r < ROWS; r++) {
      int32_t a;
      memcpy(&a, q + r * q_stride + b * FOUR, FOUR);
#pragma GCC unroll 4
      for (int j = 0; j < VECTORS; j++) sum[r][j] = four_products(sum[r][j], a, w + j * LANES * FOUR);
    }
  }
  const real* scale = (const real*)w;
  const int32_t* shift = (const int32_t*)(scale + VECTORS * LANES);
#pragma GCC unroll 4
  for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 4
    for (int j = 0; j < VECTORS; j++) {
      mask whole = sum[r][j];
      if (INTEGERS > 1) whole = whole - bits(load((const real*)shift + j * LANES));
      vec t = __builtin_convertvector(whole, vec) * (broadcast(row_scale[r]) * load(scale + j * LANES));
      store(c + r * c_stride + j * LANES, load(init + r * init_stride + j * LANES) + t);
    }
}

// A row as whole numbers; returns its scale, max |a| / 127. A row of tiny numbers counts as zeros; one with a NaN or Inf makes all its results NaN.
static real round_row(const real* a, long depth, long padded, int8_t* to) {
  vec most = {}, strange = {};
  auto look = [&](vec v) {
    vec size = number(bits(v) & 0x7fffffff);
    most = size > most ? size : most, strange = strange + (v - v);
  };
  long u = 0;
  for (; u + LANES <= depth; u += LANES) look(load(a + u));
  if (u < depth) look(load_part(a + u, depth - u));
  real largest = max_lanes(most), odd = sum_lanes(strange);
  const uint8_t zero = INTEGERS > 1 ? 0x80 : 0;
  memset(to, zero, padded);
  if (odd != odd) return NAN;
  if (largest < 1e-30f) return 0;
  const vec factor = broadcast(127 / largest), magic = broadcast(12582912);  // 1.5 * 2^23: added, it leaves the nearest whole number, to even at a tie
  auto turn = [&](vec v, long n) {
    mask whole = bits(v * factor + magic) - bits(magic);
    for (long i = 0; i < n; i++) to[u + i] = (int8_t)((uint8_t)whole[i] ^ zero);
  };
  for (u = 0; u + LANES <= depth; u += LANES) turn(load(a + u), LANES);
  if (u < depth) turn(load_part(a + u, depth - u), depth - u);
  return largest / 127;
}

// A row as whole numbers, where all rows have one scale: one number is worth most / COUNT. Returns that, or NaN where a number of the row or `most` is not good.
template <int COUNT, class Number>
static real round_within(const real* a, long depth, long padded, real most, Number* to) {
  const Number zero = INTEGERS > 1 && sizeof(Number) == 1 ? (Number)0x80 : 0;
  for (long i = depth; i < padded; i++) to[i] = zero;
  const vec factor = broadcast(COUNT / most), magic = broadcast(12582912);
  vec strange = {};
  auto turn = [&](vec v, long u, long n) {
    strange = strange + (v - v);
    mask whole = bits(clamp(v * factor, -COUNT, COUNT) + magic) - bits(magic);
    for (long i = 0; i < n; i++) to[u + i] = (Number)(whole[i] ^ zero);
  };
  long u = 0;
  for (; u + LANES <= depth; u += LANES) turn(load(a + u), u, LANES);
  if (u < depth) turn(load_part(a + u, depth - u), u, depth - u);
  const real odd = sum_lanes(strange) + (most - most);
  return odd != odd || !(most >= 1e-30f) ? NAN : most / COUNT;
}

// One panel's weights of the product, from int8 [rows, depth] and scales [rows]. GROUP: how many k stand side by side in a lane.
template <int GROUP>
static void pack_integers(const Product& p, const Panel& panel, long vectors) {
  const long depth = p.segment_depth[0], blocks = (depth + GROUP - 1) / GROUP, width = panel.vectors * LANES;
  int8_t* to = (int8_t*)(p.packed + panel.packed);
  real* scale = (real*)(to + blocks * width * GROUP);
  int32_t* shift = (int32_t*)(scale + width);
  memset(to, 0, blocks * width * GROUP + 2 * width * sizeof(real));
  for (long j = 0; j < panel.vectors; j++)
    for (long n = 0; n < p.lanes[vectors + j]; n++) {
      const int8_t* from = (const int8_t*)p.source[vectors + j] + n * p.lane_stride;
      int8_t* lane = to + (j * LANES + n) * GROUP;
      int32_t sum = 0;
      for (long k = 0; k < depth; k++) {
        int8_t w = from[k * p.depth_stride];
        if (w == -128) w = -127;  // no weight of ours, and its negative is none
        lane[k / GROUP * width * GROUP + k % GROUP] = w, sum += w;
      }
      scale[j * LANES + n] = p.scale[vectors + j][n];
      shift[j * LANES + n] = 128 * sum;
    }
}
#endif
