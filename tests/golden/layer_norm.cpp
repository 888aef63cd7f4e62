// Printed by tenuto from LayerNormLSTM(activation='tanh'): its step and its derivative, as passes over the channels. See loop.h for who calls them.
#include "maths.h"
#include "pass.h"


// to work
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
    real* p7 = at[buffer[7]] + row * stride[buffer[7]];
    real* p8 = at[buffer[8]] + row * stride[buffer[8]];
    real* p9 = at[buffer[9]] + row * stride[buffer[9]];
    real* p10 = at[buffer[10]] + row * stride[buffer[10]];
    real* p11 = at[buffer[11]] + row * stride[buffer[11]];
    real* p12 = at[buffer[12]] + row * stride[buffer[12]];
    real* p13 = at[buffer[13]] + row * stride[buffer[13]];
    real* p14 = at[buffer[14]] + row * stride[buffer[14]];
    real* p15 = at[buffer[15]] + row * stride[buffer[15]];
    vec v55 = broadcast(p1[0]);  // mean(x.o + (U.o @))
    vec v33 = broadcast(p3[0]);  // mean(x.f + (U.f @))
    vec v21 = broadcast(p5[0]);  // mean(x.i + (U.i @))
    vec v44 = broadcast(p7[0]);  // mean(x.g + (U.g @))
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v54 = get(whole, p0 + u, n);  // x.o + (U.o @)
      vec v32 = get(whole, p2 + u, n);  // x.f + (U.f @)
      vec v20 = get(whole, p4 + u, n);  // x.i + (U.i @)
      vec v43 = get(whole, p6 + u, n);  // x.g + (U.g @)
      vec v56 = v54 - v55;  // lstm.py:127
      vec v34 = v32 - v33;  // lstm.py:125
      vec v22 = v20 - v21;  // lstm.py:124
      vec v45 = v43 - v44;  // lstm.py:126
      vec v57 = v56 * v56;  // lstm.py:127
      vec v35 = v34 * v34;  // lstm.py:125
      vec v23 = v22 * v22;  // lstm.py:124
      vec v46 = v45 * v45;  // lstm.py:126
      put(whole, p8 + u, v56, n);  // work
      put(whole, p9 + u, v34, n);  // work[4]
      put(whole, p10 + u, v22, n);  // work[5]
      put(whole, p11 + u, v45, n);  // work[6]
      put(whole, p12 + u, v57, n);  // work[7]
      put(whole, p13 + u, v35, n);  // work[8]
      put(whole, p14 + u, v23, n);  // work[9]
      put(whole, p15 + u, v46, n);  // work[10]
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}

// to new.c, work
extern "C" void inference_1(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
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
    real* p13 = at[buffer[13]] + row * stride[buffer[13]];
    real* p14 = at[buffer[14]] + row * stride[buffer[14]];
    vec v36 = broadcast(p4[0]);  // lstm.py:125
    vec v24 = broadcast(p8[0]);  // lstm.py:124
    vec v47 = broadcast(p12[0]);  // lstm.py:126
    vec v37 = broadcast(real(1e-05)) + v36;  // lstm.py:125
    vec v38 = reciprocal_root(v37);  // lstm.py:125
    vec v26 = v24 + broadcast(real(1e-05));  // lstm.py:124
    vec v27 = reciprocal_root(v26);  // lstm.py:124
    vec v48 = broadcast(real(1e-05)) + v47;  // lstm.py:126
    vec v49 = reciprocal_root(v48);  // lstm.py:126
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v9 = get(whole, p0 + u, n);  // s.c
      vec v16 = get(whole, p1 + u, n);  // p.b_f
      vec v11 = get(whole, p2 + u, n);  // p.s_f
      vec v34 = get(whole, p3 + u, n);  // (x.f + (U.f @)) - mean(x.f + (U.f @))
      vec v15 = get(whole, p5 + u, n);  // p.b_i
      vec v10 = get(whole, p6 + u, n);  // p.s_i
      vec v22 = get(whole, p7 + u, n);  // (x.i + (U.i @)) - mean(x.i + (U.i @))
      vec v17 = get(whole, p9 + u, n);  // p.b_g
      vec v12 = get(whole, p10 + u, n);  // p.s_g
      vec v45 = get(whole, p11 + u, n);  // (x.g + (U.g @)) - mean(x.g + (U.g @))
      vec v39 = v34 * v38;  // lstm.py:125
      vec v40 = v11 * v39;  // lstm.py:125
      vec v41 = v16 + v40;  // lstm.py:125
      vec v42 = sigmoid(v41);  // lstm.py:125
      vec v65 = v9 * v42;  // lstm.py:128
      vec v28 = v22 * v27;  // lstm.py:124
      vec v29 = v10 * v28;  // lstm.py:124
      vec v30 = v15 + v29;  // lstm.py:124
      vec v31 = sigmoid(v30);  // lstm.py:124
      vec v50 = v45 * v49;  // lstm.py:126
      vec v51 = v12 * v50;  // lstm.py:126
      vec v52 = v17 + v51;  // lstm.py:126
      vec v53 = hyperbolic_tangent(v52);  // lstm.py:126
      vec v66 = v31 * v53;  // lstm.py:128
      vec v67 = v65 + v66;  // lstm.py:128
      put(whole, p13 + u, v67, n);  // new.c
      put(whole, p14 + u, v67, n);  // work[3]
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}

// to work
extern "C" void inference_2(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
    long end_channel, [[maybe_unused]] long width) {
  for (; row < end_row; row++) {
    real* p0 = at[buffer[0]] + row * stride[buffer[0]];
    real* p1 = at[buffer[1]] + row * stride[buffer[1]];
    real* p2 = at[buffer[2]] + row * stride[buffer[2]];
    real* p3 = at[buffer[3]] + row * stride[buffer[3]];
    vec v68 = broadcast(p1[0]);  // lstm.py:129
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v67 = get(whole, p0 + u, n);  // lstm.py:128
      vec v69 = v67 - v68;  // lstm.py:129
      vec v70 = v69 * v69;  // lstm.py:129
      put(whole, p2 + u, v69, n);  // work[1]
      put(whole, p3 + u, v70, n);  // work[2]
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}

// to new.h
extern "C" void inference_3(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
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
    vec v58 = broadcast(p3[0]);  // lstm.py:127
    vec v71 = broadcast(p7[0]);  // lstm.py:129
    vec v59 = broadcast(real(1e-05)) + v58;  // lstm.py:127
    vec v60 = reciprocal_root(v59);  // lstm.py:127
    vec v72 = broadcast(real(1e-05)) + v71;  // lstm.py:129
    vec v73 = reciprocal_root(v72);  // lstm.py:129
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v18 = get(whole, p0 + u, n);  // p.b_o
      vec v13 = get(whole, p1 + u, n);  // p.s_o
      vec v56 = get(whole, p2 + u, n);  // (x.o + (U.o @)) - mean(x.o + (U.o @))
      vec v19 = get(whole, p4 + u, n);  // p.b_c
      vec v14 = get(whole, p5 + u, n);  // p.s_c
      vec v69 = get(whole, p6 + u, n);  // lstm.py:129
      vec v61 = v56 * v60;  // lstm.py:127
      vec v62 = v13 * v61;  // lstm.py:127
      vec v63 = v18 + v62;  // lstm.py:127
      vec v64 = sigmoid(v63);  // lstm.py:127
      vec v74 = v69 * v73;  // lstm.py:129
      vec v75 = v14 * v74;  // lstm.py:129
      vec v76 = v19 + v75;  // lstm.py:129
      vec v77 = hyperbolic_tangent(v76);  // lstm.py:129
      vec v78 = v64 * v77;  // lstm.py:129
      put(whole, p8 + u, v78, n);  // new.h
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}

// to work
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
    real* p11 = at[buffer[11]] + row * stride[buffer[11]];
    real* p12 = at[buffer[12]] + row * stride[buffer[12]];
    real* p13 = at[buffer[13]] + row * stride[buffer[13]];
    real* p14 = at[buffer[14]] + row * stride[buffer[14]];
    real* p15 = at[buffer[15]] + row * stride[buffer[15]];
    vec v55 = broadcast(p1[0]);  // mean(x.o + (U.o @))
    vec v33 = broadcast(p3[0]);  // mean(x.f + (U.f @))
    vec v21 = broadcast(p5[0]);  // mean(x.i + (U.i @))
    vec v44 = broadcast(p7[0]);  // mean(x.g + (U.g @))
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v54 = get(whole, p0 + u, n);  // x.o + (U.o @)
      vec v32 = get(whole, p2 + u, n);  // x.f + (U.f @)
      vec v20 = get(whole, p4 + u, n);  // x.i + (U.i @)
      vec v43 = get(whole, p6 + u, n);  // x.g + (U.g @)
      vec v56 = v54 - v55;  // lstm.py:127
      vec v34 = v32 - v33;  // lstm.py:125
      vec v22 = v20 - v21;  // lstm.py:124
      vec v45 = v43 - v44;  // lstm.py:126
      vec v57 = v56 * v56;  // lstm.py:127
      vec v35 = v34 * v34;  // lstm.py:125
      vec v23 = v22 * v22;  // lstm.py:124
      vec v46 = v45 * v45;  // lstm.py:126
      put(whole, p8 + u, v56, n);  // work
      put(whole, p9 + u, v34, n);  // work[4]
      put(whole, p10 + u, v22, n);  // work[5]
      put(whole, p11 + u, v45, n);  // work[6]
      put(whole, p12 + u, v57, n);  // work[7]
      put(whole, p13 + u, v35, n);  // work[8]
      put(whole, p14 + u, v23, n);  // work[9]
      put(whole, p15 + u, v46, n);  // work[10]
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}

// to new.c, work
extern "C" void forward_1(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
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
    real* p13 = at[buffer[13]] + row * stride[buffer[13]];
    real* p14 = at[buffer[14]] + row * stride[buffer[14]];
    vec v36 = broadcast(p4[0]);  // lstm.py:125
    vec v24 = broadcast(p8[0]);  // lstm.py:124
    vec v47 = broadcast(p12[0]);  // lstm.py:126
    vec v37 = broadcast(real(1e-05)) + v36;  // lstm.py:125
    vec v38 = reciprocal_root(v37);  // lstm.py:125
    vec v26 = v24 + broadcast(real(1e-05));  // lstm.py:124
    vec v27 = reciprocal_root(v26);  // lstm.py:124
    vec v48 = broadcast(real(1e-05)) + v47;  // lstm.py:126
    vec v49 = reciprocal_root(v48);  // lstm.py:126
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v9 = get(whole, p0 + u, n);  // s.c
      vec v16 = get(whole, p1 + u, n);  // p.b_f
      vec v11 = get(whole, p2 + u, n);  // p.s_f
      vec v34 = get(whole, p3 + u, n);  // (x.f + (U.f @)) - mean(x.f + (U.f @))
      vec v15 = get(whole, p5 + u, n);  // p.b_i
      vec v10 = get(whole, p6 + u, n);  // p.s_i
      vec v22 = get(whole, p7 + u, n);  // (x.i + (U.i @)) - mean(x.i + (U.i @))
      vec v17 = get(whole, p9 + u, n);  // p.b_g
      vec v12 = get(whole, p10 + u, n);  // p.s_g
      vec v45 = get(whole, p11 + u, n);  // (x.g + (U.g @)) - mean(x.g + (U.g @))
      vec v39 = v34 * v38;  // lstm.py:125
      vec v40 = v11 * v39;  // lstm.py:125
      vec v41 = v16 + v40;  // lstm.py:125
      vec v42 = sigmoid(v41);  // lstm.py:125
      vec v65 = v9 * v42;  // lstm.py:128
      vec v28 = v22 * v27;  // lstm.py:124
      vec v29 = v10 * v28;  // lstm.py:124
      vec v30 = v15 + v29;  // lstm.py:124
      vec v31 = sigmoid(v30);  // lstm.py:124
      vec v50 = v45 * v49;  // lstm.py:126
      vec v51 = v12 * v50;  // lstm.py:126
      vec v52 = v17 + v51;  // lstm.py:126
      vec v53 = hyperbolic_tangent(v52);  // lstm.py:126
      vec v66 = v31 * v53;  // lstm.py:128
      vec v67 = v65 + v66;  // lstm.py:128
      put(whole, p13 + u, v67, n);  // new.c
      put(whole, p14 + u, v67, n);  // work[3]
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}

// to work
extern "C" void forward_2(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
    long end_channel, [[maybe_unused]] long width) {
  for (; row < end_row; row++) {
    real* p0 = at[buffer[0]] + row * stride[buffer[0]];
    real* p1 = at[buffer[1]] + row * stride[buffer[1]];
    real* p2 = at[buffer[2]] + row * stride[buffer[2]];
    real* p3 = at[buffer[3]] + row * stride[buffer[3]];
    vec v68 = broadcast(p1[0]);  // lstm.py:129
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v67 = get(whole, p0 + u, n);  // lstm.py:128
      vec v69 = v67 - v68;  // lstm.py:129
      vec v70 = v69 * v69;  // lstm.py:129
      put(whole, p2 + u, v69, n);  // work[1]
      put(whole, p3 + u, v70, n);  // work[2]
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}

// to new.h
extern "C" void forward_3(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
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
    vec v58 = broadcast(p3[0]);  // lstm.py:127
    vec v71 = broadcast(p7[0]);  // lstm.py:129
    vec v59 = broadcast(real(1e-05)) + v58;  // lstm.py:127
    vec v60 = reciprocal_root(v59);  // lstm.py:127
    vec v72 = broadcast(real(1e-05)) + v71;  // lstm.py:129
    vec v73 = reciprocal_root(v72);  // lstm.py:129
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v18 = get(whole, p0 + u, n);  // p.b_o
      vec v13 = get(whole, p1 + u, n);  // p.s_o
      vec v56 = get(whole, p2 + u, n);  // (x.o + (U.o @)) - mean(x.o + (U.o @))
      vec v19 = get(whole, p4 + u, n);  // p.b_c
      vec v14 = get(whole, p5 + u, n);  // p.s_c
      vec v69 = get(whole, p6 + u, n);  // lstm.py:129
      vec v61 = v56 * v60;  // lstm.py:127
      vec v62 = v13 * v61;  // lstm.py:127
      vec v63 = v18 + v62;  // lstm.py:127
      vec v64 = sigmoid(v63);  // lstm.py:127
      vec v74 = v69 * v73;  // lstm.py:129
      vec v75 = v14 * v74;  // lstm.py:129
      vec v76 = v19 + v75;  // lstm.py:129
      vec v77 = hyperbolic_tangent(v76);  // lstm.py:129
      vec v78 = v64 * v77;  // lstm.py:129
      put(whole, p8 + u, v78, n);  // new.h
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}

// to gradients, d_work
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
    real* p13 = at[buffer[13]] + row * stride[buffer[13]];
    real* p14 = at[buffer[14]] + row * stride[buffer[14]];
    real* p15 = at[buffer[15]] + row * stride[buffer[15]];
    real* p16 = at[buffer[16]] + row * stride[buffer[16]];
    real* p17 = at[buffer[17]] + row * stride[buffer[17]];
    real* p18 = at[buffer[18]] + row * stride[buffer[18]];
    real* p19 = at[buffer[19]] + row * stride[buffer[19]];
    real* p20 = at[buffer[20]] + row * stride[buffer[20]];
    real* p21 = at[buffer[21]] + row * stride[buffer[21]];
    real* p22 = at[buffer[22]] + row * stride[buffer[22]];
    real* p23 = at[buffer[23]] + row * stride[buffer[23]];
    real* p24 = at[buffer[24]] + row * stride[buffer[24]];
    real* p25 = at[buffer[25]] + row * stride[buffer[25]];
    real* p26 = at[buffer[26]] + row * stride[buffer[26]];
    real* p27 = at[buffer[27]] + row * stride[buffer[27]];
    real* p28 = at[buffer[28]] + row * stride[buffer[28]];
    real* p29 = at[buffer[29]] + row * stride[buffer[29]];
    real* p30 = at[buffer[30]] + row * stride[buffer[30]];
    real* p31 = at[buffer[31]] + row * stride[buffer[31]];
    real* p32 = at[buffer[32]] + row * stride[buffer[32]];
    real* p33 = at[buffer[33]] + row * stride[buffer[33]];
    real* p34 = at[buffer[34]] + row * stride[buffer[34]];
    real* p35 = at[buffer[35]] + row * stride[buffer[35]];
    real* p36 = at[buffer[36]] + row * stride[buffer[36]];
    real* p37 = at[buffer[37]] + row * stride[buffer[37]];
    real* p38 = at[buffer[38]] + row * stride[buffer[38]];
    real* p39 = at[buffer[39]] + row * stride[buffer[39]];
    real* p40 = at[buffer[40]] + row * stride[buffer[40]];
    real* p41 = at[buffer[41]] + row * stride[buffer[41]];
    vec v55 = broadcast(p1[0]);  // mean(x.o + (U.o @))
    vec v58 = broadcast(p2[0]);  // lstm.py:127
    vec v33 = broadcast(p11[0]);  // mean(x.f + (U.f @))
    vec v36 = broadcast(p12[0]);  // lstm.py:125
    vec v21 = broadcast(p16[0]);  // mean(x.i + (U.i @))
    vec v24 = broadcast(p17[0]);  // lstm.py:124
    vec v44 = broadcast(p21[0]);  // mean(x.g + (U.g @))
    vec v47 = broadcast(p22[0]);  // lstm.py:126
    vec v68 = broadcast(p23[0]);  // lstm.py:129
    vec v71 = broadcast(p24[0]);  // lstm.py:129
    vec v59 = broadcast(real(1e-05)) + v58;  // lstm.py:127
    vec v60 = reciprocal_root(v59);  // lstm.py:127
    vec v37 = broadcast(real(1e-05)) + v36;  // lstm.py:125
    vec v38 = reciprocal_root(v37);  // lstm.py:125
    vec v26 = v24 + broadcast(real(1e-05));  // lstm.py:124
    vec v27 = reciprocal_root(v26);  // lstm.py:124
    vec v48 = broadcast(real(1e-05)) + v47;  // lstm.py:126
    vec v49 = reciprocal_root(v48);  // lstm.py:126
    vec v72 = broadcast(real(1e-05)) + v71;  // lstm.py:129
    vec v73 = reciprocal_root(v72);  // lstm.py:129
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v54 = get(whole, p0 + u, n);  // x.o + (U.o @)
      vec v79 = get(whole, p3 + u, n);  // d s.h' of later steps
      vec v80 = get(whole, p4 + u, n);  // d y
      vec v19 = get(whole, p5 + u, n);  // p.b_c
      vec v14 = get(whole, p6 + u, n);  // p.s_c
      vec v9 = get(whole, p7 + u, n);  // s.c
      vec v16 = get(whole, p8 + u, n);  // p.b_f
      vec v11 = get(whole, p9 + u, n);  // p.s_f
      vec v32 = get(whole, p10 + u, n);  // x.f + (U.f @)
      vec v15 = get(whole, p13 + u, n);  // p.b_i
      vec v10 = get(whole, p14 + u, n);  // p.s_i
      vec v20 = get(whole, p15 + u, n);  // x.i + (U.i @)
      vec v17 = get(whole, p18 + u, n);  // p.b_g
      vec v12 = get(whole, p19 + u, n);  // p.s_g
      vec v43 = get(whole, p20 + u, n);  // x.g + (U.g @)
      vec v18 = get(whole, p25 + u, n);  // p.b_o
      vec v13 = get(whole, p26 + u, n);  // p.s_o
      vec v56 = v54 - v55;  // lstm.py:127
      vec v61 = v56 * v60;  // lstm.py:127
      vec v81 = v79 + v80;
      vec v34 = v32 - v33;  // lstm.py:125
      vec v39 = v34 * v38;  // lstm.py:125
      vec v40 = v11 * v39;  // lstm.py:125
      vec v41 = v16 + v40;  // lstm.py:125
      vec v42 = sigmoid(v41);  // lstm.py:125
      vec v65 = v9 * v42;  // lstm.py:128
      vec v22 = v20 - v21;  // lstm.py:124
      vec v28 = v22 * v27;  // lstm.py:124
      vec v29 = v10 * v28;  // lstm.py:124
      vec v30 = v15 + v29;  // lstm.py:124
      vec v31 = sigmoid(v30);  // lstm.py:124
      vec v45 = v43 - v44;  // lstm.py:126
      vec v50 = v45 * v49;  // lstm.py:126
      vec v51 = v12 * v50;  // lstm.py:126
      vec v52 = v17 + v51;  // lstm.py:126
      vec v53 = hyperbolic_tangent(v52);  // lstm.py:126
      vec v66 = v31 * v53;  // lstm.py:128
      vec v67 = v65 + v66;  // lstm.py:128
      vec v69 = v67 - v68;  // lstm.py:129
      vec v74 = v69 * v73;  // lstm.py:129
      vec v75 = v14 * v74;  // lstm.py:129
      vec v76 = v19 + v75;  // lstm.py:129
      vec v77 = hyperbolic_tangent(v76);  // lstm.py:129
      vec v86 = v81 * v77;
      vec v62 = v13 * v61;  // lstm.py:127
      vec v63 = v18 + v62;  // lstm.py:127
      vec v64 = sigmoid(v63);  // lstm.py:127
      vec v113 = broadcast(real(1.0)) - v64;
      vec v114 = v64 * v113;
      vec v115 = v86 * v114;
      vec v116 = v61 * v115;
      vec v85 = v81 * v64;
      vec v87 = v77 * v77;
      vec v88 = broadcast(real(1.0)) - v87;
      vec v89 = v85 * v88;
      vec v90 = v74 * v89;
      vec v91 = v14 * v89;
      vec v117 = v13 * v115;
      vec v92 = v69 * v91;
      vec v118 = v56 * v117;
      put(whole, p27 + u, v116, n);  // gradients[7]
      put(whole, p28 + u, v90, n);  // gradients[8]
      put(whole, p29 + u, v115, n);  // gradients[12]
      put(whole, p30 + u, v89, n);  // gradients[13]
      put(whole, p31 + u, v42, n);  // d_work[12]
      put(whole, p32 + u, v28, n);  // d_work[15]
      put(whole, p33 + u, v53, n);  // d_work[16]
      put(whole, p34 + u, v31, n);  // d_work[17]
      put(whole, p35 + u, v39, n);  // d_work[18]
      put(whole, p36 + u, v50, n);  // d_work[19]
      put(whole, p37 + u, v69, n);  // d_work[22]
      put(whole, p38 + u, v91, n);  // d_work[23]
      put(whole, p39 + u, v117, n);  // d_work[24]
      put(whole, p40 + u, v92, n);  // d_work[25]
      put(whole, p41 + u, v118, n);  // d_work[26]
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}

// to d_work
extern "C" void backward_1(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
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
    vec v71 = broadcast(p1[0]);  // lstm.py:129
    vec v94 = broadcast(p2[0]);
    vec v55 = broadcast(p5[0]);  // mean(x.o + (U.o @))
    vec v58 = broadcast(p6[0]);  // lstm.py:127
    vec v120 = broadcast(p7[0]);
    vec v72 = broadcast(real(1e-05)) + v71;  // lstm.py:129
    vec v73 = reciprocal_root(v72);  // lstm.py:129
    vec v95 = v73 * v73;
    vec v96 = v73 * v95;
    vec v98 = v94 * broadcast(real(-0.5));
    vec v99 = v96 * v98;
    vec v100 = v99 / broadcast(real(width));
    vec v59 = broadcast(real(1e-05)) + v58;  // lstm.py:127
    vec v60 = reciprocal_root(v59);  // lstm.py:127
    vec v121 = v60 * v60;
    vec v122 = v60 * v121;
    vec v123 = broadcast(real(-0.5)) * v120;
    vec v124 = v122 * v123;
    vec v125 = v124 / broadcast(real(width));
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v69 = get(whole, p0 + u, n);  // lstm.py:129
      vec v91 = get(whole, p3 + u, n);
      vec v54 = get(whole, p4 + u, n);  // x.o + (U.o @)
      vec v117 = get(whole, p8 + u, n);
      vec v101 = v69 * v100;
      vec v93 = v73 * v91;
      vec v102 = v93 + v101;
      vec v103 = v101 + v102;
      vec v56 = v54 - v55;  // lstm.py:127
      vec v126 = v56 * v125;
      vec v119 = v60 * v117;
      vec v127 = v119 + v126;
      vec v128 = v126 + v127;
      vec v104 = -v103;
      vec v129 = -v128;
      put(whole, p9 + u, v103, n);  // d_work[13]
      put(whole, p10 + u, v128, n);  // d_work[14]
      put(whole, p11 + u, v104, n);  // d_work[20]
      put(whole, p12 + u, v129, n);  // d_work[21]
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}

// to d_next.c, gradients, d_work
extern "C" void backward_2(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
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
    real* p13 = at[buffer[13]] + row * stride[buffer[13]];
    real* p14 = at[buffer[14]] + row * stride[buffer[14]];
    real* p15 = at[buffer[15]] + row * stride[buffer[15]];
    real* p16 = at[buffer[16]] + row * stride[buffer[16]];
    real* p17 = at[buffer[17]] + row * stride[buffer[17]];
    real* p18 = at[buffer[18]] + row * stride[buffer[18]];
    real* p19 = at[buffer[19]] + row * stride[buffer[19]];
    real* p20 = at[buffer[20]] + row * stride[buffer[20]];
    real* p21 = at[buffer[21]] + row * stride[buffer[21]];
    real* p22 = at[buffer[22]] + row * stride[buffer[22]];
    real* p23 = at[buffer[23]] + row * stride[buffer[23]];
    real* p24 = at[buffer[24]] + row * stride[buffer[24]];
    real* p25 = at[buffer[25]] + row * stride[buffer[25]];
    real* p26 = at[buffer[26]] + row * stride[buffer[26]];
    real* p27 = at[buffer[27]] + row * stride[buffer[27]];
    real* p28 = at[buffer[28]] + row * stride[buffer[28]];
    real* p29 = at[buffer[29]] + row * stride[buffer[29]];
    real* p30 = at[buffer[30]] + row * stride[buffer[30]];
    real* p31 = at[buffer[31]] + row * stride[buffer[31]];
    real* p32 = at[buffer[32]] + row * stride[buffer[32]];
    real* p33 = at[buffer[33]] + row * stride[buffer[33]];
    real* p34 = at[buffer[34]] + row * stride[buffer[34]];
    vec v105 = broadcast(p3[0]);
    vec v130 = broadcast(p5[0]);
    vec v21 = broadcast(p16[0]);  // mean(x.i + (U.i @))
    vec v33 = broadcast(p18[0]);  // mean(x.f + (U.f @))
    vec v44 = broadcast(p20[0]);  // mean(x.g + (U.g @))
    vec v107 = v105 / broadcast(real(width));
    vec v131 = v130 / broadcast(real(width));
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v42 = get(whole, p0 + u, n);  // lstm.py:125
      vec v82 = get(whole, p1 + u, n);  // d s.c' of later steps
      vec v103 = get(whole, p2 + u, n);
      vec v128 = get(whole, p4 + u, n);
      vec v28 = get(whole, p6 + u, n);  // lstm.py:124
      vec v53 = get(whole, p7 + u, n);  // lstm.py:126
      vec v31 = get(whole, p8 + u, n);  // lstm.py:124
      vec v39 = get(whole, p9 + u, n);  // lstm.py:125
      vec v9 = get(whole, p10 + u, n);  // s.c
      vec v50 = get(whole, p11 + u, n);  // lstm.py:126
      vec v10 = get(whole, p12 + u, n);  // p.s_i
      vec v11 = get(whole, p13 + u, n);  // p.s_f
      vec v12 = get(whole, p14 + u, n);  // p.s_g
      vec v20 = get(whole, p15 + u, n);  // x.i + (U.i @)
      vec v32 = get(whole, p17 + u, n);  // x.f + (U.f @)
      vec v43 = get(whole, p19 + u, n);  // x.g + (U.g @)
      vec v106 = v82 + v103;
      vec v108 = v106 + v107;
      vec v111 = v42 * v108;
      vec v132 = v128 + v131;
      vec v110 = v53 * v108;
      vec v173 = broadcast(real(1.0)) - v31;
      vec v174 = v31 * v173;
      vec v175 = v110 * v174;
      vec v176 = v28 * v175;
      vec v112 = v9 * v108;
      vec v153 = broadcast(real(1.0)) - v42;
      vec v154 = v42 * v153;
      vec v155 = v112 * v154;
      vec v156 = v39 * v155;
      vec v109 = v31 * v108;
      vec v133 = v53 * v53;
      vec v134 = broadcast(real(1.0)) - v133;
      vec v135 = v109 * v134;
      vec v136 = v50 * v135;
      vec v177 = v10 * v175;
      vec v157 = v11 * v155;
      vec v137 = v12 * v135;
      vec v22 = v20 - v21;  // lstm.py:124
      vec v178 = v22 * v177;
      vec v34 = v32 - v33;  // lstm.py:125
      vec v158 = v34 * v157;
      vec v45 = v43 - v44;  // lstm.py:126
      vec v138 = v45 * v137;
      put(whole, p21 + u, v111, n);  // d_next.c
      put(whole, p22 + u, v132, n);  // gradients[3]
      put(whole, p23 + u, v176, n);  // gradients[4]
      put(whole, p24 + u, v156, n);  // gradients[5]
      put(whole, p25 + u, v136, n);  // gradients[6]
      put(whole, p26 + u, v175, n);  // gradients[9]
      put(whole, p27 + u, v155, n);  // gradients[10]
      put(whole, p28 + u, v135, n);  // gradients[11]
      put(whole, p29 + u, v177, n);  // d_work[6]
      put(whole, p30 + u, v157, n);  // d_work[7]
      put(whole, p31 + u, v137, n);  // d_work[8]
      put(whole, p32 + u, v178, n);  // d_work[9]
      put(whole, p33 + u, v158, n);  // d_work[10]
      put(whole, p34 + u, v138, n);  // d_work[11]
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}

// to d_work
extern "C" void backward_3(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
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
    real* p13 = at[buffer[13]] + row * stride[buffer[13]];
    real* p14 = at[buffer[14]] + row * stride[buffer[14]];
    real* p15 = at[buffer[15]] + row * stride[buffer[15]];
    real* p16 = at[buffer[16]] + row * stride[buffer[16]];
    real* p17 = at[buffer[17]] + row * stride[buffer[17]];
    real* p18 = at[buffer[18]] + row * stride[buffer[18]];
    real* p19 = at[buffer[19]] + row * stride[buffer[19]];
    real* p20 = at[buffer[20]] + row * stride[buffer[20]];
    vec v21 = broadcast(p1[0]);  // mean(x.i + (U.i @))
    vec v24 = broadcast(p2[0]);  // lstm.py:124
    vec v180 = broadcast(p3[0]);
    vec v33 = broadcast(p6[0]);  // mean(x.f + (U.f @))
    vec v36 = broadcast(p7[0]);  // lstm.py:125
    vec v160 = broadcast(p8[0]);
    vec v44 = broadcast(p11[0]);  // mean(x.g + (U.g @))
    vec v47 = broadcast(p12[0]);  // lstm.py:126
    vec v140 = broadcast(p13[0]);
    vec v26 = v24 + broadcast(real(1e-05));  // lstm.py:124
    vec v27 = reciprocal_root(v26);  // lstm.py:124
    vec v181 = v27 * v27;
    vec v182 = v27 * v181;
    vec v183 = broadcast(real(-0.5)) * v180;
    vec v184 = v182 * v183;
    vec v185 = v184 / broadcast(real(width));
    vec v37 = broadcast(real(1e-05)) + v36;  // lstm.py:125
    vec v38 = reciprocal_root(v37);  // lstm.py:125
    vec v161 = v38 * v38;
    vec v162 = v38 * v161;
    vec v163 = broadcast(real(-0.5)) * v160;
    vec v164 = v162 * v163;
    vec v165 = v164 / broadcast(real(width));
    vec v48 = broadcast(real(1e-05)) + v47;  // lstm.py:126
    vec v49 = reciprocal_root(v48);  // lstm.py:126
    vec v141 = v49 * v49;
    vec v142 = v49 * v141;
    vec v143 = broadcast(real(-0.5)) * v140;
    vec v144 = v142 * v143;
    vec v145 = v144 / broadcast(real(width));
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v20 = get(whole, p0 + u, n);  // x.i + (U.i @)
      vec v177 = get(whole, p4 + u, n);
      vec v32 = get(whole, p5 + u, n);  // x.f + (U.f @)
      vec v157 = get(whole, p9 + u, n);
      vec v43 = get(whole, p10 + u, n);  // x.g + (U.g @)
      vec v137 = get(whole, p14 + u, n);
      vec v22 = v20 - v21;  // lstm.py:124
      vec v186 = v22 * v185;
      vec v179 = v27 * v177;
      vec v187 = v179 + v186;
      vec v188 = v186 + v187;
      vec v34 = v32 - v33;  // lstm.py:125
      vec v166 = v34 * v165;
      vec v159 = v38 * v157;
      vec v167 = v159 + v166;
      vec v168 = v166 + v167;
      vec v45 = v43 - v44;  // lstm.py:126
      vec v146 = v45 * v145;
      vec v139 = v49 * v137;
      vec v147 = v139 + v146;
      vec v148 = v146 + v147;
      vec v189 = -v188;
      vec v169 = -v168;
      vec v149 = -v148;
      put(whole, p15 + u, v188, n);  // d_work
      put(whole, p16 + u, v168, n);  // d_work[1]
      put(whole, p17 + u, v148, n);  // d_work[2]
      put(whole, p18 + u, v189, n);  // d_work[3]
      put(whole, p19 + u, v169, n);  // d_work[4]
      put(whole, p20 + u, v149, n);  // d_work[5]
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}

// to gradients
extern "C" void backward_4(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
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
    vec v190 = broadcast(p1[0]);
    vec v170 = broadcast(p3[0]);
    vec v150 = broadcast(p5[0]);
    vec v191 = v190 / broadcast(real(width));
    vec v171 = v170 / broadcast(real(width));
    vec v151 = v150 / broadcast(real(width));
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v188 = get(whole, p0 + u, n);
      vec v168 = get(whole, p2 + u, n);
      vec v148 = get(whole, p4 + u, n);
      vec v192 = v188 + v191;
      vec v172 = v168 + v171;
      vec v152 = v148 + v151;
      put(whole, p6 + u, v192, n);  // gradients
      put(whole, p7 + u, v172, n);  // gradients[1]
      put(whole, p8 + u, v152, n);  // gradients[2]
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}
