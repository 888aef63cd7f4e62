"""The C of layers that multiply whole numbers: the arithmetic of the compiled engine, written once more, so that a layer's answers are Python's to the last bit.

What `engines/cpp/kernels/integers.h` and `maths.h` compute for a vector stands here for one number: sums of whole numbers are exact in any order; what is
rounded is rounded at the same places. So `fmaf` is called where the engine calls it, and compilers may make no other.
"""

from __future__ import annotations

from tenuto.export.c.expressions import ATOM, EXPRESSIONS, FUNCTIONS, LOOSE

_EXPRESSIONS = {"exp": ("exponential({0})", ATOM, (LOOSE,)), "tanh": ("hyperbolic_tangent({0})", ATOM, (LOOSE,))}

PLACE = {8: "state->numbers", 16: "state->wide_numbers"}  # where whole numbers of so many bits stand
IN_32_BITS = 512  # products of 16 bits by 8, whose sum certainly fits into 32

GUARD = """\
/* Each multiplication and each addition rounds by itself, and fmaf rounds once: so the answers are the same bits everywhere. */
#ifdef __FAST_MATH__
#error "-ffast-math computes other numbers than the model's"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif
"""

_WITHIN = """\
/* x as whole numbers of {bits} bits: times `factor`, at most {most} on either side, rounded to the nearest, to the even one between two. Returns `worth`, what one of them
   is worth; after a number that is not finite, all is NaN. */
static float to_{bits}_bits(int{bits}_t *q, const float *x, int count, float factor, float worth)
{{
  for (int k = 0; k < count; k++) {{
    const float scaled = x[k] * factor;
    if (!isfinite(x[k])) return NAN;
    q[k] = (int{bits}_t)((scaled < -{most}.0f ? -{most}.0f : scaled > {most}.0f ? {most}.0f : scaled) + 12582912.0f - 12582912.0f);  /* 1.5 * 2^23: there, the next number is 1 away */
  }}
  return worth;
}}"""

_MULTIPLY = """\
/* y += W q, each row of W with a scale; `quantum` is what one of q is worth. Four rows at a time.{why} */
static void {name}(float *restrict y, const int8_t *restrict W, const float *restrict scale, const {read} *restrict q, float quantum, int rows, int columns)
{{
  int row = 0;
  for (; row + 4 <= rows; row += 4, W += 4 * columns) {{
    const int8_t *const V = W + columns, *const U = V + columns, *const T = U + columns;
    {sum} first = 0, second = 0, third = 0, fourth = 0;
    for (int k = 0; k < columns; k++) {{
      const int32_t one = q[k];
      first += one * W[k];
      second += one * V[k];
      third += one * U[k];
      fourth += one * T[k];
    }}
    y[row] += (float)first * (quantum * scale[row]);
    y[row + 1] += (float)second * (quantum * scale[row + 1]);
    y[row + 2] += (float)third * (quantum * scale[row + 2]);
    y[row + 3] += (float)fourth * (quantum * scale[row + 3]);
  }}
  for (; row < rows; row++, W += columns) {{
    {sum} sum = 0;
    for (int k = 0; k < columns; k++) sum += (int32_t)q[k] * W[k];
    y[row] += (float)sum * (quantum * scale[row]);
  }}
}}"""

_OWN = {
    "power_of_two": """\
/* 2^n for a whole number n, to which 1.5 * 2^23 was added, so that it stands in the lowest bits. */
static float power_of_two(float n)
{
  union { float number; uint32_t bits; } word;
  word.number = n;
  word.bits = (word.bits << 23) + ((uint32_t)127 << 23);
  return word.number;
}""",
    "split_power": """\
/* x = n ln 2 + r with a whole number n: returns r, and n, and 2^n. */
static float split_power(float x, float *n, float *power)
{
  const float shifted = fmaf(x, 1.44269504088896341f, 12582912.0f);
  *power = power_of_two(shifted);
  *n = shifted - 12582912.0f;
  return fmaf(*n, -1.42860677e-6f, fmaf(*n, -0.693145752f, x));
}""",
    "small_expm1": """\
/* exp(r) - 1 for small r. */
static float small_expm1(float r)
{
  const float square = r * r;
  float p = fmaf(1.9875691500e-4f, r, 1.3981999507e-3f);
  p = fmaf(p, square, fmaf(8.3334519073e-3f, r, 4.1665795894e-2f));
  p = fmaf(p, square, fmaf(1.6666665459e-1f, r, 5.0000001201e-1f));
  return fmaf(p, square, r);
}""",
    "exponential": """\
static float exponential(float x)
{
  float n, power, half_n, half, rest, whole;
  const float r = split_power(x < -104.0f ? -104.0f : x > 89.0f ? 89.0f : x, &n, &power);
  split_power(n * 0.34657359027997264f, &half_n, &half);
  split_power((n - half_n) * 0.69314718055994531f, &rest, &whole);
  return fmaf(small_expm1(r), half, half) * whole;
}""",
    "sigmoid": """\
static float sigmoid(float x)
{
  float n, power;
  const float r = split_power(x < -87.0f ? 87.0f : x > 87.0f ? -87.0f : -x, &n, &power);
  return 1.0f / (1.0f + fmaf(small_expm1(r), power, power));
}""",
    "hyperbolic_tangent": """\
static float hyperbolic_tangent(float x)
{
  float n, power;
  const float twice = x + x, r = split_power(twice < -20.0f ? -20.0f : twice > 20.0f ? 20.0f : twice, &n, &power);
  const float less = fmaf(small_expm1(r), power, power - 1.0f);
  return less / (less + 2.0f);
}""",
    "sum": """\
/* Numbers are added in LANES parts, and these in pairs. */
static float sum(const float *x, int count)
{
  float parts[LANES] = {0.0f};
  for (int k = 0; k < count; k++) parts[k % LANES] += x[k];
  for (int half = LANES / 2; half; half /= 2)
    for (int k = 0; k < half; k++) parts[k] += parts[k + half];
  return parts[0];
}""",
    "mean": "static float mean(const float *x, int count) { return sum(x, count) / (float)count; }",
    "to_integers": """\
/* x as whole numbers from -127 to 127, rounded to the nearest, to the even one between two; returns what one of them is worth. A row of tiny numbers
   counts as zeros; after one that is not finite, all is NaN. */
static float to_integers(int8_t *q, const float *x, int count)
{
  float most = 0.0f, factor;
  int strange = 0;
  for (int k = 0; k < count; k++) {
    strange |= !isfinite(x[k]);
    if (fabsf(x[k]) > most) most = fabsf(x[k]);
    q[k] = 0;
  }
  if (strange) return NAN;
  if (most < 1e-30f) return 0.0f;
  factor = 127.0f / most;
  for (int k = 0; k < count; k++) q[k] = (int8_t)(x[k] * factor + 12582912.0f - 12582912.0f);  /* 1.5 * 2^23: there, the next number is 1 away */
  return most / 127.0f;
}""",
    "to_8_bits": _WITHIN.format(bits=8, most=127),
    "to_16_bits": _WITHIN.format(bits=16, most=32767),
    "multiply_16_bits": _MULTIPLY.format(name="multiply_16_bits", read="int16_t", sum="int32_t", why=""),
    "multiply_16_bits_long": _MULTIPLY.format(name="multiply_16_bits_long", read="int16_t", sum="int64_t", why=" Rows are so long that a sum may need 64 bits."),
    "multiply_integers": _MULTIPLY.format(name="multiply_integers", read="int8_t", sum="int32_t", why=""),
}


def exact_expressions() -> dict[str, tuple[str, int, tuple[int, ...]]]:
    """As `EXPRESSIONS`, with the engine's own functions in place of the C library's."""
    return EXPRESSIONS | _EXPRESSIONS


def exact_functions() -> dict[str, str]:
    """As `FUNCTIONS`, with those that layers of whole numbers call; they come first."""
    return _OWN | {name: text for name, text in FUNCTIONS.items() if name not in _OWN}
