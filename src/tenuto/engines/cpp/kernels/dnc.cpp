// One step of a DNC's memory, forward and backward, in the order and with the numbers of the equations of layers/dnc.py.
#include "links.h"

namespace {
enum Part { MEMORY, READS, READ_WEIGHTS, WRITE_WEIGHTS, USAGE, LINK, PRECEDENCE };

// Where each part of what was said begins, in the order of `DNC.interface`.
struct Said {
  long read_keys, read_strengths, write_key, write_strength, erased, written, free_gates, allocation_gate, write_gate, read_masks, write_mask, modes, forward_powers, backward_powers;
  explicit Said(const Access& a) {
    long at = 0;
    auto next = [&](long size) { at += size; return at - size; };
    read_keys = next(a.reads * a.width), read_strengths = next(a.reads), write_key = next(a.width), write_strength = next(1), erased = next(a.width), written = next(a.width);
    free_gates = next(a.reads), allocation_gate = next(1), write_gate = next(1);
    read_masks = next(a.masked ? a.reads * a.width : 0), write_mask = next(a.masked ? a.width : 0);
    modes = next(a.linked ? 3 * a.reads : 0);
    forward_powers = next(a.linked && a.sharpened ? a.reads : 0), backward_powers = next(a.linked && a.sharpened ? a.reads : 0);
  }
};

const real NOTHING = real(1e-30);  // of what is allocated
enum { FEW = 24 };                  // so many rows are looked for one by one

// Which rows are used least: pairs, sorted by usage and then by place.
struct Used { real usage; word place; };
void sort(Used* pairs, Used* some, long n) {
  for (long begin = 0; begin < n; begin += 8)
    for (long i = begin + 1; i < n && i < begin + 8; i++) {
      Used one = pairs[i];
      long j = i;
      for (; j > begin && one.usage < pairs[j - 1].usage; j--) pairs[j] = pairs[j - 1];
      pairs[j] = one;
    }
  for (long size = 8; size < n; size *= 2)
    for (long begin = 0; begin + size < n; begin += 2 * size) {
      long middle = begin + size, end = middle + size < n ? middle + size : n;
      if (!(pairs[middle].usage < pairs[middle - 1].usage)) continue;
      long i = 0, j = middle, to = begin;
      memcpy(some, pairs + begin, size * sizeof(Used));
      while (i < size && j < end) {
        bool later = pairs[j].usage < some[i].usage;
        pairs[to++] = later ? pairs[j] : some[i];
        j += later, i += !later;
      }
      memcpy(pairs + to, some + i, (size - i) * sizeof(Used));
    }
}

struct Row {
  const Access& a;
  const Said at;
  const long n, m, heads, wide, stride;
  Content writing, reading;
  Used *order, *some_order;
  real *before, *write_before, *usage_before, *last, *free, *keep, *usage, *allocated, *product, *write, *erased, *written;
  real *ahead, *back, *ahead_sharp, *back_sharp, *weights, *some;
  real *sorted, *links;
  long ordered = 0;  // so many of them count
  real *d_read, *d_weights, *d_before, *d_write, *d_usage, *d_last, *d_keep, *d_ahead, *d_back, *d_erased, *d_written, *d_allocated;

  // Everything has its place; without `kept` in scratch memory, too.
  Row(const Access& access, Scratch& scratch, Scratch* kept, bool backward)
      : a(access), at(access), n(access.rows), m(access.width), heads(access.reads), wide(whole_vectors(m)), stride(whole_vectors(n)) {
    Scratch& place = kept ? *kept : scratch;
    writing.heads = 1, reading.heads = heads, writing.masked = reading.masked = a.masked;
    writing.from(scratch, place, n, m, backward), reading.from(scratch, place, n, m, backward);
    place.take_each(heads * stride, ahead, back, ahead_sharp, back_sharp), sorted = place.take(n);
    order = (Used*)scratch.take(2 * stride), some_order = (Used*)scratch.take(2 * stride);
    scratch.take_each(n, write_before, usage_before, last, keep, usage, allocated, product, write);
    scratch.take_each(heads * stride, before, weights), some = scratch.take(2 * stride);
    free = scratch.take(heads), erased = scratch.take(m), written = scratch.take(m);
    if (!backward) return;
    links = scratch.take(a.linked ? n * n : 0);
    scratch.take_each(n, d_write, d_usage, d_last, d_keep, d_allocated);
    scratch.take_each(heads * stride, d_weights, d_before, d_ahead, d_back);
    d_read = scratch.take(heads * wide), d_erased = scratch.take(m), d_written = scratch.take(m);
  }

  const real* old(long b, Part part, long size) const { return (a.resets && a.resets[b] ? a.first[part] : a.before[part]) + b * size; }
  long size_of(int part) const {
    const long sizes[] = {n * m, heads * m, heads * n, n, n, a.linked ? n * n : 0, a.linked ? n : 0};
    return sizes[part];
  }

  // What backward needs as well: the state before, keys, gates, (2) and (3), and e and v of (6).
  void begin(long b, const real* said) {
    const real* weights_ = old(b, READ_WEIGHTS, heads * n);
    for (long h = 0; h < heads; h++) {
      take_in(before + h * stride, weights_ + h * n, n);
      take_in(reading.key + h * wide, said + at.read_keys + h * m, m);
      reading.strength[h] = 1 + softplus(said[at.read_strengths + h]);
      free[h] = sigmoid_of(said[at.free_gates + h]);
    }
    take_in(writing.key, said + at.write_key, m);
    writing.strength[0] = 1 + softplus(said[at.write_strength]);
    writing.say(said + at.write_mask, m), reading.say(said + at.read_masks, m);
    take_in(write_before, old(b, WRITE_WEIGHTS, n), n), take_in(usage_before, old(b, USAGE, n), n);
    if (a.linked) take_in(last, old(b, PRECEDENCE, n), n);
    for (long j = 0; j < n; j += LANES) {
      vec kept = broadcast(1), u = load(usage_before + j), w = load(write_before + j);
      for (long h = 0; h < heads; h++) kept = kept * (real(1) - free[h] * load(before + h * stride + j));
      store(keep + j, kept), store(usage + j, (u + w - u * w) * kept);
    }
    clear(erased, m), clear(written, m);
    sigmoids(erased, said + at.erased, m), memcpy(written, said + at.written, m * sizeof(real));
  }
  // The rows in their order, the least used first and of equals the first one, as far as (4) asks: after a few free rows nothing is left to give. Where there are not, all are sorted.
  void arrange() {
    real *left = some, *least = some + stride, all = 1;
    memcpy(left, usage, stride * sizeof(real)), fill_end(left, n, INFINITY);
    for (long c = 0; c < stride / LANES; c++) least[c] = smallest(left + c * LANES);
    for (long k = 0; k < n && k < FEW; k++) {
      long c = 0, i = 0;
      for (long other = 1; other < stride / LANES; other++) c = least[other] < least[c] ? other : c;
      if (!(least[c] < INFINITY)) break;
      real* own = left + c * LANES;
      while (own[i] != least[c]) i++;
      sorted[k] = c * LANES + i, own[i] = INFINITY, least[c] = smallest(own);
      all = all * held(usage[c * LANES + i]);
      if (all < NOTHING) return;
    }
    for (long i = 0; i < n; i++) order[i] = {usage[i], word(i)};
    sort(order, some_order, n);
    for (long k = 0; k < n; k++) sorted[k] = order[k].place;
  }
  // (4), with the rows in their order.
  void allocate() {
    real all = 1;
    clear(allocated, n);
    for (ordered = 0; ordered < n && all != 0; ordered++) {
      long i = sorted[ordered];
      real used = held(usage[i]);
      product[ordered] = all, allocated[i] = (1 - used) * all;
      all = all * used < NOTHING ? real(0) : all * used;  // what comes after is full
    }
  }
  static real smallest(const real* of) {  // of a vector, numbers only
    real found = INFINITY;
    for (int k = 0; k < LANES; k++) found = of[k] < found ? of[k] : found;
    return found;
  }
  static real full(real usage) { return EPSILON + real(1 - 1e-6) * usage; }
  static real held(real usage) { real used = full(usage); return used < EPSILON ? EPSILON : used > 1 ? 1 : used; }

  void forward(long b) {
    if (a.live && !a.live[b]) {
      for (int part = MEMORY; part <= PRECEDENCE; part++) {
        const real* from = old(b, Part(part), size_of(part));
        if (size_of(part)) give_out(a.after[part] + b * size_of(part), from, size_of(part));
      }
      return;
    }
    const real *said = a.said + b * a.said_width, *memory = old(b, MEMORY, n * m);
    real* after = a.after[MEMORY] + b * n * m;
    begin(b, said);
    writing.find(memory, n, m);
    arrange(), allocate();
    const real gate = sigmoid_of(said[at.allocation_gate]), all = sigmoid_of(said[at.write_gate]);
    for (long j = 0; j < n; j += LANES) store(write + j, all * (gate * load(allocated + j) + (1 - gate) * load(writing.found + j)));
    for (long i = 0; i < n; i++) {
      const real kept = a.deallocating ? keep[i] : real(1), w = write[i];
      in_vectors(m, [&](auto whole, long j, long lanes) {
        vec value = get(whole, memory + i * m + j, lanes) * kept;
        put(whole, after + i * m + j, fma(broadcast(w), load(written + j), value * (real(1) - w * load(erased + j))), lanes);
      });
    }
    if (a.linked) link_step(old(b, LINK, n * n), a.after[LINK] + b * n * n, n, heads, write, last, before, ahead, back);
    reading.find(after, n, m);
    const real* weights_ = reading.found;
    if (a.linked) {
      weights_ = weights;
      for (long h = 0; h < heads; h++) mix(said, h);
      const real other = 1 - total(write, n);
      for (long j = 0; j < n; j += LANES) store(last + j, fma(load(last + j), broadcast(other), load(write + j)));
      give_out(a.after[PRECEDENCE] + b * n, last, n);
    }
    read_rows(after, n, m, heads, weights_, a.after[READS] + b * heads * m);
    for (long h = 0; h < heads; h++) give_out(a.after[READ_WEIGHTS] + (b * heads + h) * n, weights_ + h * stride, n);
    give_out(a.after[WRITE_WEIGHTS] + b * n, write, n), give_out(a.after[USAGE] + b * n, usage, n);
  }
  real power(const real* said, long h, bool forward) const { return 1 + softplus(said[(forward ? at.forward_powers : at.backward_powers) + h]); }
  void three(const real* said, long h, real* mode) const {
    vec padded = broadcast(-INFINITY);
    real three[LANES > 4 ? LANES : 4];
    for (long j = 0; j < whole_vectors(3); j += LANES) store(three + j, padded);
    memcpy(three, said + at.modes + 3 * h, 3 * sizeof(real));
    softmax(three, 3);
    memcpy(mode, three, 3 * sizeof(real));
  }
  // (9) and (10) of a head.
  void mix(const real* said, long h) {
    real mode[3];
    const long from = h * stride;
    three(said, h, mode);
    if (a.sharpened) {
      sharpen(ahead + from, power(said, h, true), n, ahead_sharp + from), sharpen(back + from, power(said, h, false), n, back_sharp + from);
    } else {
      memcpy(ahead_sharp + from, ahead + from, stride * sizeof(real)), memcpy(back_sharp + from, back + from, stride * sizeof(real));
    }
    for (long j = h * stride; j < (h + 1) * stride; j += LANES)
      store(weights + j, mode[0] * load(back_sharp + j) + mode[1] * load(reading.found + j) + mode[2] * load(ahead_sharp + j));
  }

  void backward(long b) {
    real *d_said = a.d_said + b * a.said_width, *d_memory = a.d[MEMORY] + b * n * m, *d_reads = a.d[READS] + b * heads * m;
    if (a.live && !a.live[b]) {
      memset(d_said, 0, a.said_width * sizeof(real));
      return;
    }
    const real *said = a.said + b * a.said_width, *memory = old(b, MEMORY, n * m), *after = a.after[MEMORY] + b * n * m;
    begin(b, said), allocate();
    take_in(write, a.after[WRITE_WEIGHTS] + b * n, n);
    take_in(d_write, a.d[WRITE_WEIGHTS] + b * n, n), take_in(d_usage, a.d[USAGE] + b * n, n);
    clear(d_keep, n), clear(d_before, heads * stride);
    for (long h = 0; h < heads; h++) {
      take_in(d_weights + h * stride, a.d[READ_WEIGHTS] + (b * heads + h) * n, n);
      take_in(weights + h * stride, a.after[READ_WEIGHTS] + (b * heads + h) * n, n);
      take_in(d_read + h * wide, d_reads + h * m, m);
    }
    read_rows_back(after, n, m, heads, weights, d_read, d_weights, d_memory, reading.some);  // (11)
    memset(d_reads, 0, heads * m * sizeof(real));
    if (a.linked) {
      for (long h = 0; h < heads; h++) mix_back(said, d_said, h);
      take_in(d_last, a.d[PRECEDENCE] + b * n, n);
      const real other = 1 - total(write, n), pulled = dot(d_last, last, n);  // (7)
      for (long j = 0; j < n; j += LANES) {
        vec d = load(d_last + j);
        store(d_write + j, load(d_write + j) + d - pulled), store(d_last + j, d * other);
      }
      fill_end(d_write, n, 0);
      link_step_back(link_before(b), a.d[LINK] + b * n * n, n, heads, write, last, before, d_ahead, d_back, d_write, d_last, d_before);
      give_out(a.d[PRECEDENCE] + b * n, d_last, n);
    } else {
      memcpy(reading.d_found, d_weights, heads * stride * sizeof(real));
    }
    reading.back(after, n, m, d_memory);
    keys_back(reading, said, d_said, at.read_keys, at.read_strengths, at.read_masks);
    write_back(memory, d_memory, d_said);
    gates_back(said, d_said);
    writing.back(memory, n, m, d_memory);
    keys_back(writing, said, d_said, at.write_key, at.write_strength, at.write_mask);
    usage_back(d_said);
    for (long h = 0; h < heads; h++) give_out(a.d[READ_WEIGHTS] + (b * heads + h) * n, d_before + h * stride, n);
    give_out(a.d[WRITE_WEIGHTS] + b * n, d_write, n), give_out(a.d[USAGE] + b * n, d_usage, n);
  }
  // The links before this step, from those that were kept of an older one.
  const real* link_before(long b) {
    const real* link = old(b, LINK, n * n);
    for (long k = a.older; k > 0; k--, link = links) {
      take_in(some, a.before[WRITE_WEIGHTS] + (b - (k - 1) * a.batch) * n, n), take_in(some + stride, a.before[PRECEDENCE] + (b - k * a.batch) * n, n);
      link_update(link, links, n, some, some + stride);
    }
    return link;
  }
  void keys_back(const Content& content, const real* said, real* d_said, long keys, long strengths, long masks) const {
    for (long h = 0; h < content.heads; h++) {
      give_out(d_said + keys + h * m, content.d_key + h * wide, m);
      if (a.masked) give_out(d_said + masks + h * m, content.d_square + h * wide, m);
      d_said[strengths + h] = content.d_strength[h] * softplus_slope(said[strengths + h]);
    }
  }
  void mix_back(const real* said, real* d_said, long h) {
    real mode[3], d_mode[3];
    const long from = h * stride;
    three(said, h, mode);
    const real *d = d_weights + from, *each[3] = {back_sharp + from, reading.found + from, ahead_sharp + from};
    real mean = 0;
    for (int k = 0; k < 3; k++) d_mode[k] = dot(d, each[k], n), mean += mode[k] * d_mode[k];
    for (int k = 0; k < 3; k++) d_said[at.modes + 3 * h + k] = mode[k] * (d_mode[k] - mean);
    for (long j = 0; j < stride; j += LANES)
      store(d_back + from + j, mode[0] * load(d + j)), store(reading.d_found + from + j, mode[1] * load(d + j)), store(d_ahead + from + j, mode[2] * load(d + j));
    if (!a.sharpened) return;
    d_said[at.forward_powers + h] = sharpen_back(ahead + from, power(said, h, true), n, d_ahead + from, some) * softplus_slope(said[at.forward_powers + h]);
    d_said[at.backward_powers + h] = sharpen_back(back + from, power(said, h, false), n, d_back + from, some) * softplus_slope(said[at.backward_powers + h]);
  }
  // (6): d_memory becomes the gradient of the memory before, as far as it comes this way.
  void write_back(const real* memory, real* d_memory, real* d_said) {
    clear(d_erased, m), clear(d_written, m);
    long i = 0;
    for (; i + 4 <= n; i += 4) write_rows_back<4>(i, memory, d_memory);
    for (; i < n; i++) write_rows_back<1>(i, memory, d_memory);
    for (long j = 0; j < m; j++) d_said[at.erased + j] = d_erased[j] * erased[j] * (1 - erased[j]);
    give_out(d_said + at.written, d_written, m);
  }
  template <int I> void write_rows_back(long i, const real* memory, real* d_memory) {
    vec sum[2 * I] = {};
    real kept[I];
    for (int k = 0; k < I; k++) kept[k] = a.deallocating ? keep[i + k] : real(1);
    in_vectors(m, [&](auto whole, long j, long lanes) {
      vec e = load(erased + j), v = load(written + j), d_e = load(d_erased + j), d_v = load(d_written + j);
#pragma GCC unroll 4
      for (int k = 0; k < I; k++) {
        vec d = get(whole, d_memory + (i + k) * m + j, lanes), own = get(whole, memory + (i + k) * m + j, lanes), old_ = own * kept[k], w = broadcast(write[i + k]), pulled = d * w;
        sum[2 * k] = fma(d, fma(-e, old_, v), sum[2 * k]);
        d_e = fma(-pulled, old_, d_e), d_v = d_v + pulled;
        d = fma(-pulled, e, d);
        sum[2 * k + 1] = fma(d, own, sum[2 * k + 1]);
        put(whole, d_memory + (i + k) * m + j, d * kept[k], lanes);
      }
      store(d_erased + j, d_e), store(d_written + j, d_v);
    });
    real found[whole_lanes<2 * I>()];
    add_lanes<2 * I>(sum, found);
    for (int k = 0; k < I; k++) {
      d_write[i + k] += found[2 * k];
      if (a.deallocating) d_keep[i + k] += found[2 * k + 1];
    }
  }
  // (5) and (4)
  void gates_back(const real* said, real* d_said) {
    const real gate = sigmoid_of(said[at.allocation_gate]), all = sigmoid_of(said[at.write_gate]);
    const real one = dot(d_write, allocated, n), other = dot(d_write, writing.found, n);
    d_said[at.write_gate] = (gate * one + (1 - gate) * other) * all * (1 - all);
    d_said[at.allocation_gate] = all * (one - other) * gate * (1 - gate);
    for (long j = 0; j < n; j += LANES) store(d_allocated + j, all * gate * load(d_write + j)), store(writing.d_found + j, all * (1 - gate) * load(d_write + j));
    real later = 0;
    for (long k = ordered - 1; k >= 0; k--) {
      const long i = sorted[k];
      const real used = held(usage[i]), d = d_allocated[i];
      if (full(usage[i]) >= EPSILON && full(usage[i]) <= 1) d_usage[i] += real(1 - 1e-6) * (later / used - d * product[k]);
      later += d * allocated[i];
    }
  }
  // (3) and (2)
  void usage_back(real* d_said) {
    for (long j = 0; j < n; j += LANES) {
      vec d = load(d_usage + j), u = load(usage_before + j), w = load(write_before + j), kept = load(keep + j);
      store(d_keep + j, fma(d, u + w - u * w, load(d_keep + j)));
      store(d_usage + j, d * kept * (real(1) - w)), store(d_write + j, d * kept * (real(1) - u));
    }
    for (long h = 0; h < heads; h++) {
      vec sum = {};
      for (long j = 0; j < n; j += LANES) {
        vec others = load(d_keep + j);
        for (long k = 0; k < heads; k++)
          if (k != h) others = others * (real(1) - free[k] * load(before + k * stride + j));
        store(d_before + h * stride + j, fma(others, broadcast(-free[h]), load(d_before + h * stride + j)));
        sum = fma(others, -load(before + h * stride + j), sum);
      }
      d_said[at.free_gates + h] = sum_lanes(sum) * free[h] * (1 - free[h]);
    }
  }
};
}  // namespace

#include "entry.h"
