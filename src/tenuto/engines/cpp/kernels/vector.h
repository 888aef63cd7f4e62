// Vectors of LANES numbers of type `real` in GCC's and Clang's vector extensions: all kernels are written in these.
// The build defines REAL_BITS (32 or 64) and VECTOR_BYTES (16, 32, 64). Every multiply-add is `fma` and the compiler may not
// make others (-ffp-contract=off): so a number's bits do not depend on the tile, the remainder or the compiler that made it.
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#if REAL_BITS == 32
typedef float real;
typedef int32_t word;
#else
typedef double real;
typedef int64_t word;
#endif
enum { LANES = VECTOR_BYTES / (REAL_BITS / 8) };
typedef real vec __attribute__((vector_size(VECTOR_BYTES)));
typedef word mask __attribute__((vector_size(VECTOR_BYTES)));  // what a comparison gives: all bits or none, lane by lane
#ifndef INLINE  // where the compiler adds checks to each function, they are small only if each is made once
#define INLINE static inline __attribute__((always_inline))
#endif

typedef real unaligned __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(real)), may_alias));
INLINE vec load(const real* p) { return *(const unaligned*)p; }
INLINE void store(real* p, vec v) { *(unaligned*)p = v; }
INLINE vec broadcast(real x) { return x - vec{}; }
// The first n lanes, where a row ends inside a vector; the others are zero and are not touched in memory.
INLINE vec load_part(const real* p, long n) {
#if defined(__AVX512F__) && VECTOR_BYTES == 64 && REAL_BITS == 32
  return (vec)_mm512_maskz_loadu_ps((1u << n) - 1, p);
#elif defined(__AVX512F__) && VECTOR_BYTES == 64
  return (vec)_mm512_maskz_loadu_pd((1u << n) - 1, p);
#else
  if (n == LANES) return load(p);
  vec v = {};
  memcpy(&v, p, n * sizeof(real));
  return v;
#endif
}
INLINE void store_part(real* p, vec v, long n) {
#if defined(__AVX512F__) && VECTOR_BYTES == 64 && REAL_BITS == 32
  _mm512_mask_storeu_ps(p, (1u << n) - 1, (__m512)v);
#elif defined(__AVX512F__) && VECTOR_BYTES == 64
  _mm512_mask_storeu_pd(p, (1u << n) - 1, (__m512d)v);
#else
  memcpy(p, &v, n * sizeof(real));
#endif
}

INLINE vec fma(vec a, vec b, vec c) {  // a * b + c, rounded once
#if defined(__clang__) && __has_builtin(__builtin_elementwise_fma)
  return __builtin_elementwise_fma(a, b, c);
#elif defined(__AVX512F__) && VECTOR_BYTES == 64 && REAL_BITS == 32
  return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX512F__) && VECTOR_BYTES == 64
  return (vec)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__FMA__) && VECTOR_BYTES == 32 && REAL_BITS == 32
  return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__FMA__) && VECTOR_BYTES == 32
  return (vec)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(__ARM_NEON) && VECTOR_BYTES == 16 && REAL_BITS == 32
  return (vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#elif defined(__ARM_NEON) && defined(__aarch64__) && VECTOR_BYTES == 16
  return (vec)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
  for (int i = 0; i < LANES; i++) c[i] = sizeof(real) == 4 ? __builtin_fmaf(a[i], b[i], c[i]) : __builtin_fma(a[i], b[i], c[i]);
  return c;
#endif
}

INLINE vec where(mask m, vec a, vec b) { return m ? a : b; }
INLINE mask bits(vec v) { mask m; memcpy(&m, &v, VECTOR_BYTES); return m; }
INLINE vec number(mask m) { vec v; memcpy(&v, &m, VECTOR_BYTES); return v; }
// As torch: a NaN on either side comes through.
INLINE vec maximum(vec a, vec b) { vec m = a > b ? a : b; return a != a ? a : m; }
INLINE vec minimum(vec a, vec b) { vec m = a < b ? a : b; return a != a ? a : m; }

// x held within two numbers; a NaN comes through.
INLINE vec clamp(vec x, real least, real most) {
#if defined(__AVX512F__) && VECTOR_BYTES == 64 && REAL_BITS == 32  // max and min give their second argument where one is NaN
  return (vec)_mm512_min_ps((__m512)broadcast(most), _mm512_max_ps((__m512)broadcast(least), (__m512)x));
#elif defined(__AVX512F__) && VECTOR_BYTES == 64
  return (vec)_mm512_min_pd((__m512d)broadcast(most), _mm512_max_pd((__m512d)broadcast(least), (__m512d)x));
#else
  return x < least ? broadcast(least) : x > most ? broadcast(most) : x;
#endif
}

// Transposes a square of LANES vectors, in log2(LANES) rounds of exchanges.
#if defined(__clang__)
template <class, int... I> struct Numbers {};
typedef __make_integer_seq<Numbers, int, LANES> EveryLane;
#elif __GNUC__ >= 12
template <class, int... I> struct Numbers {};
template <int N> struct Below { typedef Numbers<int, __integer_pack(N)...> All; };
typedef Below<LANES>::All EveryLane;
#endif
#if defined(__clang__) || __GNUC__ >= 12
template <int S, int... I> INLINE void exchange(vec& a, vec& b, Numbers<int, I...>) {
  vec first = __builtin_shufflevector(a, b, (I & S ? LANES + I - S : I)...);
  b = __builtin_shufflevector(a, b, (I & S ? LANES + I : I + S)...);
  a = first;
}
template <int S> INLINE void transpose(vec* square) {
#pragma GCC unroll 16
  for (int k = 0; k < LANES; k++)
    if (!(k & S)) exchange<S>(square[k], square[k + S], EveryLane());
  if constexpr (2 * S < LANES) transpose<2 * S>(square);
}
#else
template <int> INLINE void transpose(vec* square) {
  for (int k = 0; k < LANES; k++)
    for (int i = 0; i < k; i++) { real x = square[k][i]; square[k][i] = square[i][k]; square[i][k] = x; }
}
#endif

// Adds the lanes in one fixed tree: a sum over channels has the same bits on every path.
INLINE real sum_lanes(vec v) {
  for (int half = LANES / 2; half; half /= 2) for (int i = 0; i < half; i++) v[i] = v[i] + v[i + half];
  return v[0];
}
INLINE real max_lanes(vec v) {
  real best = v[0];
  for (int i = 1; i < LANES; i++) best = best != best ? best : v[i] != v[i] ? v[i] : v[i] > best ? v[i] : best;
  return best;
}
