// The threads of one loop: who one is, shares of work, and a barrier that spins, since a step takes microseconds.
#pragma once
#include <sched.h>
#include <stdint.h>

struct Barrier {
  int waiting __attribute__((aligned(128)));
  int round __attribute__((aligned(128)));
};
struct Member {
  int id, count;
  Barrier* barrier;

  void sync() const {
    if (count == 1) return;
    int round = __atomic_load_n(&barrier->round, __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(&barrier->waiting, 1, __ATOMIC_ACQ_REL) == count) {
      __atomic_store_n(&barrier->waiting, 0, __ATOMIC_RELAXED);
      __atomic_store_n(&barrier->round, round + 1, __ATOMIC_RELEASE);
      return;
    }
    for (int spins = 1; __atomic_load_n(&barrier->round, __ATOMIC_ACQUIRE) == round; spins++) {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
      if (spins % 4096 == 0) sched_yield();  // more threads than cores: let the one that is waited for run
    }
  }
  // The part of [0, total) that is mine, in multiples of `grain`.
  long begin(long total, long grain = 1) const { return share(total, grain, id); }
  long end(long total, long grain = 1) const { return share(total, grain, id + 1); }
  long share(long total, long grain, int k) const {
    long part = (total + grain - 1) / grain * k / count * grain;
    return part < total ? part : total;
  }
};
