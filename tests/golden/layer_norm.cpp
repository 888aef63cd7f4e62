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
    vec v55 = broadcast(p1[0]);
    vec v33 = broadcast(p3[0]);
    vec v21 = broadcast(p5[0]);
    vec v44 = broadcast(p7[0]);
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v54 = get(whole, p0 + u, n);
      vec v32 = get(whole, p2 + u, n);
      vec v20 = get(whole, p4 + u, n);
      vec v43 = get(whole, p6 + u, n);
      vec v56 = v54 - v55;
      vec v34 = v32 - v33;
      vec v22 = v20 - v21;
      vec v45 = v43 - v44;
      vec v57 = v56 * v56;
      vec v35 = v34 * v34;
      vec v23 = v22 * v22;
      vec v46 = v45 * v45;
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
    vec v36 = broadcast(p4[0]);
    vec v24 = broadcast(p8[0]);
    vec v47 = broadcast(p12[0]);
    vec v37 = broadcast(real(1e-05)) + v36;
    vec v38 = reciprocal_root(v37);
    vec v26 = v24 + broadcast(real(1e-05));
    vec v27 = reciprocal_root(v26);
    vec v48 = broadcast(real(1e-05)) + v47;
    vec v49 = reciprocal_root(v48);
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v9 = get(whole, p0 + u, n);  // s.c
      vec v16 = get(whole, p1 + u, n);  // p.b_f
      vec v11 = get(whole, p2 + u, n);  // p.s_f
      vec v34 = get(whole, p3 + u, n);
      vec v15 = get(whole, p5 + u, n);  // p.b_i
      vec v10 = get(whole, p6 + u, n);  // p.s_i
      vec v22 = get(whole, p7 + u, n);
      vec v17 = get(whole, p9 + u, n);  // p.b_g
      vec v12 = get(whole, p10 + u, n);  // p.s_g
      vec v45 = get(whole, p11 + u, n);
      vec v39 = v34 * v38;
      vec v40 = v11 * v39;
      vec v41 = v16 + v40;
      vec v42 = sigmoid(v41);
      vec v65 = v9 * v42;
      vec v28 = v22 * v27;
      vec v29 = v10 * v28;
      vec v30 = v15 + v29;
      vec v31 = sigmoid(v30);
      vec v50 = v45 * v49;
      vec v51 = v12 * v50;
      vec v52 = v17 + v51;
      vec v53 = hyperbolic_tangent(v52);
      vec v66 = v31 * v53;
      vec v67 = v65 + v66;
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
    vec v68 = broadcast(p1[0]);
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v67 = get(whole, p0 + u, n);
      vec v69 = v67 - v68;
      vec v70 = v69 * v69;
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
    vec v58 = broadcast(p3[0]);
    vec v71 = broadcast(p7[0]);
    vec v59 = broadcast(real(1e-05)) + v58;
    vec v60 = reciprocal_root(v59);
    vec v72 = broadcast(real(1e-05)) + v71;
    vec v73 = reciprocal_root(v72);
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v18 = get(whole, p0 + u, n);  // p.b_o
      vec v13 = get(whole, p1 + u, n);  // p.s_o
      vec v56 = get(whole, p2 + u, n);
      vec v19 = get(whole, p4 + u, n);  // p.b_c
      vec v14 = get(whole, p5 + u, n);  // p.s_c
      vec v69 = get(whole, p6 + u, n);
      vec v61 = v56 * v60;
      vec v62 = v13 * v61;
      vec v63 = v18 + v62;
      vec v64 = sigmoid(v63);
      vec v74 = v69 * v73;
      vec v75 = v14 * v74;
      vec v76 = v19 + v75;
      vec v77 = hyperbolic_tangent(v76);
      vec v78 = v64 * v77;
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
    vec v55 = broadcast(p1[0]);
    vec v33 = broadcast(p3[0]);
    vec v21 = broadcast(p5[0]);
    vec v44 = broadcast(p7[0]);
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v54 = get(whole, p0 + u, n);
      vec v32 = get(whole, p2 + u, n);
      vec v20 = get(whole, p4 + u, n);
      vec v43 = get(whole, p6 + u, n);
      vec v56 = v54 - v55;
      vec v34 = v32 - v33;
      vec v22 = v20 - v21;
      vec v45 = v43 - v44;
      vec v57 = v56 * v56;
      vec v35 = v34 * v34;
      vec v23 = v22 * v22;
      vec v46 = v45 * v45;
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
    vec v36 = broadcast(p4[0]);
    vec v24 = broadcast(p8[0]);
    vec v47 = broadcast(p12[0]);
    vec v37 = broadcast(real(1e-05)) + v36;
    vec v38 = reciprocal_root(v37);
    vec v26 = v24 + broadcast(real(1e-05));
    vec v27 = reciprocal_root(v26);
    vec v48 = broadcast(real(1e-05)) + v47;
    vec v49 = reciprocal_root(v48);
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v9 = get(whole, p0 + u, n);  // s.c
      vec v16 = get(whole, p1 + u, n);  // p.b_f
      vec v11 = get(whole, p2 + u, n);  // p.s_f
      vec v34 = get(whole, p3 + u, n);
      vec v15 = get(whole, p5 + u, n);  // p.b_i
      vec v10 = get(whole, p6 + u, n);  // p.s_i
      vec v22 = get(whole, p7 + u, n);
      vec v17 = get(whole, p9 + u, n);  // p.b_g
      vec v12 = get(whole, p10 + u, n);  // p.s_g
      vec v45 = get(whole, p11 + u, n);
      vec v39 = v34 * v38;
      vec v40 = v11 * v39;
      vec v41 = v16 + v40;
      vec v42 = sigmoid(v41);
      vec v65 = v9 * v42;
      vec v28 = v22 * v27;
      vec v29 = v10 * v28;
      vec v30 = v15 + v29;
      vec v31 = sigmoid(v30);
      vec v50 = v45 * v49;
      vec v51 = v12 * v50;
      vec v52 = v17 + v51;
      vec v53 = hyperbolic_tangent(v52);
      vec v66 = v31 * v53;
      vec v67 = v65 + v66;
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
    vec v68 = broadcast(p1[0]);
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v67 = get(whole, p0 + u, n);
      vec v69 = v67 - v68;
      vec v70 = v69 * v69;
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
    vec v58 = broadcast(p3[0]);
    vec v71 = broadcast(p7[0]);
    vec v59 = broadcast(real(1e-05)) + v58;
    vec v60 = reciprocal_root(v59);
    vec v72 = broadcast(real(1e-05)) + v71;
    vec v73 = reciprocal_root(v72);
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v18 = get(whole, p0 + u, n);  // p.b_o
      vec v13 = get(whole, p1 + u, n);  // p.s_o
      vec v56 = get(whole, p2 + u, n);
      vec v19 = get(whole, p4 + u, n);  // p.b_c
      vec v14 = get(whole, p5 + u, n);  // p.s_c
      vec v69 = get(whole, p6 + u, n);
      vec v61 = v56 * v60;
      vec v62 = v13 * v61;
      vec v63 = v18 + v62;
      vec v64 = sigmoid(v63);
      vec v74 = v69 * v73;
      vec v75 = v14 * v74;
      vec v76 = v19 + v75;
      vec v77 = hyperbolic_tangent(v76);
      vec v78 = v64 * v77;
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
    real* p42 = at[buffer[42]] + row * stride[buffer[42]];
    real* p43 = at[buffer[43]] + row * stride[buffer[43]];
    real* p44 = at[buffer[44]] + row * stride[buffer[44]];
    real* p45 = at[buffer[45]] + row * stride[buffer[45]];
    real* p46 = at[buffer[46]] + row * stride[buffer[46]];
    real* p47 = at[buffer[47]] + row * stride[buffer[47]];
    real* p48 = at[buffer[48]] + row * stride[buffer[48]];
    real* p49 = at[buffer[49]] + row * stride[buffer[49]];
    real* p50 = at[buffer[50]] + row * stride[buffer[50]];
    real* p51 = at[buffer[51]] + row * stride[buffer[51]];
    real* p52 = at[buffer[52]] + row * stride[buffer[52]];
    real* p53 = at[buffer[53]] + row * stride[buffer[53]];
    real* p54 = at[buffer[54]] + row * stride[buffer[54]];
    vec v55 = broadcast(p1[0]);
    vec v58 = broadcast(p2[0]);
    vec v33 = broadcast(p11[0]);
    vec v36 = broadcast(p12[0]);
    vec v21 = broadcast(p16[0]);
    vec v24 = broadcast(p17[0]);
    vec v44 = broadcast(p21[0]);
    vec v47 = broadcast(p22[0]);
    vec v68 = broadcast(p23[0]);
    vec v71 = broadcast(p24[0]);
    vec v59 = broadcast(real(1e-05)) + v58;
    vec v60 = reciprocal_root(v59);
    vec v37 = broadcast(real(1e-05)) + v36;
    vec v38 = reciprocal_root(v37);
    vec v26 = v24 + broadcast(real(1e-05));
    vec v27 = reciprocal_root(v26);
    vec v48 = broadcast(real(1e-05)) + v47;
    vec v49 = reciprocal_root(v48);
    vec v72 = broadcast(real(1e-05)) + v71;
    vec v73 = reciprocal_root(v72);
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v54 = get(whole, p0 + u, n);
      vec v79 = get(whole, p3 + u, n);  // d s.h' of later steps
      vec v80 = get(whole, p4 + u, n);  // d y
      vec v19 = get(whole, p5 + u, n);  // p.b_c
      vec v14 = get(whole, p6 + u, n);  // p.s_c
      vec v9 = get(whole, p7 + u, n);  // s.c
      vec v16 = get(whole, p8 + u, n);  // p.b_f
      vec v11 = get(whole, p9 + u, n);  // p.s_f
      vec v32 = get(whole, p10 + u, n);
      vec v15 = get(whole, p13 + u, n);  // p.b_i
      vec v10 = get(whole, p14 + u, n);  // p.s_i
      vec v20 = get(whole, p15 + u, n);
      vec v17 = get(whole, p18 + u, n);  // p.b_g
      vec v12 = get(whole, p19 + u, n);  // p.s_g
      vec v43 = get(whole, p20 + u, n);
      vec v18 = get(whole, p25 + u, n);  // p.b_o
      vec v13 = get(whole, p26 + u, n);  // p.s_o
      vec v82 = get(whole, p27 + u, n);  // d s.c' of later steps
      vec v56 = v54 - v55;
      vec v61 = v56 * v60;
      vec v81 = v79 + v80;
      vec v34 = v32 - v33;
      vec v39 = v34 * v38;
      vec v40 = v11 * v39;
      vec v41 = v16 + v40;
      vec v42 = sigmoid(v41);
      vec v65 = v9 * v42;
      vec v22 = v20 - v21;
      vec v28 = v22 * v27;
      vec v29 = v10 * v28;
      vec v30 = v15 + v29;
      vec v31 = sigmoid(v30);
      vec v45 = v43 - v44;
      vec v50 = v45 * v49;
      vec v51 = v12 * v50;
      vec v52 = v17 + v51;
      vec v53 = hyperbolic_tangent(v52);
      vec v66 = v31 * v53;
      vec v67 = v65 + v66;
      vec v69 = v67 - v68;
      vec v74 = v69 * v73;
      vec v75 = v14 * v74;
      vec v76 = v19 + v75;
      vec v77 = hyperbolic_tangent(v76);
      vec v151 = v81 * v77;
      vec v62 = v13 * v61;
      vec v63 = v18 + v62;
      vec v64 = sigmoid(v63);
      vec v177 = broadcast(real(1.0)) - v64;
      vec v178 = v64 * v177;
      vec v179 = v151 * v178;
      vec v180 = v61 * v179;
      vec v150 = v81 * v64;
      vec v152 = v77 * v77;
      vec v153 = broadcast(real(1.0)) - v152;
      vec v154 = v150 * v153;
      vec v155 = v74 * v154;
      vec v85 = v82 * v53;
      vec v130 = broadcast(real(1.0)) - v31;
      vec v131 = v31 * v130;
      vec v132 = v85 * v131;
      vec v87 = v9 * v82;
      vec v110 = broadcast(real(1.0)) - v42;
      vec v111 = v42 * v110;
      vec v112 = v87 * v111;
      vec v84 = v82 * v31;
      vec v88 = v53 * v53;
      vec v90 = broadcast(real(1.0)) - v88;
      vec v91 = v84 * v90;
      vec v134 = v10 * v132;
      vec v114 = v11 * v112;
      vec v93 = v12 * v91;
      vec v156 = v14 * v154;
      vec v181 = v13 * v179;
      vec v135 = v22 * v134;
      vec v115 = v34 * v114;
      vec v94 = v45 * v93;
      vec v157 = v69 * v156;
      vec v182 = v56 * v181;
      put(whole, p28 + u, v180, n);  // gradients[7]
      put(whole, p29 + u, v155, n);  // gradients[8]
      put(whole, p30 + u, v179, n);  // gradients[12]
      put(whole, p31 + u, v154, n);  // gradients[13]
      put(whole, p32 + u, v42, n);  // d_work[15]
      put(whole, p33 + u, v28, n);  // d_work[18]
      put(whole, p34 + u, v132, n);  // d_work[19]
      put(whole, p35 + u, v131, n);  // d_work[20]
      put(whole, p36 + u, v53, n);  // d_work[21]
      put(whole, p37 + u, v39, n);  // d_work[22]
      put(whole, p38 + u, v112, n);  // d_work[23]
      put(whole, p39 + u, v111, n);  // d_work[24]
      put(whole, p40 + u, v50, n);  // d_work[25]
      put(whole, p41 + u, v91, n);  // d_work[26]
      put(whole, p42 + u, v90, n);  // d_work[27]
      put(whole, p43 + u, v31, n);  // d_work[28]
      put(whole, p44 + u, v134, n);  // d_work[34]
      put(whole, p45 + u, v114, n);  // d_work[35]
      put(whole, p46 + u, v93, n);  // d_work[36]
      put(whole, p47 + u, v69, n);  // d_work[37]
      put(whole, p48 + u, v156, n);  // d_work[38]
      put(whole, p49 + u, v181, n);  // d_work[39]
      put(whole, p50 + u, v135, n);  // d_work[40]
      put(whole, p51 + u, v115, n);  // d_work[41]
      put(whole, p52 + u, v94, n);  // d_work[42]
      put(whole, p53 + u, v157, n);  // d_work[43]
      put(whole, p54 + u, v182, n);  // d_work[44]
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
    vec v21 = broadcast(p1[0]);
    vec v24 = broadcast(p2[0]);
    vec v137 = broadcast(p3[0]);
    vec v33 = broadcast(p6[0]);
    vec v36 = broadcast(p7[0]);
    vec v117 = broadcast(p8[0]);
    vec v44 = broadcast(p11[0]);
    vec v47 = broadcast(p12[0]);
    vec v96 = broadcast(p13[0]);
    vec v71 = broadcast(p16[0]);
    vec v159 = broadcast(p17[0]);
    vec v55 = broadcast(p20[0]);
    vec v58 = broadcast(p21[0]);
    vec v184 = broadcast(p22[0]);
    vec v26 = v24 + broadcast(real(1e-05));
    vec v27 = reciprocal_root(v26);
    vec v138 = v27 * v27;
    vec v139 = v27 * v138;
    vec v140 = broadcast(real(-0.5)) * v137;
    vec v141 = v139 * v140;
    vec v142 = v141 / broadcast(real(width));
    vec v37 = broadcast(real(1e-05)) + v36;
    vec v38 = reciprocal_root(v37);
    vec v118 = v38 * v38;
    vec v119 = v38 * v118;
    vec v120 = broadcast(real(-0.5)) * v117;
    vec v121 = v119 * v120;
    vec v122 = v121 / broadcast(real(width));
    vec v48 = broadcast(real(1e-05)) + v47;
    vec v49 = reciprocal_root(v48);
    vec v97 = v49 * v49;
    vec v98 = v49 * v97;
    vec v100 = v96 * broadcast(real(-0.5));
    vec v101 = v98 * v100;
    vec v102 = v101 / broadcast(real(width));
    vec v72 = broadcast(real(1e-05)) + v71;
    vec v73 = reciprocal_root(v72);
    vec v160 = v73 * v73;
    vec v161 = v73 * v160;
    vec v162 = broadcast(real(-0.5)) * v159;
    vec v163 = v161 * v162;
    vec v164 = v163 / broadcast(real(width));
    vec v59 = broadcast(real(1e-05)) + v58;
    vec v60 = reciprocal_root(v59);
    vec v185 = v60 * v60;
    vec v186 = v60 * v185;
    vec v187 = broadcast(real(-0.5)) * v184;
    vec v188 = v186 * v187;
    vec v189 = v188 / broadcast(real(width));
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v20 = get(whole, p0 + u, n);
      vec v134 = get(whole, p4 + u, n);
      vec v32 = get(whole, p5 + u, n);
      vec v114 = get(whole, p9 + u, n);
      vec v43 = get(whole, p10 + u, n);
      vec v93 = get(whole, p14 + u, n);
      vec v69 = get(whole, p15 + u, n);
      vec v156 = get(whole, p18 + u, n);
      vec v54 = get(whole, p19 + u, n);
      vec v181 = get(whole, p23 + u, n);
      vec v22 = v20 - v21;
      vec v143 = v22 * v142;
      vec v136 = v27 * v134;
      vec v144 = v136 + v143;
      vec v145 = v143 + v144;
      vec v34 = v32 - v33;
      vec v123 = v34 * v122;
      vec v116 = v38 * v114;
      vec v124 = v116 + v123;
      vec v125 = v123 + v124;
      vec v45 = v43 - v44;
      vec v103 = v45 * v102;
      vec v95 = v49 * v93;
      vec v104 = v95 + v103;
      vec v105 = v103 + v104;
      vec v165 = v69 * v164;
      vec v158 = v73 * v156;
      vec v166 = v158 + v165;
      vec v167 = v165 + v166;
      vec v56 = v54 - v55;
      vec v190 = v56 * v189;
      vec v183 = v60 * v181;
      vec v191 = v183 + v190;
      vec v192 = v190 + v191;
      vec v146 = -v145;
      vec v126 = -v125;
      vec v106 = -v105;
      vec v168 = -v167;
      vec v193 = -v192;
      put(whole, p24 + u, v145, n);  // d_work
      put(whole, p25 + u, v125, n);  // d_work[2]
      put(whole, p26 + u, v105, n);  // d_work[4]
      put(whole, p27 + u, v167, n);  // d_work[16]
      put(whole, p28 + u, v192, n);  // d_work[17]
      put(whole, p29 + u, v146, n);  // d_work[29]
      put(whole, p30 + u, v126, n);  // d_work[30]
      put(whole, p31 + u, v106, n);  // d_work[31]
      put(whole, p32 + u, v168, n);  // d_work[32]
      put(whole, p33 + u, v193, n);  // d_work[33]
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
    real* p35 = at[buffer[35]] + row * stride[buffer[35]];
    real* p36 = at[buffer[36]] + row * stride[buffer[36]];
    real* p37 = at[buffer[37]] + row * stride[buffer[37]];
    real* p38 = at[buffer[38]] + row * stride[buffer[38]];
    real* p39 = at[buffer[39]] + row * stride[buffer[39]];
    real* p40 = at[buffer[40]] + row * stride[buffer[40]];
    vec v169 = broadcast(p3[0]);
    vec v194 = broadcast(p5[0]);
    vec v21 = broadcast(p22[0]);
    vec v33 = broadcast(p24[0]);
    vec v44 = broadcast(p26[0]);
    vec v170 = v169 / broadcast(real(width));
    vec v195 = v194 / broadcast(real(width));
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v82 = get(whole, p0 + u, n);  // d s.c' of later steps
      vec v42 = get(whole, p1 + u, n);
      vec v167 = get(whole, p2 + u, n);
      vec v192 = get(whole, p4 + u, n);
      vec v28 = get(whole, p6 + u, n);
      vec v132 = get(whole, p7 + u, n);
      vec v131 = get(whole, p8 + u, n);
      vec v53 = get(whole, p9 + u, n);
      vec v39 = get(whole, p10 + u, n);
      vec v112 = get(whole, p11 + u, n);
      vec v111 = get(whole, p12 + u, n);
      vec v9 = get(whole, p13 + u, n);  // s.c
      vec v50 = get(whole, p14 + u, n);
      vec v91 = get(whole, p15 + u, n);
      vec v90 = get(whole, p16 + u, n);
      vec v31 = get(whole, p17 + u, n);
      vec v10 = get(whole, p18 + u, n);  // p.s_i
      vec v11 = get(whole, p19 + u, n);  // p.s_f
      vec v12 = get(whole, p20 + u, n);  // p.s_g
      vec v20 = get(whole, p21 + u, n);
      vec v32 = get(whole, p23 + u, n);
      vec v43 = get(whole, p25 + u, n);
      vec v86 = v82 * v42;
      vec v171 = v167 + v170;
      vec v174 = v42 * v171;
      vec v176 = v86 + v174;
      vec v196 = v192 + v195;
      vec v133 = v28 * v132;
      vec v173 = v53 * v171;
      vec v235 = v131 * v173;
      vec v237 = v28 * v235;
      vec v239 = v133 + v237;
      vec v113 = v39 * v112;
      vec v175 = v9 * v171;
      vec v216 = v111 * v175;
      vec v218 = v39 * v216;
      vec v220 = v113 + v218;
      vec v92 = v50 * v91;
      vec v172 = v31 * v171;
      vec v197 = v90 * v172;
      vec v199 = v50 * v197;
      vec v201 = v92 + v199;
      vec v236 = v132 + v235;
      vec v217 = v112 + v216;
      vec v198 = v91 + v197;
      vec v238 = v10 * v235;
      vec v219 = v11 * v216;
      vec v200 = v12 * v197;
      vec v22 = v20 - v21;
      vec v240 = v22 * v238;
      vec v34 = v32 - v33;
      vec v221 = v34 * v219;
      vec v45 = v43 - v44;
      vec v202 = v45 * v200;
      put(whole, p27 + u, v176, n);  // d_next.c
      put(whole, p28 + u, v196, n);  // gradients[3]
      put(whole, p29 + u, v239, n);  // gradients[4]
      put(whole, p30 + u, v220, n);  // gradients[5]
      put(whole, p31 + u, v201, n);  // gradients[6]
      put(whole, p32 + u, v236, n);  // gradients[9]
      put(whole, p33 + u, v217, n);  // gradients[10]
      put(whole, p34 + u, v198, n);  // gradients[11]
      put(whole, p35 + u, v238, n);  // d_work[9]
      put(whole, p36 + u, v219, n);  // d_work[10]
      put(whole, p37 + u, v200, n);  // d_work[11]
      put(whole, p38 + u, v240, n);  // d_work[12]
      put(whole, p39 + u, v221, n);  // d_work[13]
      put(whole, p40 + u, v202, n);  // d_work[14]
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
    vec v21 = broadcast(p1[0]);
    vec v24 = broadcast(p2[0]);
    vec v242 = broadcast(p3[0]);
    vec v33 = broadcast(p6[0]);
    vec v36 = broadcast(p7[0]);
    vec v223 = broadcast(p8[0]);
    vec v44 = broadcast(p11[0]);
    vec v47 = broadcast(p12[0]);
    vec v204 = broadcast(p13[0]);
    vec v26 = v24 + broadcast(real(1e-05));
    vec v27 = reciprocal_root(v26);
    vec v138 = v27 * v27;
    vec v139 = v27 * v138;
    vec v243 = broadcast(real(-0.5)) * v242;
    vec v244 = v139 * v243;
    vec v245 = v244 / broadcast(real(width));
    vec v37 = broadcast(real(1e-05)) + v36;
    vec v38 = reciprocal_root(v37);
    vec v118 = v38 * v38;
    vec v119 = v38 * v118;
    vec v224 = broadcast(real(-0.5)) * v223;
    vec v225 = v119 * v224;
    vec v226 = v225 / broadcast(real(width));
    vec v48 = broadcast(real(1e-05)) + v47;
    vec v49 = reciprocal_root(v48);
    vec v97 = v49 * v49;
    vec v98 = v49 * v97;
    vec v205 = broadcast(real(-0.5)) * v204;
    vec v206 = v98 * v205;
    vec v207 = v206 / broadcast(real(width));
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v20 = get(whole, p0 + u, n);
      vec v238 = get(whole, p4 + u, n);
      vec v32 = get(whole, p5 + u, n);
      vec v219 = get(whole, p9 + u, n);
      vec v43 = get(whole, p10 + u, n);
      vec v200 = get(whole, p14 + u, n);
      vec v22 = v20 - v21;
      vec v246 = v22 * v245;
      vec v241 = v27 * v238;
      vec v247 = v241 + v246;
      vec v248 = v246 + v247;
      vec v34 = v32 - v33;
      vec v227 = v34 * v226;
      vec v222 = v38 * v219;
      vec v228 = v222 + v227;
      vec v229 = v227 + v228;
      vec v45 = v43 - v44;
      vec v208 = v45 * v207;
      vec v203 = v49 * v200;
      vec v209 = v203 + v208;
      vec v210 = v208 + v209;
      vec v249 = -v248;
      vec v230 = -v229;
      vec v211 = -v210;
      put(whole, p15 + u, v248, n);  // d_work[1]
      put(whole, p16 + u, v229, n);  // d_work[3]
      put(whole, p17 + u, v210, n);  // d_work[5]
      put(whole, p18 + u, v249, n);  // d_work[6]
      put(whole, p19 + u, v230, n);  // d_work[7]
      put(whole, p20 + u, v211, n);  // d_work[8]
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
    real* p9 = at[buffer[9]] + row * stride[buffer[9]];
    real* p10 = at[buffer[10]] + row * stride[buffer[10]];
    real* p11 = at[buffer[11]] + row * stride[buffer[11]];
    real* p12 = at[buffer[12]] + row * stride[buffer[12]];
    real* p13 = at[buffer[13]] + row * stride[buffer[13]];
    real* p14 = at[buffer[14]] + row * stride[buffer[14]];
    vec v147 = broadcast(p1[0]);
    vec v250 = broadcast(p3[0]);
    vec v127 = broadcast(p5[0]);
    vec v231 = broadcast(p7[0]);
    vec v107 = broadcast(p9[0]);
    vec v212 = broadcast(p11[0]);
    vec v148 = v147 / broadcast(real(width));
    vec v251 = v250 / broadcast(real(width));
    vec v128 = v127 / broadcast(real(width));
    vec v232 = v231 / broadcast(real(width));
    vec v108 = v107 / broadcast(real(width));
    vec v213 = v212 / broadcast(real(width));
    auto channels = [&](auto whole, long u, [[maybe_unused]] long n) __attribute__((always_inline)) {
      vec v145 = get(whole, p0 + u, n);
      vec v248 = get(whole, p2 + u, n);
      vec v125 = get(whole, p4 + u, n);
      vec v229 = get(whole, p6 + u, n);
      vec v105 = get(whole, p8 + u, n);
      vec v210 = get(whole, p10 + u, n);
      vec v149 = v145 + v148;
      vec v252 = v248 + v251;
      vec v253 = v149 + v252;
      vec v129 = v125 + v128;
      vec v233 = v229 + v232;
      vec v234 = v129 + v233;
      vec v109 = v105 + v108;
      vec v214 = v210 + v213;
      vec v215 = v109 + v214;
      put(whole, p12 + u, v253, n);  // gradients
      put(whole, p13 + u, v234, n);  // gradients[1]
      put(whole, p14 + u, v215, n);  // gradients[2]
    };
    long u = channel;
    for (; u + LANES <= end_channel; u += LANES) channels(Whole(), u, LANES);
    if (u < end_channel) channels(Part(), u, end_channel - u);
  }
}
