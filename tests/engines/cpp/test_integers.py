"""kernels/integers.h and wide.h, compiled for other processors than this one too: every kernel gives the bits of the definition. What this processor lacks is put in its place here, in words of C."""

import ctypes
import platform
import subprocess
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tenuto.engines.cpp import compiler
from tenuto.engines.cpp.library import KERNELS, integers_by
from tests.compress.definition import defined, defined_within

DRIVER = """
#include "wide.h"
extern "C" int kind() { return INTEGERS; }
extern "C" void multiply(const int8_t* w, const float* scale, const float* a, const float* most, long fixed, long rows, long depth, long outputs, float* c) {
  enum { MOST = 64, VECTORS = 2 };
  static Panel panels[MOST];
  const real *source[MOST], *scales[MOST];
  int64_t lanes[MOST], column = 0, wide = depth;
  long vectors = (outputs + LANES - 1) / LANES, each = fixed == 16 ? ((depth + 1) / 2 + 1) / 2 + 2 : (depth + 3) / 4 + 2;
  for (long v = 0; v < vectors; v++) {
    source[v] = (const real*)(w + v * LANES * depth), scales[v] = scale + v * LANES;
    lanes[v] = outputs - v * LANES < LANES ? outputs - v * LANES : LANES;
  }
  Product p = {};
  for (long v = 0; v < vectors; v += VECTORS, p.panels++)
    panels[p.panels] = {vectors - v < VECTORS ? vectors - v : VECTORS, v * LANES, v * LANES * each};
  p.segments = 1, p.segment_column = &column, p.segment_depth = &wide, p.panel = panels, p.source = source, p.scale = scales, p.lanes = lanes;
  p.lane_stride = depth, p.depth_stride = 1, p.kind = KIND_INTEGER, p.fixed = fixed, p.most = &most;
  p.packed = (real*)__builtin_calloc(vectors * LANES * each + LANES, sizeof(real));
  real* init = (real*)__builtin_calloc(vectors * LANES, sizeof(real));
  real* wider = (real*)__builtin_calloc(rows * vectors * LANES, sizeof(real));
  for (long k = 0; k < p.panels; k++) fixed == 16 ? pack_integers<TWO>(p, panels[k], k * VECTORS) : pack_integers<FOUR>(p, panels[k], k * VECTORS);
  (fixed == 16 ? integer_product<int16_t> : integer_product<int8_t>)(p, a, depth, init, 0, wider, vectors * LANES, rows, {0, p.panels, false});
  for (long r = 0; r < rows; r++) memcpy(c + r * outputs, wider + r * vectors * LANES, outputs * sizeof(real));
  __builtin_free(p.packed), __builtin_free(init), __builtin_free(wider);
}
"""
FOUR_AT_ONCE = """
#include <immintrin.h>
static inline __m256i four_at_once(__m256i sum, __m256i a, __m256i b) {
  union { __m256i whole; unsigned char u[32]; signed char s[32]; int n[8]; } x = {a}, y = {b}, z = {sum};
  for (int i = 0; i < 32; i++) z.n[i / 4] += x.u[i] * y.s[i];
  return z.whole;
}
#define _mm256_dpbusd_avx_epi32 four_at_once
"""
# Bytes of a vector, what the compiler is told, the kernel that this chooses (see INTEGERS), and what the processor must have for it.
EVERY = {
    "this processor": (0, [], None, ()),
    "16 bytes, plain": (16, ["-mno-avx2", "-mno-fma", "-mno-avx512f"], 0, ()),
    "32 bytes, plain": (32, ["-mno-avx2", "-mno-fma", "-mno-avx512f"], 0, ()),
    "32 bytes, pairs": (32, ["-mavx2", "-mno-avxvnni", "-mno-avx512f"], 1, ("avx2",)),
    "four at once": (32, ["-D__AVXVNNI__=1", "-mavx2", "-mno-avx512f"], 2, ("avx2",)),
    "64 bytes, pairs": (64, ["-mavx512f", "-mavx512bw", "-mno-avx512vnni"], 1, ("avx512f", "avx512bw")),
    "64 bytes, four at once": (64, ["-mavx512f", "-mavx512bw", "-mavx512vnni"], 3, ("avx512f", "avx512bw", "avx512_vnni")),
}


def has(*flags):
    """Whether this processor has these instructions; where nothing tells, it has not."""
    told = Path("/proc/cpuinfo")
    return set(flags) <= set(told.read_text().split() if told.is_file() else ())


@pytest.mark.skipif(compiler.find() is None, reason="no compiler")
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="other processors have one kernel")
@pytest.mark.parametrize("name", EVERY)
def test_every_kernel_gives_the_bits_of_the_definition(name, tmp_path):
    vector_bytes, flags, kind, needed = EVERY[name]
    if not has(*needed):
        pytest.skip(f"this processor has no {' '.join(needed)}")
    (tmp_path / "driver.cpp").write_text(DRIVER)
    (tmp_path / "four.h").write_text(FOUR_AT_ONCE)
    more = ["-include", str(tmp_path / "four.h")] if name == "four at once" else []
    defines = [f"-DVECTOR_BYTES={vector_bytes or compiler.machine().vector_bytes}", "-DREAL_BITS=32", f"-I{KERNELS}"]
    command = [*compiler.find().command, *compiler.FLAGS, *flags, *more, *defines, str(tmp_path / "driver.cpp"), "-o", str(tmp_path / "driver.so"), "-lm"]
    subprocess.run(command, check=True, timeout=280)
    library = ctypes.CDLL(str(tmp_path / "driver.so"))
    if kind is None:
        kind = 3 if has("avx512_vnni") and compiler.machine().vector_bytes == 64 else library.kind()
        assert integers_by() == ("plain C++", "AVX2", "AVX-VNNI", "AVX-512 VNNI")[kind]
    assert library.kind() == kind
    random = np.random.default_rng(1)
    for rows, depth, outputs in ((1, 1, 1), (5, 37, 19), (4, 64, 32), (4, 512, 17), (4, 513, 70), (9, 130, 45), (4, 1100, 20)):
        a = (random.normal(size=(rows, depth)) * random.choice([1e-20, 1, 1e20], (rows, 1))).astype(np.float32)
        w, scale = random.integers(-127, 128, (outputs, depth)).astype(np.int8), random.random(outputs).astype(np.float32)
        if rows > 3:
            a[1] = 0
            a[2], w[0] = np.abs(a[2]).max() * np.sign(a[2]), 127 * np.sign(a[2])  # the largest sums that there are
        multiply = partial(_multiply, library, w, scale)
        np.testing.assert_array_equal(multiply(a, 0, 0), defined(a, w, scale))
        for bits, most in ((8, 2.5), (8, 1e19), (16, 2.5), (16, 1e-21)):
            within = np.clip(a, -3 * most, 3 * most)  # so that some are beyond it, and others are not
            np.testing.assert_array_equal(multiply(within, bits, most), defined_within(within, w, scale, np.float32(most), bits))
            if rows > 3:
                within[0, depth // 2], within[2, 0] = np.nan, np.inf
                assert np.isnan(multiply(within, bits, most)[[0, 2]]).all() and np.isfinite(multiply(within, bits, most)[1]).all()
        assert np.isnan(multiply(a, 8, np.nan)).all() and np.isnan(multiply(a, 16, 0)).all()


def _multiply(library, weight, scale, a, bits, most):
    found = np.zeros((len(a), len(weight)), np.float32)
    given = [array.ctypes.data_as(ctypes.c_void_p) for array in (weight, scale, a, np.array([most], np.float32), found)]
    library.multiply(*given[:4], *map(ctypes.c_long, (bits, *a.shape, len(weight))), given[4])
    return found
