// Printed by tenuto from TwoPhases(): its step and its derivative, as passes over the channels. See loop.h for who calls them.
#include "maths.h"
#include "pass.h"


// to work
extern "C" void forward_0(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
    long end_channel, [[maybe_unused]] long width) {
  for (; row < end_row; row++) {
    real* p0 = at[buffer[0]] + row * stride[buffer[0]];
    real* p1 = at[buffer[1]] + row * stride[buffer[1]];
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v2 = get(whole, p0 + u, n);  // s.h
      vec v3 = relu(v2);  // cells.py:30
      put(whole, p1 + u, v3, n);  // work
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}

// to gates, new.h
extern "C" void forward_1(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
    long end_channel, [[maybe_unused]] long width) {
  for (; row < end_row; row++) {
    real* p0 = at[buffer[0]] + row * stride[buffer[0]];
    real* p1 = at[buffer[1]] + row * stride[buffer[1]];
    real* p2 = at[buffer[2]] + row * stride[buffer[2]];
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v4 = get(whole, p0 + u, n);  // x.n + (U.n @)
      vec v5 = hyperbolic_tangent(v4);  // cells.py:30
      put(whole, p1 + u, v5, n);  // gates
      put(whole, p2 + u, v5, n);  // new.h
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}

// to gradients, operands
extern "C" void backward_0(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
    long end_channel, [[maybe_unused]] long width) {
  for (; row < end_row; row++) {
    real* p0 = at[buffer[0]] + row * stride[buffer[0]];
    real* p1 = at[buffer[1]] + row * stride[buffer[1]];
    real* p2 = at[buffer[2]] + row * stride[buffer[2]];
    real* p3 = at[buffer[3]] + row * stride[buffer[3]];
    real* p4 = at[buffer[4]] + row * stride[buffer[4]];
    real* p5 = at[buffer[5]] + row * stride[buffer[5]];
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v6 = get(whole, p0 + u, n);  // d s.h' of later steps
      vec v7 = get(whole, p1 + u, n);  // d y
      vec v5 = get(whole, p2 + u, n);  // tanh(x.n + (U.n @))
      vec v2 = get(whole, p3 + u, n);  // s.h
      vec v8 = v6 + v7;
      vec v11 = v5 * v5;
      vec v12 = broadcast(real(1.0)) - v11;
      vec v13 = v8 * v12;
      vec v3 = relu(v2);  // cells.py:30
      put(whole, p4 + u, v13, n);  // gradients
      put(whole, p5 + u, v3, n);  // operands
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}

// to d_next.h
extern "C" void backward_1(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
    long end_channel, [[maybe_unused]] long width) {
  for (; row < end_row; row++) {
    real* p0 = at[buffer[0]] + row * stride[buffer[0]];
    real* p1 = at[buffer[1]] + row * stride[buffer[1]];
    real* p2 = at[buffer[2]] + row * stride[buffer[2]];
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v2 = get(whole, p0 + u, n);  // s.h
      vec v9 = get(whole, p1 + u, n);  // d operand[of_n]
      vec v3 = relu(v2);  // cells.py:30
      mask v15 = v3 <= broadcast(real(0.0));
      vec v16 = where(v15, broadcast(real(0.0)), v9);
      put(whole, p2 + u, v16, n);  // d_next.h
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}
