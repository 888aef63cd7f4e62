// Printed by tenuto from RowNorm(): its step and its derivative, as passes over the channels. See loop.h for who calls them.
#include "maths.h"
#include "pass.h"


// to work
extern "C" void forward_0(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
    long end_channel, [[maybe_unused]] long width) {
  for (; row < end_row; row++) {
    real* p0 = at[buffer[0]] + row * stride[buffer[0]];
    real* p1 = at[buffer[1]] + row * stride[buffer[1]];
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v3 = get(whole, p0 + u, n);  // x.h + (U.h @)
      vec v4 = v3 * v3;  // cells.py:40
      put(whole, p1 + u, v4, n);  // work
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}

// to new.h
extern "C" void forward_1(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
    long end_channel, [[maybe_unused]] long width) {
  for (; row < end_row; row++) {
    real* p0 = at[buffer[0]] + row * stride[buffer[0]];
    real* p1 = at[buffer[1]] + row * stride[buffer[1]];
    real* p2 = at[buffer[2]] + row * stride[buffer[2]];
    vec v5 = broadcast(p1[0]);  // mean((x.h + (U.h @)) * (x.h + (U.h @)))
    vec v7 = v5 + broadcast(real(1e-05));  // cells.py:40
    vec v8 = reciprocal_root(v7);  // cells.py:40
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v3 = get(whole, p0 + u, n);  // x.h + (U.h @)
      vec v9 = v3 * v8;  // cells.py:40
      put(whole, p2 + u, v9, n);  // new.h
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}

// to d_work
extern "C" void backward_0(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
    long end_channel, [[maybe_unused]] long width) {
  for (; row < end_row; row++) {
    real* p0 = at[buffer[0]] + row * stride[buffer[0]];
    real* p1 = at[buffer[1]] + row * stride[buffer[1]];
    real* p2 = at[buffer[2]] + row * stride[buffer[2]];
    real* p3 = at[buffer[3]] + row * stride[buffer[3]];
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v10 = get(whole, p0 + u, n);  // d s.h' of later steps
      vec v11 = get(whole, p1 + u, n);  // d y
      vec v3 = get(whole, p2 + u, n);  // x.h + (U.h @)
      vec v12 = v10 + v11;
      vec v14 = v12 * v3;
      put(whole, p3 + u, v14, n);  // d_work
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}

// to gradients
extern "C" void backward_1(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
    long end_channel, [[maybe_unused]] long width) {
  for (; row < end_row; row++) {
    real* p0 = at[buffer[0]] + row * stride[buffer[0]];
    real* p1 = at[buffer[1]] + row * stride[buffer[1]];
    real* p2 = at[buffer[2]] + row * stride[buffer[2]];
    real* p3 = at[buffer[3]] + row * stride[buffer[3]];
    real* p4 = at[buffer[4]] + row * stride[buffer[4]];
    real* p5 = at[buffer[5]] + row * stride[buffer[5]];
    vec v5 = broadcast(p1[0]);  // mean((x.h + (U.h @)) * (x.h + (U.h @)))
    vec v16 = broadcast(p2[0]);  // sum((d s.h' of later steps + d y) * (x.h + (U.h @)))
    vec v7 = v5 + broadcast(real(1e-05));  // cells.py:40
    vec v8 = reciprocal_root(v7);  // cells.py:40
    vec v17 = v8 * v8;
    vec v18 = v8 * v17;
    vec v20 = v16 * broadcast(real(-0.5));
    vec v21 = v18 * v20;
    vec v22 = v21 / broadcast(real(width));
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v3 = get(whole, p0 + u, n);  // x.h + (U.h @)
      vec v10 = get(whole, p3 + u, n);  // d s.h' of later steps
      vec v11 = get(whole, p4 + u, n);  // d y
      vec v23 = v3 * v22;
      vec v12 = v10 + v11;
      vec v15 = v12 * v8;
      vec v24 = v15 + v23;
      vec v25 = v23 + v24;
      put(whole, p5 + u, v25, n);  // gradients
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}
