// Weights are packed before the loop; their gradients are added up after each chunk of steps and unpacked at the end.
#pragma once
#include "place.h"

namespace {
struct Weights : Place {
  using Place::Place;

  void pack(const Product& p) {
    for (long k = me.begin(p.panels); k < me.end(p.panels); k++) {
      const Panel& panel = p.panel[k];
      long vectors = 0;
      for (long j = 0; j < k; j++) vectors += p.panel[j].vectors;
      long all_vectors = vectors;
      for (long j = k; j < p.panels; j++) all_vectors += p.panel[j].vectors;
#if REAL_BITS == 32
      if (p.kind == KIND_INTEGER) {
        p.fixed == 16 ? pack_integers<TWO>(p, panel, vectors) : pack_integers<FOUR>(p, panel, vectors);
        continue;
      }
#endif
      if (p.kind == KIND_SPARSE) {
        pack_blocks(p, panel, vectors);
        continue;
      }
#if BFLOAT16
      if (p.kind == KIND_BFLOAT16) {
        pack_pairs(p, panel, vectors, all_vectors);
        continue;
      }
#endif
#if MATRIX_UNITS
      if (p.kind != KIND_FLOAT) {
        p.kind == KIND_PARTS ? pack_tiles<3>(p, panel, vectors, all_vectors) : pack_tiles<1>(p, panel, vectors, all_vectors);
        continue;
      }
#endif
      real* to = p.packed + panel.packed;
      const long width = panel.vectors * LANES;
      for (long g = 0; g < p.segments; to += p.segment_depth[g] * width, g++)
        for (long j = 0; j < panel.vectors; j++) pack_vector(p, p.source[g * all_vectors + vectors + j], p.segment_depth[g],
                                                             p.lanes[vectors + j], to + j * LANES, width);
    }
  }
  // A panel without its empty vectors, where enough are empty; see sparse.h. Such a product has one segment.
  static void pack_blocks(const Product& p, const Panel& panel, long vectors) {
    const long depth = p.segment_depth[0], width = panel.vectors * LANES;
    real *to = p.packed + panel.packed, *dense = (real*)__builtin_malloc(depth * width * sizeof(real) + sizeof(real));
    for (long j = 0; j < panel.vectors; j++) pack_vector(p, p.source[vectors + j], depth, p.lanes[vectors + j], dense + j * LANES, width);
    const int32_t sparse = pack_sparse(dense, depth, panel.vectors, to + LANES);
    memcpy(to, &sparse, sizeof sparse);
    if (!sparse) memcpy(to + LANES, dense, depth * width * sizeof(real));
    __builtin_free(dense);
  }
  // One vector's weights for all k, read along memory, whichever way they lie.
  static void pack_vector(const Product& p, const real* from, long depth, long lanes, real* to, long width) {
    if (p.lane_stride == 1) {
      for (long i = 0; i < depth; i++) store(to + i * width, load_part(from + i * p.depth_stride, lanes));
      return;
    }
    long k = 0;
    for (; p.depth_stride == 1 && k + LANES <= depth; k += LANES) {
      vec square[LANES];
      for (long n = 0; n < LANES; n++) square[n] = n < lanes ? load(from + n * p.lane_stride + k) : vec{};
      transpose<1>(square);
      for (long i = 0; i < LANES; i++) store(to + (k + i) * width, square[i]);
    }
    for (; k < depth; k++)
      for (long n = 0; n < LANES; n++) to[k * width + n] = n < lanes ? from[n * p.lane_stride + k * p.depth_stride] : 0;
  }

#if BFLOAT16
  static void pack_pairs(const Product& p, const Panel& panel, long vectors, long all_vectors) {
    enum { TOGETHER = 32 };
    real *to = p.packed + panel.packed, block[TOGETHER * LANES];
    const long width = panel.vectors * LANES;
    for (long g = 0; g < p.segments; to += pairs_of(p.segment_depth[g]) * width, g++)
      for (long j = 0; j < panel.vectors; j++)
        for (long k = 0; k < p.segment_depth[g]; k += TOGETHER) {
          const long depth = p.segment_depth[g] - k < TOGETHER ? p.segment_depth[g] - k : TOGETHER;
          pack_vector(p, p.source[g * all_vectors + vectors + j] + k * p.depth_stride, depth, p.lanes[vectors + j], block, LANES);
          for (long i = 0; i < depth; i += 2)
            store(to + (k + i) / 2 * width + j * LANES, pair_lanes(load(block + i * LANES), i + 1 < depth ? load(block + (i + 1) * LANES) : vec{}));
        }
  }
#endif
#if MATRIX_UNITS
  template <int PARTS>
  static void pack_tiles(const Product& p, const Panel& panel, long vectors, long all_vectors) {
    uint16_t* to = (uint16_t*)(p.packed + panel.packed + LANES);
    bool good = true;
    for (long g = 0; g < p.segments; g++)
      for (long k = 0; k < p.segment_depth[g]; k += BLOCK_DEPTH, to += PARTS * panel.vectors * TILE)
        for (long j = 0; j < panel.vectors; j++) {
          real block[BLOCK_DEPTH * LANES];
          const real* rows[BLOCK_DEPTH];
          const long depth = p.segment_depth[g] - k < BLOCK_DEPTH ? p.segment_depth[g] - k : BLOCK_DEPTH;
          pack_vector(p, p.source[g * all_vectors + vectors + j] + k * p.depth_stride, depth, p.lanes[vectors + j], block, LANES);
          for (long i = 0; i < depth; i++) rows[i] = block + i * LANES;
          good &= PARTS == 1 || have_parts(block, depth * LANES);
          pair_rows<PARTS>(rows, depth, 0, to + j * PARTS * TILE);
        }
    p.packed[panel.packed] = good ? 0 : 1;
  }
#endif

  // As `outer`, where columns and gradients have to be put into pairs of rows, so many rows at a time: threads share the work on the
  // operand, and each makes the pairs of its panels' gradients.
  template <class Form>
  void outer_in_pairs(const Outer& o) {
    enum { GROUP = 4 };  // tiles of columns that are one task
    const Buffer &a = loop.buffer[o.operand], &d = loop.buffer[o.gradient];
    const long tiles = (o.columns + LANES - 1) / LANES, groups = (tiles + GROUP - 1) / GROUP, tasks = o.panels * groups;
    const real *rows[Form::ROWS], *gradients[Form::ROWS];
    for (long s = first_step, b = 0; s < last_step;) {
      if (s > first_step || b) me.sync();
      long count = 0;
      for (; s < last_step && count < Form::ROWS; b = 0, s++) {
        const real *row = rows_of(a, s), *gradient = rows_of(d, s);
        for (; b < loop.rows[s] && count < Form::ROWS; b++, count++) rows[count] = row + b * a.stride, gradients[count] = gradient + b * d.stride;
        if (b < loop.rows[s]) break;
      }
      for (long t = me.begin(tiles); t < me.end(tiles); t++)
        Form::turn(rows, count, t * LANES, o.columns - t * LANES < LANES ? o.columns - t * LANES : LANES, o.turned + t * Form::tile(count));
      me.sync();
      long kept = -1;  // the panel whose gradients' pairs I have
      for (long task = me.begin(tasks); task < me.end(tasks); task++) {
        const Panel& panel = o.panel[task / groups];
        const long first = task % groups * GROUP, last = first + GROUP < tiles ? first + GROUP : tiles, column = first * LANES;
        if (kept != task / groups) Form::keep(gradients, count, panel);
        kept = task / groups;
        Form::add(o.turned + first * Form::tile(count), count, last - first, o.columns - column, panel.vectors,
                  o.packed + panel.packed + column * panel.vectors * LANES);
      }
    }
  }

  void clear(const Outer& o) {
    for (long k = me.begin(o.panels); k < me.end(o.panels); k++)
      memset(o.packed + o.panel[k].packed, 0, o.columns * o.panel[k].vectors * LANES * sizeof(real));
  }

  // Steps whose rows follow each other in memory, in operand and gradients alike, are one outer product. Shared out by panels and columns.
  void outer(const Outer& o) {
#if BFLOAT16
    if (o.kind == KIND_BFLOAT16) return outer_in_pairs<BFloat16Outer>(o);
#endif
#if MATRIX_UNITS
    if (o.kind != KIND_FLOAT) return o.kind == KIND_PARTS ? outer_in_pairs<MatrixOuter<3>>(o) : outer_in_pairs<MatrixOuter<1>>(o);
#endif
    const Buffer &a = loop.buffer[o.operand], &d = loop.buffer[o.gradient];
    const long grain = 48, blocks = (o.columns + grain - 1) / grain;
    for (long task = me.begin(o.panels * blocks); task < me.end(o.panels * blocks); task++) {
      const Panel& panel = o.panel[task / blocks];
      long column = task % blocks * grain, columns = o.columns - column < grain ? o.columns - column : grain;
      real* c = o.packed + panel.packed + column * panel.vectors * LANES;
      for (long s = first_step; s < last_step;) {
        const real* rows = rows_of(a, s);
        long r = loop.row_of[s], count = loop.rows[s], next = s + 1;
        // in memory, steps run up or (in reverse) down; a run is grown while both arrays go on without a gap
        for (; next < last_step; next++) {
          const real* more = rows_of(a, next);
          if (loop.row_of[next] == r + count && more == rows + count * a.stride) count += loop.rows[next];
          else if (loop.row_of[next] + loop.rows[next] == r && more + loop.rows[next] * a.stride == rows)
            r = loop.row_of[next], rows = more, count += loop.rows[next];
          else break;
        }
        const real* gradient = d.base + (d.rule == CHUNK ? r - low : r) * d.stride + panel.column;
        switch (panel.vectors) {
          case 1: outer_panel<1>(columns, rows + column, a.stride, gradient, d.stride, count, c); break;
          case 2: outer_panel<2>(columns, rows + column, a.stride, gradient, d.stride, count, c); break;
#if PANEL_VECTORS > 2
          case 3: outer_panel<3>(columns, rows + column, a.stride, gradient, d.stride, count, c); break;
          case 4: outer_panel<4>(columns, rows + column, a.stride, gradient, d.stride, count, c); break;
#endif
        }
        s = next;
      }
    }
  }

  void unpack(const Outer& o) {
    for (long k = me.begin(o.panels); k < me.end(o.panels); k++) {
      long vectors = 0;
      for (long j = 0; j < k; j++) vectors += o.panel[j].vectors;
      const long width = o.panel[k].vectors * LANES;
      for (long j = 0; j < o.panel[k].vectors; j++) {
        const real* from = o.packed + o.panel[k].packed + j * LANES;
        real* to = o.target[vectors + j];
        const long lanes = o.lanes[vectors + j];
        long i = 0;
        for (; o.column_stride == 1 && i + LANES <= o.columns; i += LANES) {
          vec square[LANES];
          for (long r = 0; r < LANES; r++) square[r] = load(from + (i + r) * width);
          transpose<1>(square);
          for (long n = 0; n < lanes; n++) store(to + n * o.lane_stride + i, square[n]);
        }
        for (; o.lane_stride == 1 && i < o.columns; i++) store_part(to + i * o.column_stride, load(from + i * width), lanes);
        for (; i < o.columns; i++)
          for (long n = 0; n < lanes; n++) to[n * o.lane_stride + i] = from[i * width + n];
      }
    }
  }

  void sum(const Sum& s) {  // adds up columns of a chunk's gradients, from the last chunk on; the targets get the sum so far at each
    for (long j = me.begin(s.vectors); j < me.end(s.vectors); j++) {
      const real* d = at[s.gradient] + s.column[j];
      vec total = last_step == loop.steps ? vec{} : load(s.sums + j * LANES);
      for (long b = 0; b < high - low; b++) total = total + load(d + b * stride[s.gradient]);
      store(s.sums + j * LANES, total);
      store_part(s.target[j], total, s.lanes[j]);
    }
  }
};
}  // namespace
