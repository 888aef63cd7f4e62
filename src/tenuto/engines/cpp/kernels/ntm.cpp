// One step of an NTM's memory, forward and backward, with the numbers of the equations of layers/ntm.py.
#include "addressing.h"

namespace {
enum Part { MEMORY, READS, WEIGHTS };

struct Row {
  const Access& a;
  const long n, m, readers, writers, heads, shifts, wide, stride;
  const long keys, strengths, gates, said_shifts, powers, said_erased, said_added;  // where each part of what was said begins, in the order of `NTM.interface`
  Content content;
  real *before, *moved, *weights, *around, *erased, *added, *far_, *some;
  real *d_weights, *d_moved, *d_around, *d_read, *d_erased, *d_added;

  // Everything has its place; without `kept` in scratch memory, too.
  Row(const Access& access, Scratch& scratch, Scratch* kept, bool backward)
      : a(access), n(access.rows), m(access.width), readers(access.reads), writers(access.writes), heads(readers + writers), shifts(2 * access.reach + 1), wide(whole_vectors(m)),
        stride(whole_vectors(n)), keys(0), strengths(heads * m), gates(strengths + heads), said_shifts(gates + heads), powers(said_shifts + heads * shifts),
        said_erased(powers + heads), said_added(said_erased + writers * m) {
    Scratch& place = kept ? *kept : scratch;
    content.heads = heads, content.masked = false;
    content.from(scratch, place, n, m, backward);
    moved = place.take(heads * stride);
    before = scratch.take(heads * stride), weights = scratch.take(heads * stride), around = scratch.take(n + shifts + LANES);
    erased = scratch.take(writers * wide), added = scratch.take(writers * wide), far_ = scratch.take(shifts), some = scratch.take(2 * stride);
    if (!backward) return;
    scratch.take_each(heads * stride, d_weights, d_moved), d_around = scratch.take(n + shifts + LANES);
    d_read = scratch.take(readers * wide), scratch.take_each(writers * wide, d_erased, d_added);
  }

  const real* old(long b, Part part, long size) const { return (a.resets && a.resets[b] ? a.first[part] : a.before[part]) + b * size; }

  // What backward needs as well: where the heads were, keys, and what is erased and added.
  void begin(long b, const real* said) {
    const real* weights_ = old(b, WEIGHTS, heads * n);
    for (long h = 0; h < heads; h++) {
      take_in(before + h * stride, weights_ + h * n, n);
      clear(content.key + h * wide, m), tangents(content.key + h * wide, said + keys + h * m, m);
      content.strength[h] = softplus(said[strengths + h]);
    }
    content.say(nullptr, m);
    for (long k = 0; k < writers; k++) {
      clear(erased + k * wide, m), sigmoids(erased + k * wide, said + said_erased + k * m, m);
      clear(added + k * wide, m), tangents(added + k * wide, said + said_added + k * m, m);
    }
  }
  real power(const real* said, long h) const { return 1 + softplus(said[powers + h]); }
  // How much goes how far, [2 S + 1].
  const real* far(const real* said, long h) {
    real* to = far_;
    real most = -INFINITY, sum = 0;
    for (long o = 0; o < shifts; o++) {
      real one = said[said_shifts + h * shifts + o];
      most = one > most || one != one ? one : most;
    }
    for (long o = 0; o < shifts; o++) to[o] = exponential(broadcast(said[said_shifts + h * shifts + o] - most))[0], sum += to[o];
    for (long o = 0; o < shifts; o++) to[o] /= sum;
    return to;
  }
  // from [N] with S more at either end, round and round
  void wind(const real* from, real* to) const {
    const long reach = a.reach;
    memcpy(to + reach, from, n * sizeof(real));
    for (long k = 0; k < reach; k++) to[reach - 1 - k] = from[n - 1 - k % n], to[n + reach + k] = from[k % n];
    for (long k = n + 2 * reach; k < n + 2 * reach + LANES; k++) to[k] = 0;
  }
  // (7), wound up
  void mix(const real* said, long h) {
    const real gate = sigmoid_of(said[gates + h]);
    for (long j = 0; j < n; j += LANES) store(weights + h * stride + j, gate * load(content.found + h * stride + j) + (1 - gate) * load(before + h * stride + j));
    wind(weights + h * stride, around);
  }

  void forward(long b) {
    const long sizes[] = {n * m, readers * m, heads * n};
    if (a.live && !a.live[b]) {
      for (int part = MEMORY; part <= WEIGHTS; part++) give_out(a.after[part] + b * sizes[part], old(b, Part(part), sizes[part]), sizes[part]);
      return;
    }
    const real *said = a.said + b * a.said_width, *memory = old(b, MEMORY, n * m);
    real* after = a.after[MEMORY] + b * n * m;
    begin(b, said);
    content.find(memory, n, m);
    for (long h = 0; h < heads; h++) {
      mix(said, h);
      const real* s = far(said, h);
      for (long j = 0; j < n; j += LANES) {
        vec sum = {};
        for (long o = 0; o < shifts; o++) sum = fma(broadcast(s[o]), load(around + j + 2 * a.reach - o), sum);
        store(moved + h * stride + j, sum);
      }
      fill_end(moved + h * stride, n, 0);
      sharpen(moved + h * stride, power(said, h), n, weights + h * stride);
    }
    read_rows(memory, n, m, readers, weights, a.after[READS] + b * readers * m);
    for (long i = 0; i < n; i++)
      in_vectors(m, [&](auto whole, long j, long lanes) {
        vec value = get(whole, memory + i * m + j, lanes), more = {};
        for (long k = 0; k < writers; k++) {
          vec w = broadcast(weights[(readers + k) * stride + i]);
          value = value * (real(1) - w * load(erased + k * wide + j)), more = fma(w, load(added + k * wide + j), more);
        }
        put(whole, after + i * m + j, value + more, lanes);
      });
    for (long h = 0; h < heads; h++) give_out(a.after[WEIGHTS] + (b * heads + h) * n, weights + h * stride, n);
  }

  void backward(long b) {
    real *d_said = a.d_said + b * a.said_width, *d_memory = a.d[MEMORY] + b * n * m, *d_reads = a.d[READS] + b * readers * m;
    if (a.live && !a.live[b]) {
      memset(d_said, 0, a.said_width * sizeof(real));
      return;
    }
    const real *said = a.said + b * a.said_width, *memory = old(b, MEMORY, n * m);
    begin(b, said);
    for (long h = 0; h < heads; h++) take_in(d_weights + h * stride, a.d[WEIGHTS] + (b * heads + h) * n, n);
    for (long h = 0; h < readers; h++) take_in(d_read + h * wide, d_reads + h * m, m);
    for (long h = 0; h < heads; h++) take_in(weights + h * stride, a.after[WEIGHTS] + (b * heads + h) * n, n);
    write_back(memory, d_memory, d_said);
    read_rows_back(memory, n, m, readers, weights, d_read, d_weights, d_memory, content.some);
    memset(d_reads, 0, readers * m * sizeof(real));
    for (long h = 0; h < heads; h++) head_back(said, d_said, h);
    content.back(memory, n, m, d_memory);
    for (long h = 0; h < heads; h++) {
      for (long j = 0; j < m; j++) d_said[keys + h * m + j] = content.d_key[h * wide + j] * (1 - content.key[h * wide + j] * content.key[h * wide + j]);
      d_said[strengths + h] = content.d_strength[h] * softplus_slope(said[strengths + h]);
      give_out(a.d[WEIGHTS] + (b * heads + h) * n, d_weights + h * stride, n);
    }
  }
  // (4) and (3)
  void write_back(const real* memory, real* d_memory, real* d_said) {
    clear(d_erased, writers * wide), clear(d_added, writers * wide);
    for (long i = 0; i < n; i++) {
      for (long k = 0; k < writers; k++) {
        const real* w = weights + readers * stride + i;
        vec sum = {};
        in_vectors(m, [&](auto whole, long j, long lanes) {
          vec d = get(whole, d_memory + i * m + j, lanes), others = get(whole, memory + i * m + j, lanes);
          for (long l = 0; l < writers; l++)
            if (l != k) others = others * (real(1) - w[l * stride] * load(erased + l * wide + j));
          sum = fma(d, load(added + k * wide + j) - load(erased + k * wide + j) * others, sum);
          d = d * w[k * stride];
          store(d_added + k * wide + j, load(d_added + k * wide + j) + d), store(d_erased + k * wide + j, fma(-d, others, load(d_erased + k * wide + j)));
        });
        d_weights[(readers + k) * stride + i] += sum_lanes(sum);
      }
      in_vectors(m, [&](auto whole, long j, long lanes) {
        vec d = get(whole, d_memory + i * m + j, lanes);
        for (long k = 0; k < writers; k++) d = d * (real(1) - weights[(readers + k) * stride + i] * load(erased + k * wide + j));
        put(whole, d_memory + i * m + j, d, lanes);
      });
    }
    for (long k = 0; k < writers; k++)
      for (long j = 0; j < m; j++) {
        real e = erased[k * wide + j], v = added[k * wide + j];
        d_said[said_erased + k * m + j] = d_erased[k * wide + j] * e * (1 - e), d_said[said_added + k * m + j] = d_added[k * wide + j] * (1 - v * v);
      }
  }
  // (9), (8) and (7) of a head: d_weights becomes the gradient of where it was, as far as it comes this way.
  void head_back(const real* said, real* d_said, long h) {
    real *d = d_weights + h * stride, *d_mixed = d_moved + h * stride;
    d_said[powers + h] = sharpen_back(moved + h * stride, power(said, h), n, d, some) * softplus_slope(said[powers + h]);
    mix(said, h), wind(d, d_around);
    const real* s = far(said, h);
    real mean = 0;
    for (long o = 0; o < shifts; o++) {
      vec sum = {};
      for (long j = 0; j < n; j += LANES) sum = fma(load(d + j), load(around + j + 2 * a.reach - o), sum);
      real pulled = sum_lanes(sum);
      mean += s[o] * pulled, d_said[said_shifts + h * shifts + o] = pulled;
    }
    for (long o = 0; o < shifts; o++) d_said[said_shifts + h * shifts + o] = s[o] * (d_said[said_shifts + h * shifts + o] - mean);
    for (long j = 0; j < n; j += LANES) {
      vec sum = {};
      for (long o = 0; o < shifts; o++) sum = fma(broadcast(s[o]), load(d_around + j + o), sum);
      store(d_mixed + j, sum);
    }
    fill_end(d_mixed, n, 0);
    const real gate = sigmoid_of(said[gates + h]);
    vec sum = {};
    for (long j = 0; j < n; j += LANES) {
      vec one = load(d_mixed + j);
      sum = fma(one, load(content.found + h * stride + j) - load(before + h * stride + j), sum);
      store(content.d_found + h * stride + j, gate * one), store(d + j, (1 - gate) * one);
    }
    d_said[gates + h] = sum_lanes(sum) * gate * (1 - gate);
  }
};
}  // namespace

#include "entry.h"
