// The loss of a transducer: networks/transducer.py says what, in torch; engines/cpp/transducer.py calls this.
//
// Rows of a batch do not touch each other, so each is worked through by itself, in a scratch that stays in a core's cache: arcs, sums before each cell, and sums after it, diagonal by diagonal
// (cells (t, u) with the same n = t + u depend on the next ones only, so that a diagonal is a loop that compilers make vectors of). Sums are of float64, whatever the logits are.
#include "maths.h"

typedef void (*Parallel)(void (*)(void*), void*, unsigned, unsigned);
typedef int (*Number)(void);

// T steps, B rows, U + 1 places, V symbols; 0 is the blank. Filled in by engines/cpp/transducer.py, field by field.
struct Posed {
  int64_t steps, rows, places, symbols, threads, scratch_size;
  const real* logits;                      // [T, B, U + 1, V]
  const int64_t *targets, *frames, *labels;  // [B, U], [B], [B]
  double* scratch;                         // [threads, scratch_size]
  double* losses;                          // [B]
  real* kept;                              // [3, T, B, U + 1]: how often the blank and the next symbol are taken, and 1 / (the sum of the softmax); null where no gradient follows
  const real* weights;                     // [B], the gradient of each loss
  real* gradient;                          // [T, B, U + 1, V]
};

namespace {
const int64_t BLANK = 0;
const double IMPOSSIBLE = -INFINITY, LEAST = 1e-20;  // LEAST: see networks/transducer.py

// e^x for x of 0 and less, which may be -infinity. Plain C++ without branches: loops over it become vectors.
INLINE double exponential_below(double x) {
  const double magic = 6755399441055744.0;  // 1.5 * 2^52: whole numbers stand in its low bits
  double held = x < -708 ? -708 : x;
  double n = __builtin_fma(held, 1.44269504088896340736, magic);
  int64_t whole;
  memcpy(&whole, &n, 8);
  n -= magic;
  double r = __builtin_fma(n, -1.90821492927058770002e-10, __builtin_fma(n, -0.693147180369123816490, held));
  double p = 1.0 / 6227020800;
  p = __builtin_fma(p, r, 1.0 / 479001600), p = __builtin_fma(p, r, 1.0 / 39916800), p = __builtin_fma(p, r, 1.0 / 3628800), p = __builtin_fma(p, r, 1.0 / 362880);
  p = __builtin_fma(p, r, 1.0 / 40320), p = __builtin_fma(p, r, 1.0 / 5040), p = __builtin_fma(p, r, 1.0 / 720), p = __builtin_fma(p, r, 1.0 / 120);
  p = __builtin_fma(p, r, 1.0 / 24), p = __builtin_fma(p, r, 1.0 / 6), p = __builtin_fma(p, r, 0.5), p = __builtin_fma(p * r, r, r);
  whole = (int64_t)((uint64_t)whole << 52) + ((int64_t)1023 << 52);
  double scale;
  memcpy(&scale, &whole, 8);
  return x < -708 ? 0.0 : __builtin_fma(p, scale, scale);
}

// log(1 + y) for y from 0 to 1: the series of atanh, whose terms become nine times smaller each.
INLINE double logarithm_above(double y) {
  double s = y / (2 + y), z = s * s, p = 1.0 / 35;
  p = __builtin_fma(p, z, 1.0 / 33), p = __builtin_fma(p, z, 1.0 / 31), p = __builtin_fma(p, z, 1.0 / 29), p = __builtin_fma(p, z, 1.0 / 27);
  p = __builtin_fma(p, z, 1.0 / 25), p = __builtin_fma(p, z, 1.0 / 23), p = __builtin_fma(p, z, 1.0 / 21), p = __builtin_fma(p, z, 1.0 / 19);
  p = __builtin_fma(p, z, 1.0 / 17), p = __builtin_fma(p, z, 1.0 / 15), p = __builtin_fma(p, z, 1.0 / 13), p = __builtin_fma(p, z, 1.0 / 11);
  p = __builtin_fma(p, z, 1.0 / 9), p = __builtin_fma(p, z, 1.0 / 7), p = __builtin_fma(p, z, 1.0 / 5), p = __builtin_fma(p, z, 1.0 / 3);
  return 2 * __builtin_fma(p * z, s, s);
}

// log(e^a + e^b); two infinities of one sign stay as they are, NaN comes through
INLINE double added(double a, double b) {
  double apart = a > b ? b - a : a - b, most = a > b ? a : b;
  double sum = most + logarithm_above(exponential_below(apart));
  return a == b ? a + 0.693147180559945309417232121458176568 : sum;
}

// e^x of a softmax, where x is 0 at most: below the smallest normal numbers it is 0
INLINE vec softmax_part(vec x) {
  const real least = REAL_BITS == 32 ? -87 : -708;
  vec n, scale, r = reduce_exp(clamp(x, least, 0), n, scale);
  return where(x < least, vec{}, fma(small_expm1(r), scale, scale));
}

INLINE vec some(const real* logits, long at, long symbols, vec rest) {  // LANES logits of a cell from one on, or those that are left and `rest`
  if (at + LANES <= symbols) return load(logits + at);
  vec lane;
  for (int i = 0; i < LANES; i++) lane[i] = i;
  return where(lane < real(symbols - at), load_part(logits + at, symbols - at), rest);
}

// The highest logit of each of `count` cells, LANES at most, of V symbols each.
INLINE vec highest(const real* logits, long count, long symbols) {
  vec top[LANES];
  for (int i = 0; i < LANES; i++) {
    const real* cell = logits + (i < count ? i : count - 1) * symbols;
    top[i] = some(cell, 0, symbols, broadcast(-INFINITY));
    for (long v = LANES; v < symbols; v += LANES) top[i] = maximum(top[i], some(cell, v, symbols, broadcast(-INFINITY)));
  }
  transpose<1>(top);
  vec most = top[0];
  for (int i = 1; i < LANES; i++) most = maximum(most, top[i]);
  return most;
}
// And the sum of its softmax, less that.
INLINE vec summed(const real* logits, long count, long symbols, vec most) {
  vec total[LANES];
  for (int i = 0; i < LANES; i++) {
    const real* cell = logits + (i < count ? i : count - 1) * symbols;
    total[i] = vec{};
    for (long v = 0; v < symbols; v += LANES) total[i] += softmax_part(some(cell, v, symbols, broadcast(-INFINITY)) - most[i]);
  }
  transpose<1>(total);
  vec sum = total[0];
  for (int i = 1; i < LANES; i++) sum += total[i];
  return sum;
}

struct Row {
  const Posed& posed;
  long b, frames, labels, diagonals, width;
  const int64_t* targets;
  double *blank, *symbol, *before, *after;  // [N, U + 1] each, but `after` [U + 2]

  Row(const Posed& p, long row, double* scratch) : posed(p), b(row), frames(p.frames[row]), labels(p.labels[row]), diagonals(frames + labels), width(labels + 1) {
    targets = p.targets + b * (p.places - 1);
    blank = scratch, symbol = blank + diagonals * width, before = symbol + diagonals * width, after = before + diagonals * width;
  }
  long cell(long t) const { return (t * posed.rows + b) * posed.places; }

  void arcs() {
    real* inverse = posed.kept ? posed.kept + 2 * posed.steps * posed.rows * posed.places : nullptr;
    for (long t = 0; t < frames; t++)
      for (long u = 0; u <= labels; u += LANES) {
        const long count = labels + 1 - u < LANES ? labels + 1 - u : LANES;
        const real* logits = posed.logits + (cell(t) + u) * posed.symbols;
        vec most = highest(logits, count, posed.symbols), sum = summed(logits, count, posed.symbols, most);
        if (inverse) store_part(inverse + cell(t) + u, real(1) / sum, count);
        for (long i = 0; i < count; i++, logits += posed.symbols) {
          const long at = (t + u + i) * width + u + i;
          const double normal = log((double)sum[i]), top = most[i];
          blank[at] = ((double)logits[BLANK] - top) - normal;
          symbol[at] = u + i < labels ? ((double)logits[targets[u + i]] - top) - normal : IMPOSSIBLE;
        }
      }
  }
  // All ways from the beginning to each cell, and the log-likelihood.
  double sums_before() {
    before[0] = 0;
    for (long n = 0; n + 1 < diagonals; n++) {
      double* next = before + (n + 1) * width;
      const double *now = before + n * width, *stay = blank + n * width, *move = symbol + n * width;
      long first = n + 2 - frames > 0 ? n + 2 - frames : 0, last = labels < n + 1 ? labels : n + 1;
      if (!first) next[0] = now[0] + stay[0], first = 1;
      if (last == n + 1) next[last] = now[last - 1] + move[last - 1], last--;
      for (long u = first; u <= last; u++) next[u] = added(now[u] + stay[u], now[u - 1] + move[u - 1]);
    }
    const long end = (diagonals - 1) * width + labels;
    return before[end] + blank[end];
  }
  // All ways from each cell to the end, from which follows how often its arcs are taken: that takes their place.
  void taken(double total) {
    const double whole = isinf(total) ? 0 : total;  // a text that cannot be has no gradient
    for (long u = 0; u <= width; u++) after[u] = IMPOSSIBLE;
    after[labels] = 0;
    for (long n = diagonals - 1; n >= 0; n--) {
      double *stay = blank + n * width, *move = symbol + n * width;
      const double* from = before + n * width;
      const long first = n + 1 - frames > 0 ? n + 1 - frames : 0, last = labels < n ? labels : n;
      // An arc may be taken more than once by rounding alone, which of logits beyond 1e15 leaves nothing.
      for (long u = first; u <= last; u++) {
        double staying = stay[u] + after[u], moving = move[u] + after[u + 1], stays = from[u] + staying - whole, moves = from[u] + moving - whole;
        after[u] = added(staying, moving);
        stay[u] = exponential_below(stays > 0 ? 0 : stays);
        move[u] = exponential_below(moves > 0 ? 0 : moves);
      }
    }
    real *blanks = posed.kept, *symbols = posed.kept + posed.steps * posed.rows * posed.places;
    for (long t = 0; t < frames; t++)
      for (long u = 0, at = t * width; u <= labels; u++, at += width + 1) {
        blanks[cell(t) + u] = blank[at] < LEAST ? 0 : blank[at];
        symbols[cell(t) + u] = symbol[at] < LEAST ? 0 : symbol[at];
      }
  }
  void forward() {
    arcs();
    const double total = sums_before();
    posed.losses[b] = -total;
    if (posed.kept) taken(total);
  }

  // d loss / d logit v = softmax v * (how often the cell is passed) - (how often its arc of v is taken)
  void backward() {
    const long all = posed.steps * posed.rows * posed.places, symbols = posed.symbols;
    const real weight = posed.weights[b], *blanks = posed.kept, *moves = posed.kept + all, *inverse = posed.kept + 2 * all;
    for (long t = 0; t < posed.steps; t++) {
      real* to = posed.gradient + cell(t) * symbols;
      const long live = t < frames ? labels + 1 : 0;
      memset(to + live * symbols, 0, (posed.places - live) * symbols * sizeof(real));
      for (long u = 0; u < live; u += LANES) {
        const long count = live - u < LANES ? live - u : LANES;
        const real* logits = posed.logits + (cell(t) + u) * symbols;
        const vec most = highest(logits, count, symbols);
        for (long i = 0; i < count; i++, logits += symbols) {
          const long at = cell(t) + u + i;
          const real stays = blanks[at] * weight, moving = moves[at] * weight, passed = (stays + moving) * inverse[at];
          real* out = to + (u + i) * symbols;
          for (long v = 0; v < symbols; v += LANES) {
            vec part = softmax_part(some(logits, v, symbols, broadcast(-INFINITY)) - most[i]) * passed;
            if (v + LANES <= symbols) store(out + v, part);
            else store_part(out + v, part, symbols - v);
          }
          out[BLANK] -= stays;
          if (u + i < labels) out[targets[u + i]] -= moving;
        }
      }
    }
  }
};

// All rows, shared among threads.
struct Work {
  const Posed& posed;
  Number number, count;
  bool back;
  static void run(void* one) {
    const Work& work = *(Work*)one;
    const Posed& posed = work.posed;
    const long threads = work.number ? work.count() : 1, me = work.number ? work.number() : 0;
    for (long b = me; b < posed.rows; b += threads) {
      Row row(posed, b, posed.scratch + me * posed.scratch_size);
      if (work.back) row.backward();
      else row.forward();
    }
  }
};
void each_row(const Posed& posed, Parallel parallel, Number number, Number count, bool back) {
  const bool many = parallel && posed.threads > 1;
  Work work = {posed, many ? number : nullptr, many ? count : nullptr, back};
  if (many) parallel(Work::run, &work, posed.threads, 0);
  else Work::run(&work);
}
}  // namespace

extern "C" void tenuto_forward(const Posed* posed, Parallel parallel, Number number, Number count) { each_row(*posed, parallel, number, count, false); }
extern "C" void tenuto_backward(const Posed* posed, Parallel parallel, Number number, Number count) { each_row(*posed, parallel, number, count, true); }
