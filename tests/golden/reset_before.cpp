// Printed by tenuto from ResetBeforeGRU(activation='tanh', recurrent_activation='sigmoid'): its step and its derivative, as passes over the channels. See loop.h for who calls them.
#include "maths.h"
#include "pass.h"


// to work
extern "C" void inference_0(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
    long end_channel, [[maybe_unused]] long width) {
  for (; row < end_row; row++) {
    real* p0 = at[buffer[0]] + row * stride[buffer[0]];
    real* p1 = at[buffer[1]] + row * stride[buffer[1]];
    real* p2 = at[buffer[2]] + row * stride[buffer[2]];
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v6 = get(whole, p0 + u, n);  // s.h
      vec v7 = get(whole, p1 + u, n);  // x.r + (U.r @)
      vec v8 = sigmoid(v7);  // gru.py:52
      vec v11 = v6 * v8;  // gru.py:54
      put(whole, p2 + u, v11, n);  // work
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}

// to new.h
extern "C" void inference_1(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
    long end_channel, [[maybe_unused]] long width) {
  for (; row < end_row; row++) {
    real* p0 = at[buffer[0]] + row * stride[buffer[0]];
    real* p1 = at[buffer[1]] + row * stride[buffer[1]];
    real* p2 = at[buffer[2]] + row * stride[buffer[2]];
    real* p3 = at[buffer[3]] + row * stride[buffer[3]];
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v12 = get(whole, p0 + u, n);  // x.n + (U.n @)
      vec v9 = get(whole, p1 + u, n);  // x.z + (U.z @)
      vec v6 = get(whole, p2 + u, n);  // s.h
      vec v13 = hyperbolic_tangent(v12);  // gru.py:54
      vec v10 = sigmoid(v9);  // gru.py:53
      vec v14 = v6 - v13;  // gru.py:55
      vec v15 = v10 * v14;  // gru.py:55
      vec v16 = v13 + v15;  // gru.py:55
      put(whole, p3 + u, v16, n);  // new.h
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}

// to work, gates
extern "C" void forward_0(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
    long end_channel, [[maybe_unused]] long width) {
  for (; row < end_row; row++) {
    real* p0 = at[buffer[0]] + row * stride[buffer[0]];
    real* p1 = at[buffer[1]] + row * stride[buffer[1]];
    real* p2 = at[buffer[2]] + row * stride[buffer[2]];
    real* p3 = at[buffer[3]] + row * stride[buffer[3]];
    real* p4 = at[buffer[4]] + row * stride[buffer[4]];
    real* p5 = at[buffer[5]] + row * stride[buffer[5]];
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v6 = get(whole, p0 + u, n);  // s.h
      vec v7 = get(whole, p1 + u, n);  // x.r + (U.r @)
      vec v9 = get(whole, p2 + u, n);  // x.z + (U.z @)
      vec v8 = sigmoid(v7);  // gru.py:52
      vec v11 = v6 * v8;  // gru.py:54
      vec v10 = sigmoid(v9);  // gru.py:53
      put(whole, p3 + u, v11, n);  // work
      put(whole, p4 + u, v8, n);  // gates
      put(whole, p5 + u, v10, n);  // gates[1]
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
    real* p3 = at[buffer[3]] + row * stride[buffer[3]];
    real* p4 = at[buffer[4]] + row * stride[buffer[4]];
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v12 = get(whole, p0 + u, n);  // x.n + (U.n @)
      vec v10 = get(whole, p1 + u, n);  // sigmoid(x.z + (U.z @))
      vec v6 = get(whole, p2 + u, n);  // s.h
      vec v13 = hyperbolic_tangent(v12);  // gru.py:54
      vec v14 = v6 - v13;  // gru.py:55
      vec v15 = v10 * v14;  // gru.py:55
      vec v16 = v13 + v15;  // gru.py:55
      put(whole, p3 + u, v13, n);  // gates[2]
      put(whole, p4 + u, v16, n);  // new.h
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}

// to gradients, operands, d_work
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
    real* p7 = at[buffer[7]] + row * stride[buffer[7]];
    real* p8 = at[buffer[8]] + row * stride[buffer[8]];
    real* p9 = at[buffer[9]] + row * stride[buffer[9]];
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v17 = get(whole, p0 + u, n);  // d s.h' of later steps
      vec v18 = get(whole, p1 + u, n);  // d y
      vec v6 = get(whole, p2 + u, n);  // s.h
      vec v13 = get(whole, p3 + u, n);  // tanh(x.n + (U.n @))
      vec v10 = get(whole, p4 + u, n);  // sigmoid(x.z + (U.z @))
      vec v8 = get(whole, p5 + u, n);  // sigmoid(x.r + (U.r @))
      vec v19 = v17 + v18;
      vec v14 = v6 - v13;  // gru.py:55
      vec v24 = v19 * v14;
      vec v34 = broadcast(real(1.0)) - v10;
      vec v35 = v10 * v34;
      vec v36 = v24 * v35;
      vec v23 = v19 * v10;
      vec v25 = -v23;
      vec v27 = v19 + v25;
      vec v28 = v13 * v13;
      vec v29 = broadcast(real(1.0)) - v28;
      vec v30 = v27 * v29;
      vec v11 = v6 * v8;  // gru.py:54
      put(whole, p6 + u, v36, n);  // gradients[1]
      put(whole, p7 + u, v30, n);  // gradients[2]
      put(whole, p8 + u, v11, n);  // operands
      put(whole, p9 + u, v23, n);  // d_work[2]
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
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v6 = get(whole, p0 + u, n);  // s.h
      vec v21 = get(whole, p1 + u, n);  // d operand[of_n]
      vec v8 = get(whole, p2 + u, n);  // sigmoid(x.r + (U.r @))
      vec v32 = v6 * v21;
      vec v37 = broadcast(real(1.0)) - v8;
      vec v38 = v8 * v37;
      vec v39 = v32 * v38;
      put(whole, p3 + u, v39, n);  // gradients
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}

// to d_next.h
extern "C" void backward_2(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
    long end_channel, [[maybe_unused]] long width) {
  for (; row < end_row; row++) {
    real* p0 = at[buffer[0]] + row * stride[buffer[0]];
    real* p1 = at[buffer[1]] + row * stride[buffer[1]];
    real* p2 = at[buffer[2]] + row * stride[buffer[2]];
    real* p3 = at[buffer[3]] + row * stride[buffer[3]];
    real* p4 = at[buffer[4]] + row * stride[buffer[4]];
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v20 = get(whole, p0 + u, n);  // d operand[h]
      vec v23 = get(whole, p1 + u, n);  // (d s.h' of later steps + d y) * sigmoid(x.z + (U.z @))
      vec v21 = get(whole, p2 + u, n);  // d operand[of_n]
      vec v8 = get(whole, p3 + u, n);  // sigmoid(x.r + (U.r @))
      vec v26 = v20 + v23;
      vec v31 = v21 * v8;
      vec v33 = v26 + v31;
      put(whole, p4 + u, v33, n);  // d_next.h
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}
