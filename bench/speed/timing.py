"""Calls timed in turns, and what the machine could do at best."""

from __future__ import annotations

import ctypes
import math
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from tenuto.engines.cpp import compiler, library

Calls = dict[str, Callable[[], object]]
Times = dict[str, list[float]]  # by contender: the median and the best, in ms
Shape = tuple[int, int, int, int]  # B, T, I, H

WARM_CALLS, WARM_SECONDS = 20, 6.0  # the engine tries its ways of sharing the work on its first calls, and again after ten
MOST_ROUNDS = 300
BLOCK, PAUSE = 12, 0.05  # calls in a row that are counted; seconds before them, in which threads that spin go to sleep
_PEAK = r"""
#include "matrix.h"
extern "C" __attribute__((noinline)) real peak(long n, real a, real b) {  // 12 chains of multiply-adds in registers
  vec s[12], x = broadcast(a), y = broadcast(b);
  for (int j = 0; j < 12; j++) s[j] = broadcast(real(j));
  for (long i = 0; i < n; i++)
#pragma GCC unroll 12
    for (int j = 0; j < 12; j++) s[j] = fma(s[j], x, y);
  for (int j = 1; j < 12; j++) s[0] = s[0] + s[j];
  return sum_lanes(s[0]);
}
extern "C" double operations(void) { return 12.0 * 2 * LANES; }
#if BFLOAT16
extern "C" __attribute__((noinline)) real bfloat16_peak(long n, real a, real b) {
  vec s[12], x = pair_lanes(broadcast(a), broadcast(b));
  for (int j = 0; j < 12; j++) s[j] = broadcast(real(j));
  for (long i = 0; i < n; i++)
#pragma GCC unroll 12
    for (int j = 0; j < 12; j++) s[j] = multiply_add((const Pair*)0, x, x, s[j]);
  for (int j = 1; j < 12; j++) s[0] = s[0] + s[j];
  return sum_lanes(s[0]);
}
#endif
#if MATRIX_UNITS
// Four tiles of results, each number as three parts: the six products of parts that make a float32 product, all in registers.
extern "C" __attribute__((noinline)) real matrix_peak(long n) {
  static uint16_t parts[3 * TILE];
  static real result[4 * TILE_ROWS * LANES];
  for (int i = 0; i < LANES * TILE_ROWS; i += LANES) {
    vec x = {};
    for (int j = 0; j < LANES; j++) x[j] = real((i + j) * 2654435761u % 1000003) / 1000003;
    store_parts<3>(x, x * real(0.7), parts + i * 2, TILE);
  }
  configure_tiles(TILE_ROWS);
  _tile_loadd(4, parts, 64); _tile_loadd(5, parts + TILE, 64); _tile_loadd(6, parts + 2 * TILE, 64); _tile_loadd(7, parts, 64);
  _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
#define PRODUCTS(part) _tile_dpbf16ps(0, part, 7); _tile_dpbf16ps(1, part, 7); _tile_dpbf16ps(2, part, 7); _tile_dpbf16ps(3, part, 7);
  for (long i = 0; i < n; i++) { PRODUCTS(4) PRODUCTS(4) PRODUCTS(4) PRODUCTS(5) PRODUCTS(5) PRODUCTS(6) }
  _tile_stored(0, result, 64);
  release_tiles();
  return result[0];
}
extern "C" __attribute__((noinline)) real bfloat16_matrix_peak(long n) {
  static uint16_t parts[TILE];
  static real result[TILE_ROWS * LANES];
  configure_tiles(TILE_ROWS);
  _tile_loadd(4, parts, 64); _tile_loadd(7, parts, 64);
  _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
  for (long i = 0; i < n; i++) { PRODUCTS(4) }
  _tile_stored(0, result, 64);
  release_tiles();
  return result[0];
}
extern "C" double matrix_operations(void) { return 4.0 * 2 * TILE_ROWS * LANES * BLOCK_DEPTH; }
#endif
"""


def peak_gflops(bfloat16: bool = False) -> float:
    """Products in registers on one thread, times the threads in use: on vectors, or on matrix units where the engine may use them; 0 where there are none."""
    if bfloat16 and not library.multiplies_bfloat16():
        return 0.0
    kernel, prefix = library.build("peak", _PEAK, 32), "bfloat16_" if bfloat16 else ""
    on_vectors = getattr(kernel, f"{prefix}peak")
    on_vectors.argtypes, kernel.operations.restype = [ctypes.c_long, ctypes.c_float, ctypes.c_float], ctypes.c_double
    run, operations = lambda turns: on_vectors(turns, 0.999, 0.001), kernel.operations() * (2 if bfloat16 else 1)
    if library.has_matrix_units(torch.float32):
        run, kernel.matrix_operations.restype = getattr(kernel, f"{prefix}matrix_peak"), ctypes.c_double
        run.argtypes, operations = [ctypes.c_long], kernel.matrix_operations()
    turns, best = 10_000, math.inf
    for _ in range(50):
        begin = time.perf_counter()
        run(turns)
        best = min(best, time.perf_counter() - begin)
    return turns * operations / best / 1e9 * torch.get_num_threads()


def bandwidth() -> float:
    """GB/s of a copy that no cache holds, read and written, with the threads in use."""
    source = torch.zeros(1 << 26)
    target, best = torch.zeros_like(source), math.inf
    for _ in range(5):
        begin = time.perf_counter()
        target.copy_(source)
        best = min(best, time.perf_counter() - begin)
    return 2 * source.nbytes / best / 1e9


def processor() -> str:
    """The processor's name."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def circumstances() -> dict[str, object]:
    """Where and when a section is measured."""
    found = compiler.find()
    return {
        "measured": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        "load": round(os.getloadavg()[0], 2),
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "peak_gflops": round(peak_gflops(), 1),
        "peak_gflops_bfloat16": round(peak_gflops(bfloat16=True), 1),
        "bandwidth_gb_s": round(bandwidth(), 1),
        "compiler": found.version if found else None,
        "torch": torch.__version__,
    }


def interleaved(calls: Calls, seconds: float, warm: frozenset[str] = frozenset()) -> Times:
    """Each call in turn, round after round for about `seconds` (at least five rounds), after one call of each.

    Every round begins with another call, since each finds the caches as the one before left them.

    Args:
        warm: the calls that are made twenty times before the rounds begin.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for name, call in calls.items():
        begin = time.perf_counter()
        for turn in range(WARM_CALLS if name in warm else 1):
            call()
            if turn and time.perf_counter() - begin > WARM_SECONDS * min(1.0, seconds):
                break
    order, begin = list(calls.items()), time.perf_counter()
    for turn in range(MOST_ROUNDS):
        if turn >= 5 and time.perf_counter() - begin > seconds:
            break
        for name, call in order[turn % len(order) :] + order[: turn % len(order)]:
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return _median_and_best(times)


def by_themselves(calls: Calls, seconds: float) -> Times:
    """As `interleaved`, for contenders whose idle threads spin beside the next one's calls: in blocks of a dozen calls, which begin with a pause and calls that are not counted, two, and before the first block a dozen."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    begin = time.perf_counter()
    for turn in range(MOST_ROUNDS):
        if turn >= 3 and time.perf_counter() - begin > seconds:
            break
        for name, call in calls.items():
            time.sleep(PAUSE)
            for _ in range(2 if turn else WARM_CALLS):
                call()
            for _ in range(BLOCK):
                start = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - start)
    return _median_and_best(times)


def _median_and_best(times: dict[str, list[float]]) -> Times:
    """In ms."""
    return {name: [statistics.median(values) * 1e3, min(values) * 1e3] for name, values in times.items()}


def entry(cell: str, what: str, shape: Shape, operations: float, times: Times) -> dict[str, object]:
    """One line of a section, printed too; `operations`: the floating-point operations of one call."""
    shown = "   ".join(f"{name} {median:.3f} ({best:.3f})" for name, (median, best) in times.items())
    rate = operations / next(iter(times.values()))[1] / 1e6
    print(f"{cell:17} {what:10} {'x'.join(map(str, shape)):16} {rate:4.0f} GFLOP/s   ms: {shown}", flush=True)
    return {"cell": cell, "what": what, "shape": list(shape), "operations": operations, "ms_median_best": times}
