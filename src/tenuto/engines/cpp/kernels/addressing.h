// What the heads of a memory do in one step of one row, forward and backward: find rows by content, sharpen weights, read. Shared by dnc.cpp and ntm.cpp.
// N rows of the memory, M their width. Arrays of a head stand in scratch memory, each from a whole number of vectors, with zeros behind its end; a
// caller's arrays have no such end, and are read and written by `get` and `put`. Each row of a batch is worked out alone: its bits depend on no other.
#pragma once
#include "maths.h"
#include "pass.h"

typedef void (*Parallel)(void (*)(void*), void*, unsigned, unsigned);
typedef int (*Number)(void);

// One step of all rows of a batch. The tensors of a state come in the order of its names, each [B, ...]; memory/access.py fills this in, field by field.
enum { MOST_PARTS = 8 };
struct Access {
  int64_t batch, rows, width, reads, writes, reach, masked, deallocating, linked, sharpened, said_width, threads;
  int64_t older;                   // backward: before[LINK] lies so many steps before this one (dnc.cpp)
  const real* said;                // [B, said_width], as the interface gave it
  real* d_said;
  real* kept;                      // [B, kept width], from forward to backward; null where none will follow
  real* scratch;                   // of each thread
  const uint8_t *live, *resets;    // [B], or null: rows whose sequence goes on; rows that begin again
  const real* before[MOST_PARTS];  // the state before the step
  real* after[MOST_PARTS];         // after it; may be the same memory
  const real* first[MOST_PARTS];   // what resets return to
  real* d[MOST_PARTS];             // gradients of `after` become those of `before`, but for the vectors read, whose are used up
};

const real EPSILON = real(1e-6);
enum { GROUP = 4 };  // so many heads at once: their sums stand in registers

template <int N> constexpr int whole_lanes() { return (N + LANES - 1) / LANES * LANES; }
INLINE long whole_vectors(long n) { return (n + LANES - 1) / LANES * LANES; }

// Scratch memory, handed out piece by piece; from null it only counts.
struct Scratch {
  real* base;
  long used = 0;
  real* take(long n) {
    used += whole_vectors(n);
    return base + used - whole_vectors(n);
  }
  template <class... Places> void take_each(long n, Places&... places) { ((places = take(n)), ...); }
};

template <int N> struct Count { enum { value = N }; };
template <class Work> INLINE void in_groups(long heads, Work work) {
  for (long h = 0; h < heads; h += GROUP) switch (heads - h) {
    case 1: work(h, Count<1>()); break;
    case 2: work(h, Count<2>()); break;
    case 3: work(h, Count<3>()); break;
    default: work(h, Count<GROUP>());
  }
}
template <class Work> INLINE void in_vectors(long n, Work work) {  // work(whole or part, first, lanes)
  long j = 0;
  for (; j + LANES <= n; j += LANES) work(Whole(), j, long(LANES));
  if (j < n) work(Part(), j, n - j);
}
INLINE void take_in(real* to, const real* from, long n) { in_vectors(n, [&](auto whole, long j, long lanes) { store(to + j, get(whole, from + j, lanes)); }); }
INLINE void give_out(real* to, const real* from, long n) { memmove(to, from, n * sizeof(real)); }
INLINE void clear(real* to, long n) { memset(to, 0, whole_vectors(n) * sizeof(real)); }
INLINE void fill_end(real* to, long n, real value) { for (long j = n; j < whole_vectors(n); j++) to[j] = value; }

// The lanes of each of COUNT vectors, added up.
template <int COUNT> INLINE void add_lanes(const vec* from, real* to) {
#pragma GCC unroll 4
  for (int begin = 0; begin < COUNT; begin += LANES) {
    vec square[LANES];
#pragma GCC unroll 16
    for (int k = 0; k < LANES; k++) square[k] = begin + k < COUNT ? from[begin + k] : vec{};
    transpose<1>(square);
#pragma GCC unroll 4
    for (int half = LANES / 2; half; half /= 2)
#pragma GCC unroll 16
      for (int k = 0; k < half; k++) square[k] = square[k] + square[k + half];
    store_part(to + begin, square[0], COUNT - begin < LANES ? COUNT - begin : LANES);
  }
}
INLINE real dot(const real* a, const real* b, long n) {
  vec sum = {};
  for (long j = 0; j < n; j += LANES) sum = fma(load(a + j), load(b + j), sum);
  return sum_lanes(sum);
}
INLINE real total(const real* a, long n) {
  vec sum = {};
  for (long j = 0; j < n; j += LANES) sum = sum + load(a + j);
  return sum_lanes(sum);
}

// log x of a positive x that is not subnormal: x = 2^k (1 + f), 1 + f near 1 (fdlibm's e_log.c and e_logf.c). A NaN comes through.
INLINE vec logarithm(vec x) {
#if REAL_BITS == 32
  const word offset = 0x3f800000 - 0x3f3504f3, base = 0x3f3504f3, low = 0x007fffff, bias = 0x7f, shift = 23;
  const real high_part = 6.9313812256e-01f, low_part = 9.0580006145e-06f;
#else
  const word offset = (0x3ff00000LL - 0x3fe6a09eLL) << 32, base = 0x3fe6a09eLL << 32, low = 0x000fffffffffffffLL, bias = 0x3ff, shift = 52;
  const real high_part = 6.93147180369123816490e-01, low_part = 1.90821492927058770002e-10;
#endif
  mask i = bits(x) + offset;
  vec k = __builtin_convertvector((i >> shift) - bias, vec);
  vec f = number((i & low) + base) - real(1), s = f / (f + real(2)), z = s * s, w = z * z;
#if REAL_BITS == 32
  vec r = fma(w, fma(w, broadcast(0.24279078841f), broadcast(0.40000972152f)), z * fma(w, broadcast(0.28498786688f), broadcast(0.66666662693f)));
#else
  vec even = w * fma(w, fma(w, broadcast(1.531383769920937332e-01), broadcast(2.222219843214978396e-01)), broadcast(3.999999999940941908e-01));
  vec odd = z * fma(w, fma(w, fma(w, broadcast(1.479819860511658591e-01), broadcast(1.818357216161805012e-01)), broadcast(2.857142874366239149e-01)), broadcast(6.666666666666735130e-01));
  vec r = even + odd;
#endif
  vec half = real(0.5) * f * f;
  vec found = fma(k, broadcast(high_part), f - (half - fma(s, half + r, k * low_part)));
  return x != x ? x : found;
}

INLINE real sigmoid_of(real x) { return sigmoid(broadcast(x))[0]; }
INLINE real softplus(real x) { return x > 20 ? x : REAL_BITS == 32 ? log1pf(expf(x)) : log1p(exp(x)); }
INLINE real softplus_slope(real x) { return x > 20 ? real(1) : sigmoid_of(x); }
INLINE void sigmoids(real* to, const real* from, long n) { in_vectors(n, [&](auto whole, long j, long lanes) { put(whole, to + j, sigmoid(get(whole, from + j, lanes)), lanes); }); }
INLINE void tangents(real* to, const real* from, long n) { in_vectors(n, [&](auto whole, long j, long lanes) { put(whole, to + j, hyperbolic_tangent(get(whole, from + j, lanes)), lanes); }); }

// In place; zeros behind the end stay.
INLINE void softmax(real* z, long n) {
  vec most = broadcast(-INFINITY), sum = {};
  fill_end(z, n, -INFINITY);
  for (long j = 0; j < n; j += LANES) most = maximum(most, load(z + j));
  most = broadcast(max_lanes(most));
  for (long j = 0; j < n; j += LANES) store(z + j, exponential(load(z + j) - most));
  fill_end(z, n, 0);
  for (long j = 0; j < n; j += LANES) sum = sum + load(z + j);
  vec one = broadcast(real(1) / sum_lanes(sum));
  for (long j = 0; j < n; j += LANES) store(z + j, load(z + j) * one);
}

// For each head sum_m key(m) memory(i, m), and sizes sum_m square(m) memory(i, m)^2: NONE, ONE of all heads with square = 1, or of EACH head.
enum Sizes { NONE, ONE, EACH_HEAD };
template <int H, Sizes SIZES>
static void products(const real* memory, long n, long m, const real* key, const real* square, real* found, real* size) {
  const long key_stride = whole_vectors(m), stride = whole_vectors(n);
  for (long i = 0; i < n; i += LANES) {
    vec sum[H] = {}, sizes[H] = {};
    for (long j = 0; j < m; j += LANES) {
      vec block[LANES];
      if (i + LANES <= n && j + LANES <= m) {
#pragma GCC unroll 16
        for (int k = 0; k < LANES; k++) {
          block[k] = load(memory + (i + k) * m + j);
          __builtin_prefetch(memory + (i + LANES + k) * m + j, 0, 2);
        }
      } else {
        for (int k = 0; k < LANES; k++) block[k] = i + k < n ? load_part(memory + (i + k) * m + j, m - j < LANES ? m - j : long(LANES)) : vec{};
      }
      transpose<1>(block);
#pragma GCC unroll 16
      for (int k = 0; k < LANES; k++) {
        vec value = block[k];
#pragma GCC unroll 4
        for (int h = 0; h < H; h++) sum[h] = fma(broadcast(key[h * key_stride + j + k]), value, sum[h]);
        if constexpr (SIZES == ONE) sizes[0] = fma(value, value, sizes[0]);
        if constexpr (SIZES == EACH_HEAD) {
          value = value * value;
#pragma GCC unroll 4
          for (int h = 0; h < H; h++) sizes[h] = fma(broadcast(square[h * key_stride + j + k]), value, sizes[h]);
        }
      }
    }
    for (int h = 0; h < H; h++) {
      store(found + h * stride + i, sum[h]);
      if (SIZES == EACH_HEAD || (SIZES == ONE && h == 0)) store(size + h * stride + i, sizes[h]);
    }
  }
}

// to(h, m) = sum_i weights(h, i) memory(i, m)
static void read_rows(const real* memory, long n, long m, long heads, const real* weights, real* to) {
  in_groups(heads, [&](long first, auto count) {
    enum { H = decltype(count)::value };
    in_vectors(m, [&](auto whole, long j, long lanes) {
      vec sum[H] = {};
      const real* w = weights + first * whole_vectors(n);
      for (long i = 0; i < n; i++) {
        vec value = get(whole, memory + i * m + j, lanes);
#pragma GCC unroll 4
        for (int h = 0; h < H; h++) sum[h] = fma(broadcast(w[h * whole_vectors(n) + i]), value, sum[h]);
      }
      for (int h = 0; h < H; h++) put(whole, to + (first + h) * m + j, sum[h], lanes);
    });
  });
}
// ... backward: d_weights(h, i) += sum_m d_read(h, m) memory(i, m), d_memory(i, m) += sum_h weights(h, i) d_read(h, m). d_read in scratch memory.
static void read_rows_back(const real* memory, long n, long m, long heads, const real* weights, const real* d_read, real* d_weights, real* d_memory, real* some) {
  const long stride = whole_vectors(n), wide = whole_vectors(m);
  in_groups(heads, [&](long first, auto count) {
    enum { H = decltype(count)::value };
    products<H, NONE>(memory, n, m, d_read + first * wide, nullptr, some, nullptr);
    for (long j = 0; j < H * stride; j += LANES) store(d_weights + first * stride + j, load(d_weights + first * stride + j) + load(some + j));
    for (long i = 0; i < n; i++) {
      vec w[H];
      for (int h = 0; h < H; h++) w[h] = broadcast(weights[(first + h) * stride + i]);
      in_vectors(m, [&](auto whole, long j, long lanes) {
        vec sum = get(whole, d_memory + i * m + j, lanes);
#pragma GCC unroll 4
        for (int h = 0; h < H; h++) sum = fma(w[h], load(d_read + (first + h) * wide + j), sum);
        put(whole, d_memory + i * m + j, sum, lanes);
      });
    }
  });
}

// Keys of some heads: found(h) = softmax(strength cosine), cosine = k . v / sqrt((|k|^2 + e) (|v|^2 + e)), keys and rows multiplied by the head's mask before.
struct Content {
  long heads;
  bool masked;
  real *key, *mask, *square, *weighed;           // [heads, M]; without masks, only key, which is weighed too
  real *strength, *own;                          // [heads]; own: 1 / sqrt(|k|^2 + e)
  real *cosine, *inverse, *found;                // [heads, N], kept; inverse: 1 / sqrt(|v|^2 + e), without masks [1, N]
  real *d_key, *d_square, *d_strength;           // d_strength of what strength was made of: times the slope
  real *d_found, *d_size, *some;

  long sizes() const { return masked ? heads : 1; }
  void from(Scratch& scratch, Scratch& kept, long n, long m, bool back) {
    long wide = heads * whole_vectors(m), long_ = heads * whole_vectors(n);
    weighed = key = scratch.take(wide);
    mask = square = nullptr;
    if (masked) mask = scratch.take(wide), square = scratch.take(wide), weighed = scratch.take(wide);
    strength = scratch.take(heads), own = scratch.take(heads);
    cosine = kept.take(long_), inverse = kept.take(sizes() * whole_vectors(n)), found = kept.take(long_);
    some = scratch.take(GROUP * whole_vectors(n));
    if (back) d_key = scratch.take(wide), d_square = scratch.take(wide), d_strength = scratch.take(heads), d_found = scratch.take(long_), d_size = scratch.take(long_);
  }
  // The keys, and the masks where there are any, as they were said: mask is a sigmoid.
  void say(const real* masks, long m) {
    const long wide = whole_vectors(m);
    for (long h = 0; h < heads; h++) {
      if (masked) {
        clear(mask + h * wide, m);
        sigmoids(mask + h * wide, masks + h * m, m);
        for (long j = 0; j < m; j += LANES) {
          vec square_ = load(mask + h * wide + j) * load(mask + h * wide + j);
          store(square + h * wide + j, square_);
          store(weighed + h * wide + j, load(key + h * wide + j) * square_);
        }
      }
      own[h] = 1 / (REAL_BITS == 32 ? sqrtf(dot(weighed + h * wide, key + h * wide, m) + EPSILON) : sqrt(dot(weighed + h * wide, key + h * wide, m) + EPSILON));
    }
  }
  void find(const real* memory, long n, long m) {
    const long wide = whole_vectors(m), stride = whole_vectors(n);
    in_groups(heads, [&](long h, auto count) {
      enum { H = decltype(count)::value };
      if (masked) products<H, EACH_HEAD>(memory, n, m, weighed + h * wide, square + h * wide, cosine + h * stride, inverse + h * stride);
      else if (h == 0) products<H, ONE>(memory, n, m, weighed, nullptr, cosine, inverse);
      else products<H, NONE>(memory, n, m, weighed + h * wide, nullptr, cosine + h * stride, nullptr);
    });
    for (long j = 0; j < sizes() * stride; j += LANES) store(inverse + j, reciprocal_root(load(inverse + j) + EPSILON));
    for (long h = 0; h < heads; h++) {
      const real* over = inverse + (masked ? h * stride : 0);
      for (long j = 0; j < n; j += LANES) {
        vec value = load(cosine + h * stride + j) * own[h] * load(over + j);
        store(cosine + h * stride + j, value);
        store(found + h * stride + j, value * strength[h]);
      }
      softmax(found + h * stride, n);
    }
  }
  // From d_found to d_memory, which is added to, and to d_key, d_square (then d_mask) and d_strength.
  void back(const real* memory, long n, long m, real* d_memory) {
    const long wide = whole_vectors(m), stride = whole_vectors(n);
    clear(d_size, sizes() * stride);
    for (long h = 0; h < heads; h++) {
      real *d = d_found + h * stride, *d_sizes = d_size + (masked ? h * stride : 0);
      const real *c = cosine + h * stride, *place = found + h * stride, *over = inverse + (masked ? h * stride : 0);
      vec mean = broadcast(dot(d, place, n)), sum = {};
      for (long j = 0; j < n; j += LANES) {
        vec d_score = load(place + j) * (load(d + j) - mean), pulled = d_score * load(c + j), inverse_ = load(over + j);
        sum = sum + pulled;
        pulled = pulled * strength[h] * real(-0.5);
        store(d_sizes + j, fma(pulled * inverse_, inverse_, load(d_sizes + j)));
        store(d + j, d_score * strength[h] * own[h] * inverse_);  // of the product of key and row
      }
      real pulled = sum_lanes(sum);
      d_strength[h] = pulled;
      own[h] = real(-0.5) * own[h] * own[h] * pulled * strength[h];  // now the gradient of |k|^2
    }
    in_groups(heads, [&](long h, auto count) {
      enum { H = decltype(count)::value };
      if (masked) spread<H, EACH_HEAD>(h, memory, n, m, d_memory);
      else if (h == 0) spread<H, ONE>(h, memory, n, m, d_memory);
      else spread<H, NONE>(h, memory, n, m, d_memory);
    });
    for (long h = 0; h < heads; h++)
      for (long j = h * wide; j < (h + 1) * wide; j += LANES) {
        vec k = load(key + j), w = load(weighed + j), squares = masked ? load(square + j) : broadcast(1);
        vec d_weighed = fma(k, broadcast(own[h]), load(d_key + j));
        store(d_key + j, fma(d_weighed, squares, w * own[h]));
        if (masked) {
          vec one = load(mask + j), d_mask = real(2) * one * fma(d_weighed, k, load(d_square + j));
          store(d_square + j, d_mask * one * (real(1) - one));
        }
      }
  }

 private:
  // Heads from `first`: d_memory, d_key and d_square from d_found, which is by now that of the product of key and row, and d_size.
  template <int H, Sizes SIZES> void spread(long first, const real* memory, long n, long m, real* d_memory) {
    clear(d_key + first * whole_vectors(m), H * whole_vectors(m)), clear(d_square + first * whole_vectors(m), H * whole_vectors(m));
    long i = 0;
    for (; i + 4 <= n; i += 4) spread_rows<H, SIZES, 4>(first, i, memory, n, m, d_memory);
    for (; i < n; i++) spread_rows<H, SIZES, 1>(first, i, memory, n, m, d_memory);
  }
  template <int H, Sizes SIZES, int I> void spread_rows(long first, long i, const real* memory, long n, long m, real* d_memory) {
    const long wide = whole_vectors(m), stride = whole_vectors(n);
    const real *d = d_found + first * stride + i, *d_sizes = d_size + first * stride + i, *w = weighed + first * wide, *squares = square + first * wide;
    in_vectors(m, [&](auto whole, long j, long lanes) {
      vec d_w[H], d_squares[H];
#pragma GCC unroll 4
      for (int h = 0; h < H; h++) {
        d_w[h] = load(d_key + (first + h) * wide + j);
        if constexpr (SIZES == EACH_HEAD) d_squares[h] = load(d_square + (first + h) * wide + j);
      }
#pragma GCC unroll 4
      for (int k = 0; k < I; k++) {
        vec value = get(whole, memory + (i + k) * m + j, lanes), sum = get(whole, d_memory + (i + k) * m + j, lanes), own_square = value * value, pulled = {};
#pragma GCC unroll 4
        for (int h = 0; h < H; h++) {
          vec d_h = broadcast(d[h * stride + k]);
          sum = fma(d_h, load(w + h * wide + j), sum);
          d_w[h] = fma(d_h, value, d_w[h]);
          if constexpr (SIZES == EACH_HEAD) {
            vec d_s = broadcast(d_sizes[h * stride + k]);
            pulled = fma(d_s, load(squares + h * wide + j), pulled);
            d_squares[h] = fma(d_s, own_square, d_squares[h]);
          }
        }
        if constexpr (SIZES == ONE) pulled = broadcast(d_sizes[k]);
        put(whole, d_memory + (i + k) * m + j, SIZES == NONE ? sum : fma(pulled, value + value, sum), lanes);
      }
#pragma GCC unroll 4
      for (int h = 0; h < H; h++) {
        store(d_key + (first + h) * wide + j, d_w[h]);
        if constexpr (SIZES == EACH_HEAD) store(d_square + (first + h) * wide + j, d_squares[h]);
      }
    });
  }
};

// w(i)^s / max(1, sum_j w(j)^s), w divided by its largest first, which is no variable; see `sharpened` in layers/addressing.py. to: [N], with zeros behind its end, as w.
INLINE vec largest(const real* w, long n) {
  vec most = {};
  for (long j = 0; j < n; j += LANES) most = maximum(most, load(w + j));
  real found = max_lanes(most);
  return broadcast(found < EPSILON ? EPSILON : found);
}
INLINE void sharpen(const real* w, real power, long n, real* to) {
  vec most = largest(w, n), sum = {};
  for (long j = 0; j < n; j += LANES) {
    vec x = load(w + j) / most, raised = x <= 0 ? vec{} : exponential(logarithm(x) * power);
    sum = sum + raised;
    store(to + j, raised);
  }
  real all = sum_lanes(sum);
  vec one = broadcast(real(1) / (all < 1 ? real(1) : all));
  for (long j = 0; j < n; j += LANES) store(to + j, load(to + j) * one);
}
// d: of the result, becomes that of w. Gives the gradient of the power. some: [2, N].
INLINE real sharpen_back(const real* w, real power, long n, real* d, real* some) {
  const long stride = whole_vectors(n);
  vec most = largest(w, n), sum = {}, pulled = {}, d_power = {};
  for (long j = 0; j < n; j += LANES) {
    vec x = load(w + j) / most, log = logarithm(x), raised = x <= 0 ? vec{} : exponential(log * power);
    sum = sum + raised;
    pulled = fma(raised, load(d + j), pulled);
    store(some + j, raised), store(some + stride + j, x <= 0 ? vec{} : log);
  }
  real all = sum_lanes(sum), mean = all < 1 ? real(0) : sum_lanes(pulled) / all;
  vec one = broadcast(real(1) / (all < 1 ? real(1) : all));
  for (long j = 0; j < n; j += LANES) {
    vec own = load(w + j), d_raised = (load(d + j) - mean) * one, raised = load(some + j);
    d_power = fma(d_raised * raised, load(some + stride + j), d_power);
    vec slope = own <= 0 ? broadcast(power == 1 ? 1 / most[0] : real(0)) : power * raised / own;  // s x^(s - 1) / largest
    store(d + j, own < 0 ? vec{} : d_raised * slope);
  }
  fill_end(d, n, 0);
  return sum_lanes(d_power);
}
