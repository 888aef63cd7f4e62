"""Each kind of node of the grammar as C99 for one channel, and the functions that these texts call.

A text has a rank, so that an expression made of expressions has the parentheses that it needs and no others.
"""

from __future__ import annotations

import math

import numpy as np

ATOM, UNARY, TERM, SUM, LOOSE = 4, 3, 2, 1, 0  # how tightly a text holds together

# kind: text, its rank, the rank that each argument must have
EXPRESSIONS: dict[str, tuple[str, int, tuple[int, ...]]] = {
    "add": ("{0} + {1}", SUM, (SUM, TERM)),
    "sub": ("{0} - {1}", SUM, (SUM, TERM)),
    "mul": ("{0} * {1}", TERM, (TERM, UNARY)),
    "div": ("{0} / {1}", TERM, (TERM, UNARY)),
    "pow": ("powf({0}, {1})", ATOM, (LOOSE, LOOSE)),
    "maximum": ("maximum({0}, {1})", ATOM, (LOOSE, LOOSE)),
    "minimum": ("minimum({0}, {1})", ATOM, (LOOSE, LOOSE)),
    "neg": ("-{0}", UNARY, (ATOM,)),
    "abs": ("fabsf({0})", ATOM, (LOOSE,)),
    "sign": ("sign({0})", ATOM, (LOOSE,)),
    "floor": ("floorf({0})", ATOM, (LOOSE,)),
    "reciprocal": ("1.0f / {0}", TERM, (UNARY,)),
    "sqrt": ("sqrtf({0})", ATOM, (LOOSE,)),
    "rsqrt": ("1.0f / sqrtf({0})", TERM, (LOOSE,)),
    "exp": ("expf({0})", ATOM, (LOOSE,)),
    "expm1": ("expm1f({0})", ATOM, (LOOSE,)),
    "log": ("logf({0})", ATOM, (LOOSE,)),
    "log1p": ("log1pf({0})", ATOM, (LOOSE,)),
    "sin": ("sinf({0})", ATOM, (LOOSE,)),
    "cos": ("cosf({0})", ATOM, (LOOSE,)),
    "atan": ("atanf({0})", ATOM, (LOOSE,)),
    "erf": ("erff({0})", ATOM, (LOOSE,)),
    "sigmoid": ("sigmoid({0})", ATOM, (LOOSE,)),
    "tanh": ("tanhf({0})", ATOM, (LOOSE,)),
    "relu": ("relu({0})", ATOM, (LOOSE,)),
    "lt": ("({0} < {1})", ATOM, (SUM, SUM)),
    "le": ("({0} <= {1})", ATOM, (SUM, SUM)),
    "gt": ("({0} > {1})", ATOM, (SUM, SUM)),
    "ge": ("({0} >= {1})", ATOM, (SUM, SUM)),
    "eq": ("({0} == {1})", ATOM, (SUM, SUM)),
    "ne": ("({0} != {1})", ATOM, (SUM, SUM)),
    "and": ("({0} && {1})", ATOM, (UNARY, UNARY)),
    "or": ("({0} || {1})", ATOM, (UNARY, UNARY)),
    "not": ("!{0}", UNARY, (ATOM,)),
    "where": ("({0} ? {1} : {2})", ATOM, (UNARY, SUM, SUM)),
    "spread": ("{0} / {width}", TERM, (TERM,)),
    "expand": ("{0}", LOOSE, (LOOSE,)),
}
REDUCTIONS = {"sum": "sum", "mean": "mean", "amax": "largest"}

# The functions that printed texts may call, each written once, where anything calls it. A NaN comes through, as in torch.
FUNCTIONS = {
    "sigmoid": "static float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }",
    "relu": "static float relu(float x) { return x < 0.0f ? 0.0f : x; }",
    "sign": "static float sign(float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x; }",
    "maximum": "static float maximum(float a, float b) { return a > b || a != a ? a : b; }",
    "minimum": "static float minimum(float a, float b) { return a < b || a != a ? a : b; }",
    "copy": """\
/* By itself: GCC 12, told to use AVX-512, writes wrong numbers where it puts the copy of a constant table into a function, if 64 bytes of it end in zeros
   and are one number before (its i386 back end takes them for one number throughout). */
#if defined(__GNUC__) && !defined(__clang__)
__attribute__((noinline, noclone))
#endif
static void copy(float *to, const float *from, int count)
{
  for (int k = 0; k < count; k++) to[k] = from[k];
}""",
    "fill": """\
static void fill(float *to, float value, int count)
{
  for (int k = 0; k < count; k++) to[k] = value;
}""",
    "sum": """\
static float sum(const float *x, int count)
{
  float total = 0.0f;
  for (int k = 0; k < count; k++) total += x[k];
  return total;
}""",
    "mean": """\
static float mean(const float *x, int count)
{
  float total = 0.0f;
  for (int k = 0; k < count; k++) total += x[k];
  return total / (float)count;
}""",
    "largest": """\
static float largest(const float *x, int count)
{
  float most = x[0];
  for (int k = 1; k < count; k++) most = x[k] > most || x[k] != x[k] ? x[k] : most;
  return most;
}""",
    "multiply": """\
/* y += W x. W is stored in blocks of BLOCK rows, and within a block by columns, so that BLOCK sums are made side by side; the rows that are
   left over at the end stand one after the other. */
static void multiply(float *restrict y, const float *restrict W, const float *restrict x, int rows, int columns)
{
  int row = 0;
  for (; row + BLOCK <= rows; row += BLOCK) {
    float sums[BLOCK];
    for (int r = 0; r < BLOCK; r++) sums[r] = y[row + r];
    for (int k = 0; k < columns; k++, W += BLOCK)
      for (int r = 0; r < BLOCK; r++) sums[r] += W[r] * x[k];
    for (int r = 0; r < BLOCK; r++) y[row + r] = sums[r];
  }
  for (; row < rows; row++, W += columns)
    for (int k = 0; k < columns; k++) y[row] += W[k] * x[k];
}""",
    "multiply_int8": """\
/* y += W x for whole numbers W, with a scale for each row; blocks as for `multiply`. */
static void multiply_int8(float *restrict y, const int8_t *restrict W, const float *restrict scale, const float *restrict x, int rows, int columns)
{
  int row = 0;
  for (; row + BLOCK <= rows; row += BLOCK) {
    float sums[BLOCK] = {0.0f};
    for (int k = 0; k < columns; k++, W += BLOCK)
      for (int r = 0; r < BLOCK; r++) sums[r] += (float)W[r] * x[k];
    for (int r = 0; r < BLOCK; r++) y[row + r] += scale[row + r] * sums[r];
  }
  for (; row < rows; row++, W += columns) {
    float sum = 0.0f;
    for (int k = 0; k < columns; k++) sum += (float)W[k] * x[k];
    y[row] += scale[row] * sum;
  }
}""",
    "multiply_int4": """\
/* y += W x for whole numbers W of 4 bits, to which 8 was added, two in a byte: the first in its lower half. 64 columns of a row have a scale. Bytes
   and scales are in blocks as for `multiply`. */
static void multiply_int4(float *restrict y, const uint8_t *restrict W, const float *restrict scale, const float *restrict x, int rows, int columns)
{
  for (int row = 0; row < rows;) {
    const int block = row + BLOCK <= rows ? BLOCK : 1;
    for (int first = 0; first < columns; first += 64, scale += block) {
      float sums[BLOCK] = {0.0f};
      const int end = first + 64 < columns ? first + 64 : columns;
      for (int k = first; k < end; k += 2, W += block) {
        const float a = x[k], b = k + 1 < columns ? x[k + 1] : 0.0f;
        for (int r = 0; r < block; r++) sums[r] += (float)((W[r] & 15) - 8) * a + (float)((W[r] >> 4) - 8) * b;
      }
      for (int r = 0; r < block; r++) y[row + r] += scale[r] * sums[r];
    }
    row += block;
  }
}""",
    "take_row": """\
/* x = row `row` of a matrix that is stored as `multiply` reads it. */
static void take_row(float *x, const float *W, int row, int rows, int columns)
{
  const int first = row - row % BLOCK, whole = first + BLOCK <= rows;
  const float *from = W + (long)(whole ? first : row) * columns + (whole ? row % BLOCK : 0);
  for (int k = 0; k < columns; k++) x[k] = from[whole ? k * BLOCK : k];
}""",
    "take_row_int8": """\
/* x = row `row` of a matrix that is stored as `multiply_int8` reads it. */
static void take_row_int8(float *x, const int8_t *W, const float *scale, int row, int rows, int columns)
{
  const int first = row - row % BLOCK, whole = first + BLOCK <= rows;
  const int8_t *from = W + (long)(whole ? first : row) * columns + (whole ? row % BLOCK : 0);
  for (int k = 0; k < columns; k++) x[k] = (float)from[whole ? k * BLOCK : k] * scale[row];
}""",
    "take_row_int4": """\
/* x = row `row` of a matrix that is stored as `multiply_int4` reads it. */
static void take_row_int4(float *x, const uint8_t *W, const float *scale, int row, int rows, int columns)
{
  const int first = row - row % BLOCK, whole = first + BLOCK <= rows, apart = whole ? BLOCK : 1;
  const uint8_t *from = W + (long)(whole ? first : row) * ((columns + 1) / 2) + (whole ? row % BLOCK : 0);
  scale += (long)(whole ? first : row) * ((columns + 63) / 64) + (whole ? row % BLOCK : 0);
  for (int k = 0; k < columns; k++) {
    const int both = from[k / 2 * apart];
    x[k] = (float)((k % 2 ? both >> 4 : both & 15) - 8) * scale[k / 64 * apart];
  }
}""",
    "normalise": """\
/* y = (x - its mean) / its deviation * weight + bias */
static void normalise(float *y, const float *x, const float *weight, const float *bias, float epsilon, int count)
{
  float centre = 0.0f, spread = 0.0f;
  for (int k = 0; k < count; k++) centre += x[k];
  centre /= (float)count;
  for (int k = 0; k < count; k++) spread += (x[k] - centre) * (x[k] - centre);
  spread = 1.0f / sqrtf(spread / (float)count + epsilon);
  for (int k = 0; k < count; k++) y[k] = (x[k] - centre) * spread * weight[k] + bias[k];
}""",
    "to_probabilities": """\
/* Scores to probabilities. */
static void to_probabilities(float *y, int count)
{
  float most = y[0], total = 0.0f;
  for (int k = 1; k < count; k++) most = y[k] > most ? y[k] : most;
  for (int k = 0; k < count; k++) total += y[k] = expf(y[k] - most);
  for (int k = 0; k < count; k++) y[k] /= total;
}""",
    "to_logarithms": """\
/* Scores to the natural logarithms of probabilities. */
static void to_logarithms(float *y, int count)
{
  float most = y[0], total = 0.0f;
  for (int k = 1; k < count; k++) most = y[k] > most ? y[k] : most;
  for (int k = 0; k < count; k++) total += expf(y[k] - most);
  total = most + logf(total);
  for (int k = 0; k < count; k++) y[k] -= total;
}""",
}
BLOCK = 16  # sums that are made side by side: they fit the registers of a Cortex-M4 and four vectors of 128 bits


def _as_float32(value: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def written(value: float) -> tuple[str, int]:
    """A constant as C writes it, and its rank. It is rounded to a float here, as Python rounds it."""
    value = _as_float32(value)
    if math.isnan(value):
        return "NAN", ATOM
    if math.isinf(value):
        return ("-INFINITY", UNARY) if value < 0 else ("INFINITY", ATOM)
    text = f"{value:.9g}"
    if not any(sign in text for sign in ".e"):
        text += ".0"
    return f"{text}f", UNARY if value < 0 or text.startswith("-") else ATOM


def within(text: str, rank: int, least: int) -> str:
    """A text as an argument that must hold together at least so tightly."""
    return text if rank >= least else f"({text})"
