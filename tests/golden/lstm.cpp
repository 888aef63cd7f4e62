// Printed by tenuto from LSTM(activation='tanh', recurrent_activation='sigmoid'): its step and its derivative, as passes over the channels. See loop.h for who calls them.
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
    real* p4 = at[buffer[4]] + row * stride[buffer[4]];
    real* p5 = at[buffer[5]] + row * stride[buffer[5]];
    real* p6 = at[buffer[6]] + row * stride[buffer[6]];
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v16 = get(whole, p0 + u, n);  // x.o + (U.o @)
      vec v9 = get(whole, p1 + u, n);  // s.c
      vec v12 = get(whole, p2 + u, n);  // x.f + (U.f @)
      vec v10 = get(whole, p3 + u, n);  // x.i + (U.i @)
      vec v14 = get(whole, p4 + u, n);  // x.g + (U.g @)
      vec v17 = sigmoid(v16);  // lstm.py:31
      vec v13 = sigmoid(v12);  // lstm.py:29
      vec v18 = v9 * v13;  // lstm.py:32
      vec v11 = sigmoid(v10);  // lstm.py:28
      vec v15 = hyperbolic_tangent(v14);  // lstm.py:30
      vec v19 = v11 * v15;  // lstm.py:32
      vec v20 = v18 + v19;  // lstm.py:32
      vec v21 = hyperbolic_tangent(v20);  // lstm.py:33
      vec v22 = v17 * v21;  // lstm.py:33
      put(whole, p5 + u, v22, n);  // new.h
      put(whole, p6 + u, v20, n);  // new.c
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
    real* p5 = at[buffer[5]] + row * stride[buffer[5]];
    real* p6 = at[buffer[6]] + row * stride[buffer[6]];
    real* p7 = at[buffer[7]] + row * stride[buffer[7]];
    real* p8 = at[buffer[8]] + row * stride[buffer[8]];
    real* p9 = at[buffer[9]] + row * stride[buffer[9]];
    real* p10 = at[buffer[10]] + row * stride[buffer[10]];
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v10 = get(whole, p0 + u, n);  // x.i + (U.i @)
      vec v12 = get(whole, p1 + u, n);  // x.f + (U.f @)
      vec v14 = get(whole, p2 + u, n);  // x.g + (U.g @)
      vec v16 = get(whole, p3 + u, n);  // x.o + (U.o @)
      vec v9 = get(whole, p4 + u, n);  // s.c
      vec v11 = sigmoid(v10);  // lstm.py:28
      vec v13 = sigmoid(v12);  // lstm.py:29
      vec v15 = hyperbolic_tangent(v14);  // lstm.py:30
      vec v17 = sigmoid(v16);  // lstm.py:31
      vec v18 = v9 * v13;  // lstm.py:32
      vec v19 = v11 * v15;  // lstm.py:32
      vec v20 = v18 + v19;  // lstm.py:32
      vec v21 = hyperbolic_tangent(v20);  // lstm.py:33
      vec v22 = v17 * v21;  // lstm.py:33
      put(whole, p5 + u, v11, n);  // gates
      put(whole, p6 + u, v13, n);  // gates[1]
      put(whole, p7 + u, v15, n);  // gates[2]
      put(whole, p8 + u, v17, n);  // gates[3]
      put(whole, p9 + u, v22, n);  // new.h
      put(whole, p10 + u, v20, n);  // new.c
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
    real* p7 = at[buffer[7]] + row * stride[buffer[7]];
    real* p8 = at[buffer[8]] + row * stride[buffer[8]];
    real* p9 = at[buffer[9]] + row * stride[buffer[9]];
    real* p10 = at[buffer[10]] + row * stride[buffer[10]];
    real* p11 = at[buffer[11]] + row * stride[buffer[11]];
    real* p12 = at[buffer[12]] + row * stride[buffer[12]];
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v13 = get(whole, p0 + u, n);  // sigmoid(x.f + (U.f @))
      vec v26 = get(whole, p1 + u, n);  // d s.c' of later steps
      vec v23 = get(whole, p2 + u, n);  // d s.h' of later steps
      vec v24 = get(whole, p3 + u, n);  // d y
      vec v17 = get(whole, p4 + u, n);  // sigmoid(x.o + (U.o @))
      vec v9 = get(whole, p5 + u, n);  // s.c
      vec v11 = get(whole, p6 + u, n);  // sigmoid(x.i + (U.i @))
      vec v15 = get(whole, p7 + u, n);  // tanh(x.g + (U.g @))
      vec v25 = v23 + v24;
      vec v29 = v25 * v17;
      vec v18 = v9 * v13;  // lstm.py:32
      vec v19 = v11 * v15;  // lstm.py:32
      vec v20 = v18 + v19;  // lstm.py:32
      vec v21 = hyperbolic_tangent(v20);  // lstm.py:33
      vec v31 = v21 * v21;
      vec v32 = broadcast(real(1.0)) - v31;
      vec v33 = v29 * v32;
      vec v34 = v26 + v33;
      vec v37 = v13 * v34;
      vec v36 = v15 * v34;
      vec v48 = broadcast(real(1.0)) - v11;
      vec v49 = v11 * v48;
      vec v50 = v36 * v49;
      vec v38 = v9 * v34;
      vec v45 = broadcast(real(1.0)) - v13;
      vec v46 = v13 * v45;
      vec v47 = v38 * v46;
      vec v35 = v11 * v34;
      vec v42 = v15 * v15;
      vec v43 = broadcast(real(1.0)) - v42;
      vec v44 = v35 * v43;
      vec v30 = v25 * v21;
      vec v39 = broadcast(real(1.0)) - v17;
      vec v40 = v17 * v39;
      vec v41 = v30 * v40;
      put(whole, p8 + u, v37, n);  // d_next.c
      put(whole, p9 + u, v50, n);  // gradients
      put(whole, p10 + u, v47, n);  // gradients[1]
      put(whole, p11 + u, v44, n);  // gradients[2]
      put(whole, p12 + u, v41, n);  // gradients[3]
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}
