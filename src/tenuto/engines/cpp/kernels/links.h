// The links of a DNC's memory, N * N numbers a row of the batch: each pass goes over them once. (8) and what leads forward and back in (9) of layers/dnc.py.
#pragma once
#include "addressing.h"

// What is so many numbers further on is fetched meanwhile, since all links lie beyond a core's own caches: backward in half the time beside a busy neighbour (EPYC 9004).
const long SOON = 2048;

template <int I> INLINE void without_diagonal(vec* values, long i, long j) {  // rows i.. of a block from column j: L(i, i) = 0
  mask lane;
  for (int k = 0; k < LANES; k++) lane[k] = k;
  if (j < i + I && i < j + LANES)
#pragma GCC unroll 4
    for (int k = 0; k < I; k++) values[k] = where(lane == word(i + k - j), vec{}, values[k]);
}

// The next link of rows i (its weight `own`) and j.., from the one before.
INLINE vec next_link(vec before, real own, vec write, vec last) { return fma(broadcast(own), last, (broadcast(1 - own) - write) * before); }
// What H heads have for I rows from i, row by row. Beside the sums of a loop, such numbers would be looked up through pointers that no register has room for.
template <int H, int I> INLINE void of_rows(const real* heads, long stride, long i, real* to) {
  for (int k = 0; k < I; k++)
    for (int h = 0; h < H; h++) to[k * H + h] = heads[h * stride + i + k];
}

// I rows from i. UPDATE: `after` = the next link; else `link` is it already. forward(h, i) = sum_j L(i, j) w(h, j); backward(h, j) += sum_i L(i, j) w(h, i).
template <int H, int I, bool UPDATE>
static void link_rows(const real* link, real* after, long n, long i, const real* write, const real* last, const real* reading, real* forward, real* backward) {
  const long stride = whole_vectors(n);
  vec sum[I * H] = {};
  real own[I], mine[I * H];
  of_rows<1, I>(write, 0, i, own), of_rows<H, I>(reading, stride, i, mine);
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
      if (UPDATE) value[k] = next_link(value[k], own[k], w, q);
    }
    if (UPDATE) without_diagonal<I>(value, i, j);
#pragma GCC unroll 4
    for (int k = 0; k < I; k++) {
      if (UPDATE) put(whole, after + (i + k) * n + j, value[k], lanes);
#pragma GCC unroll 4
      for (int h = 0; h < H; h++) {
        sum[k * H + h] = fma(value[k], r[h], sum[k * H + h]);
        to[h] = fma(broadcast(mine[k * H + h]), value[k], to[h]);
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

// The next links alone.
static void link_update(const real* link, real* after, long n, const real* write, const real* last) {
  for (long i = 0; i < n; i++)
    in_vectors(n, [&](auto whole, long j, long lanes) {
      const real* from = link + i * n + j;
      __builtin_prefetch(from + SOON, 0, 2);
      vec value = next_link(get(whole, from, lanes), write[i], load(write + j), load(last + j));
      without_diagonal<1>(&value, i, j);
      put(whole, after + i * n + j, value, lanes);
    });
}

// ... and backward, in two passes over some rows, each with what the registers hold. `link` is that before the step.
// What the next links, found once more, led to: d_reading(h, j) += sum_i d_forward(h, i) L(i, j), d_reading(h, i) += sum_j L(i, j) d_backward(h, j).
template <int H, int I>
static void link_reads_back(const real* link, long n, long i, const real* write, const real* last, const real* d_forward, const real* d_backward, real* d_reading) {
  const long stride = whole_vectors(n);
  vec sum[I * H] = {};
  real own[I], pulled[I * H];
  of_rows<1, I>(write, 0, i, own), of_rows<H, I>(d_forward, stride, i, pulled);
  in_vectors(n, [&](auto whole, long j, long lanes) {
    vec w = load(write + j), q = load(last + j), d_r[H], back[H], next[I];
#pragma GCC unroll 4
    for (int h = 0; h < H; h++) back[h] = load(d_backward + h * stride + j), d_r[h] = load(d_reading + h * stride + j);
#pragma GCC unroll 4
    for (int k = 0; k < I; k++) {
      const real* from = link + (i + k) * n + j;
      __builtin_prefetch(from + SOON, 0, 2);
      next[k] = next_link(get(whole, from, lanes), own[k], w, q);
    }
    without_diagonal<I>(next, i, j);
#pragma GCC unroll 4
    for (int k = 0; k < I; k++)
#pragma GCC unroll 4
      for (int h = 0; h < H; h++) {
        d_r[h] = fma(broadcast(pulled[k * H + h]), next[k], d_r[h]);
        sum[k * H + h] = fma(next[k], back[h], sum[k * H + h]);
      }
#pragma GCC unroll 4
    for (int h = 0; h < H; h++) put(whole, d_reading + h * stride + j, d_r[h], lanes);  // padded lanes hold what is not theirs
  });
  real found[whole_lanes<I * H>()];
  add_lanes<I * H>(sum, found);
  for (int k = 0; k < I; k++)
    for (int h = 0; h < H; h++) d_reading[h * stride + i + k] += found[k * H + h];
}
// `d` becomes the gradient of the links before, once all heads (LAST) are in. d_write and d_last are added to.
template <int H, int I, bool LAST>
static void link_rows_back(const real* link, real* d, long n, long i, const real* write, const real* last, const real* reading, const real* d_forward,
                           const real* d_backward, real* d_write, real* d_last) {
  const long stride = whole_vectors(n);
  vec sum[I] = {};
  real own[I], mine[I * H], pulled[I * H];
  of_rows<1, I>(write, 0, i, own), of_rows<H, I>(reading, stride, i, mine), of_rows<H, I>(d_forward, stride, i, pulled);
  in_vectors(n, [&](auto whole, long j, long lanes) {
    vec w = load(write + j), q = load(last + j), d_w = load(d_write + j), d_q = load(d_last + j), r[H], back[H], pull[I];
#pragma GCC unroll 4
    for (int h = 0; h < H; h++) r[h] = load(reading + h * stride + j), back[h] = load(d_backward + h * stride + j);
#pragma GCC unroll 4
    for (int k = 0; k < I; k++) {
      const real* to = d + (i + k) * n + j;
      __builtin_prefetch(to + SOON, 1, 2);
      pull[k] = get(whole, to, lanes);
#pragma GCC unroll 4
      for (int h = 0; h < H; h++) pull[k] = fma(broadcast(pulled[k * H + h]), r[h], fma(broadcast(mine[k * H + h]), back[h], pull[k]));
    }
    without_diagonal<I>(pull, i, j);
#pragma GCC unroll 4
    for (int k = 0; k < I; k++) {
      if (LAST) {
        vec value = get(whole, link + (i + k) * n + j, lanes);
        sum[k] = fma(pull[k], q - value, sum[k]);
        d_w = fma(-pull[k], value, d_w), d_q = fma(broadcast(own[k]), pull[k], d_q);
        pull[k] = pull[k] * (broadcast(1 - own[k]) - w);
      }
      put(whole, d + (i + k) * n + j, pull[k], lanes);
    }
    if (LAST) put(whole, d_write + j, d_w, lanes), put(whole, d_last + j, d_q, lanes);
  });
  if (!LAST) return;
  real found[whole_lanes<I>()];
  add_lanes<I>(sum, found);
  for (int k = 0; k < I; k++) d_write[i + k] += found[k];
}

static void link_step_back(const real* link, real* d, long n, long heads, const real* write, const real* last, const real* reading, const real* d_forward,
                           const real* d_backward, real* d_write, real* d_last, real* d_reading) {
  const long stride = whole_vectors(n);
  in_groups(heads, [&](long h, auto count) {
    enum { H = decltype(count)::value };
    long i = 0, at = h * stride;
    auto rows = [&](auto together, auto end) {
      enum { I = decltype(together)::value, END = decltype(end)::value };
      for (; i + I <= n; i += I) {
        link_reads_back<H, I>(link, n, i, write, last, d_forward + at, d_backward + at, d_reading + at);
        link_rows_back<H, I, END>(link, d, n, i, write, last, reading + at, d_forward + at, d_backward + at, d_write, d_last);
      }
    };
    if (h + GROUP >= heads) rows(Count<4>(), Count<1>()), rows(Count<1>(), Count<1>());
    else rows(Count<4>(), Count<0>()), rows(Count<1>(), Count<0>());
  });
}
