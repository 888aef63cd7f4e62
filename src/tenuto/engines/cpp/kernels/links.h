// The links of a DNC's memory, N * N numbers a row of the batch: each pass goes over them once. (8) and what leads forward and back in (9) of layers/dnc.py.
#pragma once
#include "addressing.h"

// What is so many numbers further on is fetched meanwhile, since all links lie beyond a core's own caches: backward in half the time beside a busy neighbour (EPYC 9004).
const long SOON = 2048;

template <int I> INLINE void without_diagonal(vec* values, long i, long j) {  // rows i.. of a block from column j: L(i, i) = 0
  if (j < i + I && i < j + LANES)
    for (int k = 0; k < I; k++)
      if (j <= i + k && i + k < j + LANES) values[k][i + k - j] = 0;
}

// I rows from i. UPDATE: `after` = the next link; else `link` is it already. forward(h, i) = sum_j L(i, j) w(h, j); backward(h, j) += sum_i L(i, j) w(h, i).
template <int H, int I, bool UPDATE>
static void link_rows(const real* link, real* after, long n, long i, const real* write, const real* last, const real* reading, real* forward, real* backward) {
  const long stride = whole_vectors(n);
  vec sum[I * H] = {};
  in_vectors(n, [&](auto whole, long j, long lanes) {
    vec w = load(write + j), q = load(last + j), r[H], to[H], value[I];
#pragma GCC unroll 4
    for (int h = 0; h < H; h++) r[h] = load(reading + h * stride + j), to[h] = load(backward + h * stride + j);
#pragma GCC unroll 4
    for (int k = 0; k < I; k++) {
      const real* from = link + (i + k) * n + j;
      __builtin_prefetch(from + SOON, 0, 2);
      if (UPDATE) __builtin_prefetch(after + (from - link) + SOON, 1, 2);
      value[k] = get(whole, from, lanes);
      if (UPDATE) value[k] = fma(broadcast(write[i + k]), q, (broadcast(1 - write[i + k]) - w) * value[k]);
    }
    if (UPDATE) without_diagonal<I>(value, i, j);
#pragma GCC unroll 4
    for (int k = 0; k < I; k++) {
      if (UPDATE) put(whole, after + (i + k) * n + j, value[k], lanes);
#pragma GCC unroll 4
      for (int h = 0; h < H; h++) {
        sum[k * H + h] = fma(value[k], r[h], sum[k * H + h]);
        to[h] = fma(broadcast(reading[h * stride + i + k]), value[k], to[h]);
      }
    }
#pragma GCC unroll 4
    for (int h = 0; h < H; h++) store(backward + h * stride + j, to[h]);
  });
  real found[whole_lanes<I * H>()];
  add_lanes<I * H>(sum, found);
  for (int k = 0; k < I; k++)
    for (int h = 0; h < H; h++) forward[h * stride + i + k] = found[k * H + h];
}

// The next links, and where they lead the heads from `reading` [heads, N].
static void link_step(const real* link, real* after, long n, long heads, const real* write, const real* last, const real* reading, real* forward, real* backward) {
  const long stride = whole_vectors(n);
  clear(forward, heads * stride), clear(backward, heads * stride);
  in_groups(heads, [&](long h, auto count) {
    enum { H = decltype(count)::value };
    long i = 0, at = h * stride;
    if (h == 0) {
      for (; i + 4 <= n; i += 4) link_rows<H, 4, true>(link, after, n, i, write, last, reading, forward, backward);
      for (; i < n; i++) link_rows<H, 1, true>(link, after, n, i, write, last, reading, forward, backward);
    } else {
      for (; i + 4 <= n; i += 4) link_rows<H, 4, false>(after, after, n, i, write, last, reading + at, forward + at, backward + at);
      for (; i < n; i++) link_rows<H, 1, false>(after, after, n, i, write, last, reading + at, forward + at, backward + at);
    }
  });
}

// ... and backward. `link` is that before the step; `d` becomes its gradient once all heads (LAST) are in. d_write, d_last and d_reading are added to.
template <int H, int I, bool LAST>
static void link_rows_back(const real* link, real* d, long n, long i, const real* write, const real* last, const real* reading, const real* d_forward,
                           const real* d_backward, real* d_write, real* d_last, real* d_reading) {
  const long stride = whole_vectors(n);
  vec sum[I * (H + 1)] = {};
  in_vectors(n, [&](auto whole, long j, long lanes) {
    vec w = load(write + j), q = load(last + j), d_w = load(d_write + j), d_q = load(d_last + j), r[H], d_r[H], back[H], pull[I], next[I], value[I], scale[I];
#pragma GCC unroll 4
    for (int h = 0; h < H; h++) r[h] = load(reading + h * stride + j), back[h] = load(d_backward + h * stride + j), d_r[h] = load(d_reading + h * stride + j);
#pragma GCC unroll 4
    for (int k = 0; k < I; k++) {
      const real *from = link + (i + k) * n + j, *to = d + (i + k) * n + j;
      __builtin_prefetch(from + SOON, 0, 2), __builtin_prefetch(to + SOON, 1, 2);
      value[k] = get(whole, from, lanes), pull[k] = get(whole, to, lanes);
      scale[k] = broadcast(1 - write[i + k]) - w;
      next[k] = fma(broadcast(write[i + k]), q, scale[k] * value[k]);
#pragma GCC unroll 4
      for (int h = 0; h < H; h++) pull[k] = fma(broadcast(d_forward[h * stride + i + k]), r[h], fma(broadcast(reading[h * stride + i + k]), back[h], pull[k]));
    }
    without_diagonal<I>(next, i, j);
    without_diagonal<I>(pull, i, j);
#pragma GCC unroll 4
    for (int k = 0; k < I; k++) {
#pragma GCC unroll 4
      for (int h = 0; h < H; h++) {
        d_r[h] = fma(broadcast(d_forward[h * stride + i + k]), next[k], d_r[h]);
        sum[k * (H + 1) + h] = fma(next[k], back[h], sum[k * (H + 1) + h]);
      }
      if (LAST) {
        sum[k * (H + 1) + H] = fma(pull[k], q - value[k], sum[k * (H + 1) + H]);
        d_w = fma(-pull[k], value[k], d_w), d_q = fma(broadcast(write[i + k]), pull[k], d_q);
        pull[k] = pull[k] * scale[k];
      }
      put(whole, d + (i + k) * n + j, pull[k], lanes);
    }
    if (LAST) put(whole, d_write + j, d_w, lanes), put(whole, d_last + j, d_q, lanes);  // padded lanes hold what is not theirs
#pragma GCC unroll 4
    for (int h = 0; h < H; h++) put(whole, d_reading + h * stride + j, d_r[h], lanes);
  });
  real found[whole_lanes<I * (H + 1)>()];
  add_lanes<I * (H + 1)>(sum, found);
  for (int k = 0; k < I; k++) {
    for (int h = 0; h < H; h++) d_reading[h * stride + i + k] += found[k * (H + 1) + h];
    if (LAST) d_write[i + k] += found[k * (H + 1) + H];
  }
}

static void link_step_back(const real* link, real* d, long n, long heads, const real* write, const real* last, const real* reading, const real* d_forward,
                           const real* d_backward, real* d_write, real* d_last, real* d_reading) {
  const long stride = whole_vectors(n);
  in_groups(heads, [&](long h, auto count) {
    enum { H = decltype(count)::value };
    long i = 0, at = h * stride;
    auto rows = [&](auto together, auto end) {
      enum { I = decltype(together)::value, END = decltype(end)::value };
      for (; i + I <= n; i += I) link_rows_back<H, I, END>(link, d, n, i, write, last, reading + at, d_forward + at, d_backward + at, d_write, d_last, d_reading + at);
    };
    if (h + GROUP >= heads) rows(Count<2>(), Count<1>()), rows(Count<1>(), Count<1>());
    else rows(Count<2>(), Count<0>()), rows(Count<1>(), Count<0>());
  });
}
