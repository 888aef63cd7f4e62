// The time loop: runs the lists of operations of loop.h over chunks of steps. It is the same for every cell; only the passes
// (printed from the cell's program) and the tables differ. Row by row the arithmetic is the same whoever runs it: any batch,
// any chunk, any number of threads gives the same bits.
#include "loop.h"
#include "panels.h"
#include "product.h"
#include "weights.h"

namespace {

// Gradients that vanish pass through numbers below 1e-38, with which a processor computes 100 times slower: they become zero.
struct FlushTinyNumbers {
#if defined(__SSE__)
  unsigned before = _mm_getcsr();
  FlushTinyNumbers() { _mm_setcsr(before | 0x8040); }
  ~FlushTinyNumbers() { _mm_setcsr(before); }
#endif
};

struct Runner : Weights {
  long flag_row = 0;          // r(s)

  using Weights::Weights;

  void run() {
    FlushTinyNumbers flush;
    place_chunk();
    all(loop.prepare);
    me.sync();
    for (long c = 0; c < loop.chunks; c++) chunk(loop.backward ? loop.chunks - 1 - c : c);
    place_chunk();
    all(loop.finish);
#if MATRIX_UNITS
    release_tiles();
#endif
  }

  void chunk(long c) {
    long first = loop.chunk[c], last = loop.chunk[c + 1];
    bool rising = loop.row_of[first] <= loop.row_of[last - 1];
    low = loop.row_of[rising ? first : last - 1];
    high = rising ? loop.row_of[last - 1] + loop.rows[last - 1] : loop.row_of[first] + loop.rows[first];
    first_step = first, last_step = last;
    place_chunk();
    all(loop.before);
    if (loop.before.count) me.sync();
    long mine = me.begin(loop.batch), mine_end = me.end(loop.batch);
    if (loop.length && me.count > 1 && !by_units) share_rows(mine, mine_end);
    for (long k = first; k < last; k++) {
      long s = loop.backward ? last - 1 - (k - first) : k, rows = loop.rows[s];
      place_step(s);
      step = s, flag_row = loop.row_of[s];
      row = by_units ? 0 : mine < rows ? mine : rows;
      end_row = by_units ? rows : mine_end < rows ? mine_end : rows;
      if (by_units || row < end_row) all(loop.step);
    }
    if (loop.after.count) {
      me.sync();
      place_chunk();
      all(loop.after);
    }
    me.sync();
  }

  // With lengths: my rows of the chunk's steps, so that the thread with the most to do has as little as possible. Besides its own
  // rows, a step takes as long as STEP_ROWS rows (measured on a Xeon, 128 and 256 hidden units).
  void share_rows(long& mine, long& mine_end) const {
    const long STEP_ROWS = 2;
    long least = 0, most = 0;
    auto steps = [&](long b) { return loop.length[b] < last_step ? loop.length[b] < first_step ? 0 : loop.length[b] - first_step : last_step - first_step; };
    auto take = [&](long b, long limit) {  // the end of the rows that a thread can take from row b on
      for (long work = steps(b) * STEP_ROWS; b < loop.batch && (work += steps(b)) <= limit;) b++;
      return b;
    };
    for (long b = 0; b < loop.batch; b++) most += steps(b) * (1 + STEP_ROWS);
    while (least < most) {
      long limit = (least + most) / 2, b = 0;
      for (int k = 0; k < me.count && b < loop.batch; k++) b = take(b, limit);
      if (b == loop.batch) most = limit;
      else least = limit + 1;
    }
    mine_end = 0;
    for (int k = 0; k <= me.id; k++) mine = mine_end, mine_end = mine < loop.batch ? take(mine, most) : mine;
  }

  void all(const List& list) {
    for (long k = 0; k < list.count; k++) {
      const Operation& o = list.operation[k];
      bool whole = &list != &loop.step;  // an operation on all rows of a chunk, shared out by rows
      switch (o.action) {
        case PACK: pack(*(const Product*)o.data); break;
        case CLEAR: clear(*(const Outer*)o.data); break;
        case PRODUCT: product(*(const Product*)o.data, whole); break;
        case PASS: pass(*(const Pass*)o.data); break;
        case REDUCE: reduce(*(const Reduction*)o.data); break;
        case COPY: copy(*(const Copy*)o.data); break;
        case GATHER: gather(*(const Copy*)o.data); break;
        case SCATTER: scatter(*(const Copy*)o.data, whole); break;
        case FILL: fill(*(const Copy*)o.data); break;
        case LAST: last(*(const Copy*)o.data); break;
        case START: start(*(const Copy*)o.data); break;
        case LEAD: lead(*(const Copy*)o.data); break;
        case LINE: line(*(const Copy*)o.data); break;
        case ENTER: enter(*(const Reset*)o.data); break;
        case LEAVE: leave(*(const Reset*)o.data); break;
        case OUTER: outer(*(const Outer*)o.data); break;
        case SUM: sum(*(const Sum*)o.data); break;
        case UNPACK: unpack(*(const Outer*)o.data); break;
        case SYNC: if (by_units || whole) me.sync(); break;
      }
    }
  }

  // --- the step's operations -------------------------------------------------------------------------------------------

  long channel(long width) const { return by_units ? me.begin(width, LANES) : 0; }
  long end_channel(long width) const { return by_units ? me.end(width, LANES) : width; }

  void product(const Product& p, bool whole) {
    if (!whole) return product(p, row, end_row - row, by_units, step);
    if (!by_units || high - low >= me.count * ROWS_TOGETHER) return product(p, chunk_row(), chunk_end() - chunk_row(), false, 0);
    me.sync();  // few rows, as those of a stream: each thread reads its part of the weights, not all of them for its part of the rows
    product(p, 0, high - low, true, 0);
    me.sync();
  }
  void product(const Product& p, long from, long rows, bool shared, long turn) {
    Panels panels = {0, p.panels, (bool)((turn + loop.turn) & 1)};
    if (shared) panels.first = p.panel_of_thread[me.id], panels.end = p.panel_of_thread[me.id + 1];
    const real* a = at[p.operand] + from * stride[p.operand];
#if REAL_BITS == 32
    if (p.kind == KIND_INTEGER)
      return (p.fixed == 16 ? integer_product<int16_t> : integer_product<int8_t>)(
          p, a, stride[p.operand], at[p.initial] + from * stride[p.initial], stride[p.initial],
          at[p.result] + from * stride[p.result], stride[p.result], rows, panels);
#endif
#if BFLOAT16
    if (p.kind == KIND_BFLOAT16)
      return bfloat16_product(p, a, stride[p.operand], at[p.initial] + from * stride[p.initial], stride[p.initial],
                              at[p.result] + from * stride[p.result], stride[p.result], rows, panels);
#endif
#if MATRIX_UNITS
    if (p.kind == KIND_PARTS || p.kind == KIND_BFLOAT16_UNITS) {
      const real* initial = at[p.initial] + from * stride[p.initial];
      real* result = at[p.result] + from * stride[p.result];
      if (p.kind == KIND_PARTS) return MatrixProduct<3>{p, a, initial, result, stride[p.operand], stride[p.initial], stride[p.result], panels}.run(rows);
      return MatrixProduct<1>{p, a, initial, result, stride[p.operand], stride[p.initial], stride[p.result], panels}.run(rows);
    }
#endif
    for (long i = 0; i < panels.count(); i++) {
      const Panel& panel = p.panel[panels[i]];
      const real *weights = p.packed + panel.packed, *start = at[p.initial] + from * stride[p.initial] + panel.column;
      real* c = at[p.result] + from * stride[p.result] + panel.column;
      long start_stride = stride[p.initial];
      if (p.kind == KIND_SPARSE) {
        int32_t sparse;
        memcpy(&sparse, weights, sizeof sparse);
        weights += LANES;
        if (sparse) {
          sparse_panel(panel.vectors, rows, a + p.segment_column[0], stride[p.operand], weights, start, start_stride, c, stride[p.result]);
          continue;
        }
      }
      for (long g = 0; g < p.segments; g++) {
        const real* columns = a + p.segment_column[g];
        long as = stride[p.operand], cs = stride[p.result], depth = p.segment_depth[g];
        product_panel(panel.vectors, rows, columns, as, weights, depth, start, start_stride, c, cs);
        weights += depth * panel.vectors * LANES, start = c, start_stride = cs;
      }
    }
  }

  void pass(const Pass& p) {
    long from = channel(p.width), end = end_channel(p.width);
    if (from < end || p.width == 0) p.function(at, stride, p.buffer, row, end_row, from, end, p.width);
  }

  void reduce(const Reduction& r) {  // rows, not channels, are shared out: every row's channels are added in one order
    long from = by_units ? me.begin(end_row) : row, end = by_units ? me.end(end_row) : end_row;
    for (long b = from; b < end; b++) {
      const real* v = at[r.source] + b * stride[r.source];
      real& result = at[r.target][b * stride[r.target]];
      long u = 0;
      if (r.how == REDUCE_MAXIMUM) {
        result = v[0];
        for (; u + LANES <= r.width; u += LANES) {
          real m = max_lanes(load(v + u));
          result = result != result ? result : m != m ? m : m > result ? m : result;
        }
        for (; u < r.width; u++) result = result != result ? result : v[u] != v[u] ? v[u] : v[u] > result ? v[u] : result;
        continue;
      }
      vec total = {};
      for (; u + LANES <= r.width; u += LANES) total = total + load(v + u);
      if (u < r.width) total = total + load_part(v + u, r.width - u);
      result = sum_lanes(total);
      if (r.how == REDUCE_MEAN) result = result / (real)r.width;
    }
  }

  void copy(const Copy& c) {  // a chunk's rows, each by the thread that computed it
    for (long b = chunk_row(); b < chunk_end(); b++)
      memcpy(at[c.target] + b * stride[c.target], at[c.source] + b * stride[c.source], c.width * sizeof(real));
  }

  // The row in the caller's array of a step's row b. In reverse a sequence runs from its own last step; as many run at step s as at time s.
  long caller_row(long s, long b) const {
    long time = loop.reverse ? loop.length[b] - 1 - s : s;
    return loop.packed ? loop.row_of[time] + b : time * loop.batch + loop.order[b];
  }
  // Visits my rows of the chunk: (the row in the chunk, the row in the caller's array).
  template <class Visit> void each_row(Visit visit) const {
    long from = low + chunk_row(), end = low + chunk_end();
    for (long s = first_step; s < last_step; s++) {
      long first = loop.row_of[s], count = end - first < loop.rows[s] ? end - first : loop.rows[s];
      for (long b = from > first ? from - first : 0; b < count; b++)
        visit(first + b - low, caller_row(s, b));
    }
  }
  void gather(const Copy& c) {
    const real* caller = loop.buffer[c.source].base;
    each_row([&](long b, long p) { memcpy(at[c.target] + b * stride[c.target], caller + p * stride[c.source], c.width * sizeof(real)); });
  }
  void scatter(const Copy& c, bool whole) {
    real* caller = loop.buffer[c.target].base;
    long from = channel(c.width), size = end_channel(c.width) - from;
    for (long b = row; b < end_row && !whole && size > 0; b++)
      memcpy(caller + caller_row(step, b) * stride[c.target] + from, at[c.source] + b * stride[c.source] + from, size * sizeof(real));
    if (whole) each_row([&](long b, long p) { memcpy(caller + p * stride[c.target], at[c.source] + b * stride[c.source], c.width * sizeof(real)); });
  }
  void fill(const Copy& c) {
    real* padded = loop.buffer[c.target].base;
    for (long t = me.begin(loop.time_steps); t < me.end(loop.time_steps); t++)
      for (long b = loop.batch - 1; b >= 0 && loop.length[b] <= t; b--)
        memset(padded + (t * loop.batch + loop.order[b]) * stride[c.target], 0, c.width * sizeof(real));
  }

  // Operations on whole sequences; outside the loop these are in the caller's order.
  long place(long b) const { return loop.order ? loop.order[b] : b; }
  void last(const Copy& c) {
    const Buffer& before = loop.buffer[c.source];
    for (long b = me.begin(loop.batch); b < me.end(loop.batch); b++) {
      const real* state = rows_of(before, loop.length ? loop.length[b] : loop.steps) + b * before.stride;
      memcpy(at[c.target] + place(b) * stride[c.target], state, c.width * sizeof(real));
    }
  }
  void start(const Copy& c) {
    for (long b = me.begin(loop.batch); b < me.end(loop.batch); b++)
      for (long turn = 0; turn < 2; turn++)
        memcpy(at[c.target] + (turn * loop.batch + b) * stride[c.target], at[c.source] + place(b) * stride[c.source], c.width * sizeof(real));
  }
  void lead(const Copy& c) {
    for (long b = me.begin(loop.batch); b < me.end(loop.batch); b++)
      memcpy(at[c.target] + place(b) * stride[c.target], at[c.source] + b * stride[c.source], c.width * sizeof(real));
  }

  void enter(const Reset& r) {
    long from = channel(r.width), size = end_channel(r.width) - from;
    const uint8_t* flags = loop.flags + flag_row;
    for (long b = row; b < end_row && size > 0; b++) {
      const real* source = flags[b] ? at[r.initial] + b * stride[r.initial] : at[r.source] + b * stride[r.source];
      memcpy(at[r.target] + b * stride[r.target] + from, source + from, size * sizeof(real));
    }
  }
  void leave(const Reset& r) {
    const uint8_t* flags = loop.flags + flag_row;
    for (long b = row; b < end_row; b++) {
      if (!flags[b]) continue;
      real *d = at[r.source] + b * stride[r.source], *start = at[r.target] + b * stride[r.target];
      for (long u = channel(r.width); u < end_channel(r.width); u++) start[u] = start[u] + d[u], d[u] = 0;
    }
  }

  void line(const Copy& c) {
    if (me.id == 0) memcpy(at[c.target], at[c.source], c.width * sizeof(real));
  }
};

struct Call { const Loop* loop; Flag* flags; Number id, count; };
void member(void* data) {
  Call& call = *(Call*)data;
  Member me = {call.id ? call.id() : 0, call.count ? call.count() : 1, call.flags};
  Runner(*call.loop, me).run();
}

}  // namespace

extern "C" void tenuto_run(const Loop* loop, Parallel parallel, Number id, Number count) {
  for (Buffer* b = loop->buffer; b < loop->buffer + loop->buffers; b++)
    b->base = (real*)(loop->address[b->array] + b->offset), b->first = (real*)loop->first[b->array];
  for (const Pointers* p = loop->pointer; p < loop->pointer + loop->pointers; p++)
    for (long k = 0; k < p->count; k++) p->to[k] = (real*)(loop->address[p->array] + p->offset[k]);
  const bool alone = !parallel || loop->threads == 1;
  Flag flags[alone ? 1 : loop->threads];
  memset(flags, 0, sizeof flags);
  Call call = {loop, flags, alone ? 0 : id, alone ? 0 : count};
  if (alone) member(&call);
  else parallel(member, &call, (unsigned)loop->threads, 0);
}
extern "C" int64_t tenuto_lanes(void) { return LANES; }
extern "C" int64_t tenuto_panel(void) { return PANEL; }
extern "C" int64_t tenuto_integers(void) {  // how whole numbers are multiplied; -1: not with these numbers
#if REAL_BITS == 32
  return INTEGERS;
#else
  return -1;
#endif
}
extern "C" int64_t tenuto_bfloat16(void) {  // whether pairs of bfloat16 are multiplied at once
#if BFLOAT16
  return 1;
#else
  return 0;
#endif
}
extern "C" int64_t tenuto_matrix_units(void) {
#if MATRIX_UNITS
  return ask_for_matrix_units();
#else
  return 0;
#endif
}
