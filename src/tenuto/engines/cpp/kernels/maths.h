// The functions of the grammar on vectors. exp, sigmoid and tanh are our own (2 ulp in float32, 2e-16 in float64); NaN and Inf
// come through as in torch. What cells rarely use goes lane by lane to the C library, which is slower and as exact.
#pragma once
#include "vector.h"

INLINE vec absolute(vec x) { return number(bits(x) & ~bits(broadcast(real(-0.0)))); }
INLINE vec sign(vec x) { return where(x > 0, broadcast(1), where(x < 0, broadcast(-1), x)); }
INLINE vec relu(vec x) { return where(x < 0, vec{}, x); }
INLINE vec reciprocal(vec x) { return real(1) / x; }

INLINE vec square_root(vec x) {
#if defined(__AVX512F__) && VECTOR_BYTES == 64 && REAL_BITS == 32
  return (vec)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX512F__) && VECTOR_BYTES == 64
  return (vec)_mm512_sqrt_pd((__m512d)x);
#else
  for (int i = 0; i < LANES; i++) x[i] = REAL_BITS == 32 ? sqrtf(x[i]) : sqrt(x[i]);
  return x;
#endif
}
INLINE vec reciprocal_root(vec x) { return real(1) / square_root(x); }

#if REAL_BITS == 32
#define EACH(name) \
  static __attribute__((noinline)) vec each_##name(vec x) { for (int i = 0; i < LANES; i++) x[i] = name##f(x[i]); return x; }
#else
#define EACH(name) \
  static __attribute__((noinline)) vec each_##name(vec x) { for (int i = 0; i < LANES; i++) x[i] = name(x[i]); return x; }
#endif
EACH(expm1) EACH(log) EACH(log1p) EACH(sin) EACH(cos) EACH(atan) EACH(erf) EACH(floor)
static __attribute__((noinline)) vec power(vec x, vec y) {
  for (int i = 0; i < LANES; i++) x[i] = REAL_BITS == 32 ? powf(x[i], y[i]) : pow(x[i], y[i]);
  return x;
}

// n / d for d in [2^-100, 2^126]: an estimate and one correction where the machine has one (a division of 16 floats takes 16 cycles).
// Passes between products of whole numbers divide: their results are the same bits on every processor, as those of the products are.
INLINE vec quotient(vec n, vec d) {
#if defined(__AVX512F__) && VECTOR_BYTES == 64 && REAL_BITS == 32 && !defined(DIVIDE)
  vec r = (vec)_mm512_rcp14_ps((__m512)d);
  return n * fma(fma(-d, r, broadcast(1)), r, r);
#else
  return n / d;
#endif
}

// 2^n for the integer n in the low bits; what stands above them is shifted out
INLINE vec power_of_two(mask n) {
  const word mantissa = REAL_BITS == 32 ? 23 : 52, one = REAL_BITS == 32 ? 127 : 1023;
  return number((n << mantissa) + (one << mantissa));
}

// exp(r) - 1 for r in [-ln 2 / 2, ln 2 / 2]: pairs of terms first, so that chains of additions are short
INLINE vec small_expm1(vec r) {
  vec square = r * r;
#if REAL_BITS == 32
  vec p = fma(broadcast(1.9875691500e-4f), r, broadcast(1.3981999507e-3f));
  p = fma(p, square, fma(broadcast(8.3334519073e-3f), r, broadcast(4.1665795894e-2f)));
  p = fma(p, square, fma(broadcast(1.6666665459e-1f), r, broadcast(5.0000001201e-1f)));
#else
  const real c[] = {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320,
                    1.0 / 5040,       1.0 / 720,       1.0 / 120,      1.0 / 24,      1.0 / 6,      0.5};
  vec p = fma(broadcast(c[0]), r, broadcast(c[1]));
#pragma GCC unroll 5
  for (int k = 2; k < 12; k += 2) p = fma(p, square, fma(broadcast(c[k]), r, broadcast(c[k + 1])));
#endif
  return fma(p, square, r);
}

// x = n ln 2 + r; n comes back as a number, and `scale` is 2^n for n in the range of normal numbers
INLINE vec reduce_exp(vec x, vec& n, vec& scale) {
#if REAL_BITS == 32
  const real magic = 12582912.0f, high = 0.693145752f, low = 1.42860677e-6f;  // 1.5 * 2^23: n stands in its low bits
#else
  const real magic = 6755399441055744.0, high = 0.693147180369123816490, low = 1.90821492927058770002e-10;  // 1.5 * 2^52
#endif
  n = fma(x, broadcast(real(1.44269504088896340736)), broadcast(magic));
  scale = power_of_two(bits(n));
  n = n - magic;
  return fma(n, broadcast(-low), fma(n, broadcast(-high), x));
}

INLINE vec exponential(vec x) {
  x = clamp(x, REAL_BITS == 32 ? -104 : -746, REAL_BITS == 32 ? 89 : 710);
  vec n, scale, r = reduce_exp(x, n, scale);
  // 2^n in two factors, so that the ends of the range come out right
  vec half_n, half, whole;
  reduce_exp(n * real(0.34657359027997264), half_n, half);  // half_n = n / 2, rounded
  reduce_exp((n - half_n) * real(0.69314718055994531), half_n, whole);
  return fma(small_expm1(r), half, half) * whole;
}

INLINE vec sigmoid(vec x) {
  const real most = REAL_BITS == 32 ? 87 : 707;
  vec n, scale, r = reduce_exp(-clamp(x, -most, most), n, scale);
  return quotient(broadcast(1), real(1) + fma(small_expm1(r), scale, scale));
}

// (exp(2x) - 1) / (exp(2x) + 1), with exp(2x) - 1 computed as such: exact near zero
INLINE vec hyperbolic_tangent(vec x) {
  const real most = REAL_BITS == 32 ? 20 : 44;
  vec n, scale, r = reduce_exp(clamp(x + x, -most, most), n, scale);
  vec less = fma(small_expm1(r), scale, scale - real(1));
  return quotient(less, less + real(2));
}
