// Where one thread is in the loop: its rows of the chunk and of the step, and where every buffer's rows are at that step.
#pragma once
#include "wide.h"
#include "bfloat16.h"
#include "matrix.h"
#include "sparse.h"
#include "team.h"

namespace {
struct Place {
  const Loop& loop;
  Member me;
  bool by_units;
  long low = 0, high = 0;     // the rows of this chunk in arrays over time
  long row = 0, end_row = 0;  // my rows of this step
  long step = 0;              // s
  long first_step = 0, last_step = 0;
  real* at[256];
  int64_t stride[256];

  Place(const Loop& l, Member m) : loop(l), me(m), by_units(l.by_units && m.count == l.threads) {
    for (long k = 0; k < l.buffers; k++) stride[k] = l.buffer[k].stride;
  }

  void place_step(long s) {
    for (long k = 0; k < loop.buffers; k++) at[k] = rows_of(loop.buffer[k], s);
  }
  real* rows_of(const Buffer& b, long s) const {
    switch (b.rule) {
      case STEP: return b.base + loop.row_of[s] * b.stride;
      case PREVIOUS: return s ? b.base + loop.row_of[s - 1] * b.stride : b.first;
      case CHUNK: return b.base + (loop.row_of[s] - low) * b.stride;
      case RING_NEXT: return b.base + (s & 1) * loop.batch * b.stride;
      case RING_PREVIOUS:  // forward, s may be the number of steps: what the last one wrote
        if (loop.backward) return b.base + ((s + 1) & 1) * loop.batch * b.stride;
        return s ? b.base + ((s - 1) & 1) * loop.batch * b.stride : b.first;
    }
    return b.base;
  }
  void place_chunk() {  // all rows of the chunk at once
    for (long k = 0; k < loop.buffers; k++)
      at[k] = loop.buffer[k].base + (loop.buffer[k].rule == STEP ? low * loop.buffer[k].stride : 0);
  }

#if MATRIX_UNITS
  enum { ROWS_TOGETHER = TILE_ROWS };
#else
  enum { ROWS_TOGETHER = ACCUMULATORS / PANEL };
#endif
  long chunk_row() const { return me.begin(high - low, ROWS_TOGETHER); }
  long chunk_end() const { return me.end(high - low, ROWS_TOGETHER); }
};
}  // namespace
