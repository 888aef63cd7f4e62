// Products on matrix units that multiply bfloat16 (Intel's AMX): of float32, with float32's accuracy, in three parts; or of bfloat16, in one
// part, which is the number rounded (PARTS is 3 or 1).
//
// A float32 has 24 bits and is exactly the sum of three bfloat16 of 8 bits: a = a0 + a1 + a2. Of the nine products of parts the six
// largest are added up (a0 b0, a0 b1, a0 b2, a1 b0, a1 b1, a2 b0); the rest is below 2^-25 of a b. A unit does 16 times as many
// multiply-adds as float32's vectors, so a sixth of that is 2.7 times the vectors' peak (measured on a Xeon of 2023, one core, weights
// in the second-level cache: 470 GFLOP/s beside a peak of 216). Each result depends on its own row and column alone, in one order of k.
//
// Tiles: 16 rows of 64 bytes. A block is 32 k: row r of an operand's tile holds the pairs (k, k + 16), row i of a weight's tile the pairs
// of lanes (k = i, k = i + 16). Numbers from 2^126 on and Inf have no such sums: in three parts their rows (or weights) are multiplied one by one.
#pragma once
#include "bfloat16.h"
#if defined(__AMX_BF16__) && BFLOAT16
#define MATRIX_UNITS 1
#include <sys/syscall.h>
#include <unistd.h>

enum { TILE_ROWS = 16, BLOCK_DEPTH = 32, TILE = TILE_ROWS * BLOCK_DEPTH };
enum { BLOCKS_TOGETHER = 4 };  // of weights, 48 KB: what several tiles of rows read from the first-level cache
enum { SPLIT_ROWS = 128, SPLIT_BLOCKS = 16 };  // of an operand at once: 384 KB of parts, which stay in the second-level cache
static __thread uint16_t own_parts[SPLIT_ROWS * SPLIT_BLOCKS * BLOCK_DEPTH * 3] __attribute__((aligned(64)));

typedef uint32_t word32 __attribute__((vector_size(VECTOR_BYTES)));

// Asks the system for the units, once per process: 1 if they may be used.
static int64_t ask_for_matrix_units() {
  const long request_permission = 0x1023, tile_data = 18;
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

// Tiles 0 to 3 accumulate, 4 to 6 hold an operand's parts, all of them with so many rows; 7 holds a part of the weights.
static __thread int tile_rows_now;
static void configure_tiles(int rows) {
  if (rows == tile_rows_now) return;
  struct { uint8_t palette, start, reserved[14]; uint16_t row_bytes[16]; uint8_t rows[16]; } shape = {};
  shape.palette = 1;
  for (int t = 0; t < 8; t++) shape.row_bytes[t] = 64, shape.rows[t] = t < 7 ? rows : TILE_ROWS;
  _tile_loadconfig(&shape);
  tile_rows_now = rows;
}
static void release_tiles() {
  if (tile_rows_now) _tile_release();
  tile_rows_now = 0;
}

// The parts of 2 x 16 numbers as pairs; `next`: from one part to the next.
template <int PARTS>
INLINE void store_parts(vec x, vec y, uint16_t* to, long next) {
  if (PARTS == 1) return store((real*)to, pair_lanes(x, y));
  const word32 half = (word32{} + 0x8000u), upper = (word32{} + 0xffff0000u);
#pragma GCC unroll 3
  for (int part = 0; part < PARTS; part++) {
    word32 a = (word32)x, b = (word32)y;
    if (part < 2) a = (a + half) & upper, b = (b + half) & upper;  // rounded to 8 bits; the third part has no more bits than that
    word32 pairs = (a >> 16) | b;
    memcpy(to + part * next, &pairs, sizeof pairs);
    x = x - (vec)a, y = y - (vec)b;
  }
}
// Whether all of these numbers have three parts, told by the bits of the largest. (NaN's parts are not its sum, but NaN as well.)
static bool have_parts(const real* numbers, long count) {
  mask most = {}, beyond = mask{} + 0x7e800000;  // 2^126
  auto look = [&](vec x) {
    mask size = bits(x) & 0x7fffffff;
    most = size > most ? size : most;
  };
  for (; count >= LANES; count -= LANES, numbers += LANES) look(load(numbers));
  if (count > 0) look(load_part(numbers, count));
  mask wrong = (most >= beyond) & (most <= mask{} + 0x7f800000);
  word any = 0;
  for (int i = 0; i < LANES; i++) any |= wrong[i];
  return !any;
}
// A row of an operand: [block][part][pairs], blocks PARTS * TILE apart; zeros for a row that has no parts.
template <int PARTS>
static void split_row(const real* from, long depth, uint16_t* to, bool zero) {
  for (; !zero && depth >= BLOCK_DEPTH; depth -= BLOCK_DEPTH, from += BLOCK_DEPTH, to += PARTS * TILE)
    store_parts<PARTS>(load(from), load(from + LANES), to, TILE);
  for (; depth > 0; depth -= BLOCK_DEPTH, from += BLOCK_DEPTH, to += PARTS * TILE) {
    long low = zero ? 0 : depth < LANES ? depth : LANES, high = zero || depth < LANES ? 0 : depth - LANES;
    store_parts<PARTS>(load_part(from, low), load_part(from + LANES, high), to, TILE);
  }
}

// C += A B over blocks of k; A [block][part] tiles, B [block][vector][part] tiles, C 16 rows (or as configured) x VECTORS vectors.
// A result is stored as soon as it is done, while the others are still added up (10 % at 64 k). The compiler does not know that loading
// a tile reads memory, so there are two barriers.
template <int PARTS, int VECTORS>
static __attribute__((noinline)) void matrix_tile(const uint16_t* a, const uint16_t* b, long blocks, const real* init, long init_stride,
                                                  real* c, long c_stride) {
  asm volatile("" ::: "memory");
  init_stride *= sizeof(real), c_stride *= sizeof(real);
#define BEGIN(j) if constexpr (j < VECTORS) _tile_loadd(j, init + j * LANES, init_stride);
#define WEIGHTS(j, part) _tile_loadd(7, b + (j * PARTS + part) * TILE, 64);
#define ADD_UP(j)                                                                     \
  if constexpr (j < VECTORS) {                                                        \
    WEIGHTS(j, 0) _tile_dpbf16ps(j, 4, 7);                                            \
    if constexpr (PARTS == 3) {                                                       \
      _tile_dpbf16ps(j, 5, 7); _tile_dpbf16ps(j, 6, 7);                               \
      WEIGHTS(j, 1) _tile_dpbf16ps(j, 4, 7); _tile_dpbf16ps(j, 5, 7);                 \
      WEIGHTS(j, 2) _tile_dpbf16ps(j, 4, 7);                                          \
    }                                                                                 \
    if (blocks == 1) _tile_stored(j, c + j * LANES, c_stride);                        \
  }
  BEGIN(0) BEGIN(1) BEGIN(2) BEGIN(3)
  for (; blocks > 0; blocks--, a += PARTS * TILE, b += PARTS * VECTORS * TILE) {
    _tile_loadd(4, a, 64);
    if constexpr (PARTS == 3) {
      _tile_loadd(5, a + TILE, 64);
      _tile_loadd(6, a + 2 * TILE, 64);
    }
    ADD_UP(0) ADD_UP(1) ADD_UP(2) ADD_UP(3)
  }
#undef ADD_UP
#undef WEIGHTS
#undef BEGIN
  asm volatile("" ::: "memory");
}
template <int PARTS>
static void matrix_tile(long vectors, const uint16_t* a, const uint16_t* b, long blocks, const real* init, long is, real* c, long cs) {
  switch (vectors) {
    case 1: return matrix_tile<PARTS, 1>(a, b, blocks, init, is, c, cs);
    case 2: return matrix_tile<PARTS, 2>(a, b, blocks, init, is, c, cs);
    case 3: return matrix_tile<PARTS, 3>(a, b, blocks, init, is, c, cs);
    case 4: return matrix_tile<PARTS, 4>(a, b, blocks, init, is, c, cs);
  }
}

// A panel's packed weights: one vector that says whether they have parts, then [block][vector][part] tiles.
INLINE const uint16_t* weight_parts(const Product& p, const Panel& panel) { return (const uint16_t*)(p.packed + panel.packed + LANES); }
INLINE bool weights_have_parts(const Product& p, const Panel& panel) { return p.packed[panel.packed] == 0; }

// One row by one panel without parts, for numbers that have none: the result is that of a plain loop of multiply-adds.
static void multiply_one_by_one(const Product& p, long k, const real* operand, const real* start, real* c) {
  long before = 0, all = 0;
  for (long j = 0; j < p.panels; j++) all += p.panel[j].vectors, before += j < k ? p.panel[j].vectors : 0;
  for (long j = 0; j < p.panel[k].vectors; j++)
    for (long n = 0; n < p.lanes[before + j]; n++) {
      real sum = start[p.panel[k].column + j * LANES + n];
      for (long g = 0; g < p.segments; g++) {
        const real *a = operand + p.segment_column[g], *w = p.source[g * all + before + j] + n * p.lane_stride;
        for (long i = 0; i < p.segment_depth[g]; i++) sum = __builtin_fmaf(a[i], w[i * p.depth_stride], sum);
      }
      c[p.panel[k].column + j * LANES + n] = sum;
    }
}

// Some rows by some panels: the rows' parts are made here, a group of rows and of blocks at a time.
namespace {
template <int PARTS>
struct MatrixProduct {
  const Product& p;
  const real *operand, *initial;
  real* result;
  long operand_stride, initial_stride, result_stride;
  Panels panels;
  long rows = 0, blocks = 0, blocks_before = 0;

  void run(long all_rows) {
    for (long r = 0; r < all_rows; r += SPLIT_ROWS) {
      rows = all_rows - r < SPLIT_ROWS ? all_rows - r : SPLIT_ROWS;
      group(operand + r * operand_stride, initial + r * initial_stride, result + r * result_stride);
    }
  }

  void group(const real* a, const real* start, real* c) {
    bool apart[SPLIT_ROWS], any_apart = false;  // rows that have no parts
    for (long r = 0; r < rows; r++) {
      apart[r] = false;
      for (long g = 0; g < p.segments && PARTS > 1; g++) apart[r] |= !have_parts(a + r * operand_stride + p.segment_column[g], p.segment_depth[g]);
      any_apart |= apart[r];
    }
    blocks = blocks_before = 0;
    for (long g = 0; g < p.segments; g++)
      for (long k = 0; k < p.segment_depth[g];) {
        long room = (SPLIT_BLOCKS - blocks) * BLOCK_DEPTH, depth = p.segment_depth[g] - k < room ? p.segment_depth[g] - k : room;
        for (long r = 0; r < rows; r++)
          split_row<PARTS>(a + r * operand_stride + p.segment_column[g] + k, depth, parts(r) + blocks * PARTS * TILE + r % TILE_ROWS * BLOCK_DEPTH, apart[r]);
        k += depth, blocks += (depth + BLOCK_DEPTH - 1) / BLOCK_DEPTH;
        if (blocks == SPLIT_BLOCKS) flush(start, c);
      }
    if (blocks) flush(start, c);
    for (long r = 0; r < rows && !blocks_before; r++)  // no depth at all
      for (long k = panels.first; k < panels.end; k++)
        memcpy(c + r * result_stride + p.panel[k].column, start + r * initial_stride + p.panel[k].column, p.panel[k].vectors * VECTOR_BYTES);
    for (long k = panels.first; k < panels.end; k++) {
      bool plain = !weights_have_parts(p, p.panel[k]);
      for (long r = 0; r < rows && (plain || any_apart); r++) {
        real* row = c + r * result_stride;
        if (plain) multiply_one_by_one(p, k, a + r * operand_stride, start + r * initial_stride, row);
        else if (apart[r]) multiply_one_by_one(p, k, a + r * operand_stride, row, row);
      }
    }
  }
  static uint16_t* parts(long row) { return own_parts + row / TILE_ROWS * (SPLIT_BLOCKS * PARTS * TILE); }

  void flush(const real* start, real* c) {
    long stride = initial_stride;
    if (blocks_before) start = c, stride = result_stride;
    const long whole = rows / TILE_ROWS * TILE_ROWS;
    for (long i = 0; i < panels.count(); i++) {
      const Panel& panel = p.panel[panels[i]];
      if (!weights_have_parts(p, panel)) continue;
      auto rest = [&] {
        if (whole < rows) configure_tiles(rows - whole), tiles(panel, whole, rows, start, stride, c);
      };
      const bool rest_first = i & 1;  // a panel begins with the shape of tiles that the one before ended with: another takes 130 cycles
      if (rest_first) rest();
      if (whole) configure_tiles(TILE_ROWS), tiles(panel, 0, whole, start, stride, c);
      if (!rest_first) rest();
    }
    blocks_before += blocks, blocks = 0;
  }
  void tiles(const Panel& panel, long row, long end, const real* start, long stride, real* c) {
    const uint16_t* weights = weight_parts(p, panel) + blocks_before * PARTS * panel.vectors * TILE;
    const long together = end - row > TILE_ROWS ? BLOCKS_TOGETHER : blocks;
    for (long b = 0; b < blocks; b += together, weights += together * PARTS * panel.vectors * TILE)
      for (long r = row; r < end; r += TILE_ROWS) {
        real* to = c + r * result_stride + panel.column;
        const real* from = b ? to : start + r * stride + panel.column;
        const long now = blocks - b < together ? blocks - b : together;
        matrix_tile<PARTS>(panel.vectors, parts(r) + b * PARTS * TILE, weights, now, from, b ? result_stride : stride, to, result_stride);
      }
  }
};
}  // namespace

// 32 rows (fewer: `count`) x 16 columns of an operand as a tile of columns, for sums over rows.
template <int PARTS>
static void turn(const real* const* rows, long count, long column, long columns, uint16_t* to) {
  vec first[LANES], square[LANES];
  auto half = [&](const real* const* rows, long count) __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (long i = 0; i < LANES; i++) square[i] = i < count ? load_part(rows[i] + column, columns) : vec{};
    transpose<1>(square);
  };
  half(rows, count);
  memcpy(first, square, sizeof first);
  half(rows + LANES, count - LANES);
#pragma GCC unroll 16
  for (long i = 0; i < LANES; i++) store_parts<PARTS>(first[i], square[i], to + i * BLOCK_DEPTH, TILE);
}
// 32 rows (fewer: `count`) of one vector of gradients as a weight's tiles.
template <int PARTS>
static void pair_rows(const real* const* rows, long count, long column, uint16_t* to) {
  for (long i = 0; i < LANES; i++)
    store_parts<PARTS>(i < count ? load(rows[i] + column) : vec{}, i + LANES < count ? load(rows[i + LANES] + column) : vec{}, to + i * BLOCK_DEPTH, TILE);
}
// What an outer product of 256 rows needs; see BFloat16Outer.
template <int PARTS>
struct MatrixOuter {
  enum { ROWS = 256 };
  static long blocks(long count) { return (count + BLOCK_DEPTH - 1) / BLOCK_DEPTH; }
  static long tile(long count) { return blocks(count) * PARTS * TILE / 2; }

  static void turn(const real* const* rows, long count, long column, long columns, real* to) {
    for (long k = 0; k < blocks(count); k++)
      ::turn<PARTS>(rows + k * BLOCK_DEPTH, count - k * BLOCK_DEPTH, column, columns, (uint16_t*)to + k * PARTS * TILE);
  }
  static void keep(const real* const* gradients, long count, const Panel& panel) {
    for (long k = 0; k < blocks(count); k++)
      for (long j = 0; j < panel.vectors; j++)
        pair_rows<PARTS>(gradients + k * BLOCK_DEPTH, count - k * BLOCK_DEPTH, panel.column + j * LANES, own_parts + (k * panel.vectors + j) * PARTS * TILE);
  }
  static void add(const real* turned, long count, long tiles, long columns, long vectors, real* c) {
    const long all = blocks(count), width = vectors * LANES;
    for (long k = 0; k < all; k += BLOCKS_TOGETHER)
      for (long t = 0; t < tiles; t++) {
        real* to = c + t * TILE_ROWS * width;
        configure_tiles(columns - t * TILE_ROWS < TILE_ROWS ? columns - t * TILE_ROWS : TILE_ROWS);
        matrix_tile<PARTS>(vectors, (const uint16_t*)(turned + t * tile(count)) + k * PARTS * TILE, own_parts + k * vectors * PARTS * TILE,
                           all - k < BLOCKS_TOGETHER ? all - k : BLOCKS_TOGETHER, to, width, to, width);
      }
  }
};
#endif
