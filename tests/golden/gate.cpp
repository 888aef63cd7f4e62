// Printed by tenuto from Gate(): its step and its derivative, as passes over the channels. See loop.h for who calls them.
#include "maths.h"
#include "pass.h"


// to new.h, new.c
extern "C" void inference_0(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
    long end_channel, [[maybe_unused]] long width) {
  for (; row < end_row; row++) {
    real* p0 = at[buffer[0]] + row * stride[buffer[0]];
    real* p1 = at[buffer[1]] + row * stride[buffer[1]];
    real* p2 = at[buffer[2]] + row * stride[buffer[2]];
    real* p3 = at[buffer[3]] + row * stride[buffer[3]];
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v3 = get(whole, p0 + u, n);  // s.c
      vec v4 = get(whole, p1 + u, n);  // x.f + (U.f @)
      vec v5 = sigmoid(v4);  // cells.py:19
      vec v6 = v3 * v5;  // cells.py:19
      vec v7 = hyperbolic_tangent(v6);  // cells.py:20
      put(whole, p2 + u, v7, n);  // new.h
      put(whole, p3 + u, v6, n);  // new.c
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}

// to gates, new.h, new.c
extern "C" void forward_0(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
    long end_channel, [[maybe_unused]] long width) {
  for (; row < end_row; row++) {
    real* p0 = at[buffer[0]] + row * stride[buffer[0]];
    real* p1 = at[buffer[1]] + row * stride[buffer[1]];
    real* p2 = at[buffer[2]] + row * stride[buffer[2]];
    real* p3 = at[buffer[3]] + row * stride[buffer[3]];
    real* p4 = at[buffer[4]] + row * stride[buffer[4]];
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v4 = get(whole, p0 + u, n);  // x.f + (U.f @)
      vec v3 = get(whole, p1 + u, n);  // s.c
      vec v5 = sigmoid(v4);  // cells.py:19
      vec v6 = v3 * v5;  // cells.py:19
      vec v7 = hyperbolic_tangent(v6);  // cells.py:20
      put(whole, p2 + u, v5, n);  // gates
      put(whole, p3 + u, v7, n);  // new.h
      put(whole, p4 + u, v6, n);  // new.c
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}

// to d_next.c, gradients
extern "C" void backward_0(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
    long end_channel, [[maybe_unused]] long width) {
  for (; row < end_row; row++) {
    real* p0 = at[buffer[0]] + row * stride[buffer[0]];
    real* p1 = at[buffer[1]] + row * stride[buffer[1]];
    real* p2 = at[buffer[2]] + row * stride[buffer[2]];
    real* p3 = at[buffer[3]] + row * stride[buffer[3]];
    real* p4 = at[buffer[4]] + row * stride[buffer[4]];
    real* p5 = at[buffer[5]] + row * stride[buffer[5]];
    real* p6 = at[buffer[6]] + row * stride[buffer[6]];
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v5 = get(whole, p0 + u, n);  // sigmoid(x.f + (U.f @))
      vec v11 = get(whole, p1 + u, n);  // d s.c' of later steps
      vec v8 = get(whole, p2 + u, n);  // d s.h' of later steps
      vec v9 = get(whole, p3 + u, n);  // d y
      vec v3 = get(whole, p4 + u, n);  // s.c
      vec v10 = v8 + v9;
      vec v6 = v3 * v5;  // cells.py:19
      vec v7 = hyperbolic_tangent(v6);  // cells.py:20
      vec v14 = v7 * v7;
      vec v15 = broadcast(real(1.0)) - v14;
      vec v16 = v10 * v15;
      vec v17 = v11 + v16;
      vec v19 = v5 * v17;
      vec v18 = v3 * v17;
      vec v20 = broadcast(real(1.0)) - v5;
      vec v21 = v5 * v20;
      vec v22 = v18 * v21;
      put(whole, p5 + u, v19, n);  // d_next.c
      put(whole, p6 + u, v22, n);  // gradients
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}
