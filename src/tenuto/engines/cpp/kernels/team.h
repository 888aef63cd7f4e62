// The threads of one loop: their numbers, their shares of work, and a barrier that spins, since a step takes microseconds.
#pragma once
#include <sched.h>
#include <stdint.h>

// How many barriers a thread has come to. Each flag has cache lines of its own, since two cores take 100 ns to pass one to and fro.
struct Flag { int rounds __attribute__((aligned(128))); };
struct Member {
  int id, count;
  Flag* flags;  // of all threads
  int rounds = 0;

  void sync() {
    if (count == 1) return;
    __atomic_store_n(&flags[id].rounds, ++rounds, __ATOMIC_RELEASE);
    for (int other = 0; other < count; other++)
      for (int spins = 1; __atomic_load_n(&flags[other].rounds, __ATOMIC_ACQUIRE) < rounds; spins++) {
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
