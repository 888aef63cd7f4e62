// Intel's AMX in plain C++, for the tests of kernels/matrix.h on processors without it: eight tiles of 16 rows of 64 bytes, as the
// instruction set reference defines them. Included before a kernel's own headers (-include), it makes them believe that AMX is there.
#pragma once
#include <immintrin.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct SoftwareTiles { uint16_t row_bytes[8]; uint8_t rows[8]; uint8_t data[8][16][64]; };
static __thread SoftwareTiles software_tiles;

static inline void software_configure(const void* shape) {
  const uint8_t* bytes = (const uint8_t*)shape;
  memset(&software_tiles, 0, sizeof software_tiles);
  memcpy(software_tiles.row_bytes, bytes + 16, 16);
  memcpy(software_tiles.rows, bytes + 48, 8);
}
static inline void software_load(int tile, const void* base, long stride) {
  memset(software_tiles.data[tile], 0, sizeof software_tiles.data[tile]);
  for (int r = 0; r < software_tiles.rows[tile]; r++) memcpy(software_tiles.data[tile][r], (const char*)base + r * stride, software_tiles.row_bytes[tile]);
}
static inline void software_store(int tile, void* base, long stride) {
  for (int r = 0; r < software_tiles.rows[tile]; r++) memcpy((char*)base + r * stride, software_tiles.data[tile][r], software_tiles.row_bytes[tile]);
}
static inline float software_bfloat16(uint16_t bits) {
  const uint32_t wide = (bits & 0x7f80) ? (uint32_t)bits << 16 : (uint32_t)(bits & 0x8000) << 16;  // tiny numbers count as zero
  float number;
  memcpy(&number, &wide, sizeof number);
  return number;
}
static inline void software_multiply(int c, int a, int b) {
  for (int m = 0; m < software_tiles.rows[c]; m++)
    for (int k = 0; k < software_tiles.row_bytes[a] / 4; k++)
      for (int n = 0; n < software_tiles.row_bytes[c] / 4; n++) {
        float sum;
        uint16_t x[2], y[2];
        memcpy(&sum, software_tiles.data[c][m] + 4 * n, 4);
        memcpy(x, software_tiles.data[a][m] + 4 * k, 4);
        memcpy(y, software_tiles.data[b][k] + 4 * n, 4);
        for (int i = 0; i < 2; i++) sum += software_bfloat16(x[i]) * software_bfloat16(y[i]);
        memcpy(software_tiles.data[c][m] + 4 * n, &sum, 4);
      }
}

#undef _tile_loadconfig
#undef _tile_release
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#define _tile_loadconfig software_configure
#define _tile_release() ((void)0)
#define _tile_loadd software_load
#define _tile_stored software_store
#define _tile_dpbf16ps software_multiply
#define syscall(...) 0L  // the system lets this process use the tiles
#define __AMX_BF16__ 1
