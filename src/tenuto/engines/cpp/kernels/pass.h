// How a printed pass reads and writes channels: whole vectors, and the part of one where a row ends.
#pragma once
#include "vector.h"

struct Whole {};
struct Part {};
INLINE vec get(Whole, const real* p, long) { return load(p); }
INLINE vec get(Part, const real* p, long n) { return load_part(p, n); }
INLINE void put(Whole, real* p, vec v, long) { store(p, v); }
INLINE void put(Part, real* p, vec v, long n) { store_part(p, v, n); }
