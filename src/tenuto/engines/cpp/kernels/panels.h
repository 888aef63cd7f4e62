// In which order a product goes through panels of weights. Steps take turns: where weights outgrow a cache, it still has those that the
// step before read last. (Two cores of a Xeon of 2024, 2 MB of cache and 3 or 4 MB of weights each: two thirds of the time.)
#pragma once

struct Panels {
  long first, end;
  bool falling;
  long count() const { return end - first; }
  long operator[](long i) const { return falling ? end - 1 - i : first + i; }
};
