// The functions of a kernel of one step, from its `Row`: the work of one row of the batch. access.py calls them.
#pragma once
#include "addressing.h"

namespace {
// All rows of a batch, each by `work(row, scratch)`, shared among threads.
template <class Work> struct Share {
  const Access& access;
  Work& work;
  long scratch;
  Number number, count;
  static void run(void* one) {
    Share& share = *(Share*)one;
    long threads = share.number ? share.count() : 1, me = share.number ? share.number() : 0, rows = share.access.batch;
    for (long b = rows * me / threads; b < rows * (me + 1) / threads; b++) share.work(b, share.access.scratch + me * share.scratch);
  }
};
template <class Work> void each_row(const Access& access, long scratch, Parallel parallel, Number number, Number count, Work work) {
  bool many = parallel && access.threads > 1;
  Share<Work> share = {access, work, scratch, many ? number : nullptr, many ? count : nullptr};
  if (many) parallel(Share<Work>::run, &share, access.threads, 0);
  else Share<Work>::run(&share);
}

long scratch_size(const Access& access) {
  Scratch scratch = {nullptr};
  Row(access, scratch, nullptr, true);
  return scratch.used;
}
long kept_size(const Access& access) {
  Scratch scratch = {nullptr}, kept = {nullptr};
  Row(access, scratch, &kept, true);
  return kept.used;
}
}  // namespace

extern "C" long tenuto_scratch(const Access* access) { return scratch_size(*access); }
extern "C" long tenuto_kept(const Access* access) { return kept_size(*access); }
extern "C" void tenuto_forward(const Access* access, Parallel parallel, Number number, Number count) {
  const long kept_width = access->kept ? kept_size(*access) : 0;
  each_row(*access, scratch_size(*access), parallel, number, count, [=](long b, real* place) {
    Scratch scratch = {place}, kept = {access->kept + b * kept_width};
    Row(*access, scratch, access->kept ? &kept : nullptr, false).forward(b);
  });
}
extern "C" void tenuto_backward(const Access* access, Parallel parallel, Number number, Number count) {
  const long kept_width = kept_size(*access);
  each_row(*access, scratch_size(*access), parallel, number, count, [=](long b, real* place) {
    Scratch scratch = {place}, kept = {access->kept + b * kept_width};
    Row(*access, scratch, &kept, true).backward(b);
  });
}
