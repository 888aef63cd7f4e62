// What the time loop is told: tables that launch.py fills and tables.py mirrors (ctypes), field by field.
// A loop is five lists of operations: prepare (once), before (a chunk of steps), step, after (a chunk), finish (once).
#pragma once
#include "vector.h"

// Where a buffer's rows for step s begin. Rows of one step are contiguous; r(s) is the row of step s in arrays over time.
enum Rule {
  FIXED,          // the same rows at every step
  STEP,           // r(s)
  PREVIOUS,       // r(s - 1); at the first step the rows at `first`
  CHUNK,          // r(s) - the first row of the chunk: scratch that lives for one chunk
  RING_NEXT,      // two steps' rows in turn: what step s writes
  RING_PREVIOUS,  // what the step before wrote; forward, at the first step, the rows at `first`
};
struct Buffer { real *base, *first; int64_t stride, rule, array, offset; };  // base and first: from `array`'s addresses at each call; offset in bytes
struct Pointers { int64_t count, array; const int64_t* offset; real** to; };  // addresses inside a tensor, likewise

typedef void (*PassFunction)(real* const* at, const int64_t* stride, const int64_t* buffer, long row, long end_row, long channel,
                             long end_channel, long width);
struct Pass { PassFunction function; int64_t width; const int64_t* buffer; };  // buffer: which buffers the pass calls 0, 1, ...

struct Panel { int64_t vectors, column, packed; };  // column: in the result; packed: in the packed weights; both in numbers

// How numbers are multiplied: as they are on vectors (product.h), in three parts on matrix units (matrix.h), as whole numbers (integers.h),
// without empty blocks of weights (sparse.h), or rounded to bfloat16, on vectors (bfloat16.h) and on matrix units (matrix.h).
enum Kind { KIND_FLOAT, KIND_PARTS, KIND_INTEGER, KIND_SPARSE, KIND_BFLOAT16, KIND_BFLOAT16_UNITS };

// result = initial + operand * weights. The depth comes in segments, columns of the operand; `initial` may be `result` itself.
struct Product {
  int64_t operand, result, initial, segments;
  const int64_t *segment_column, *segment_depth;
  int64_t panels;
  const Panel* panel;
  const int64_t* panel_of_thread;  // [threads + 1], when units are split
  real* packed;
  const real* const* source;  // [segments][vectors]: the weight that meets k = 0 and the vector's first lane
  const int64_t* lanes;       // [vectors]: how many lanes have a weight
  int64_t lane_stride, depth_stride, kind;
  const real* const* scale;   // of whole numbers: [vectors], the scale of the vector's first lane
  const real* const* most;    // of whole numbers: where the largest number of an operand is; used where `fixed`
  int64_t fixed;              // 0: each row of an operand has a scale of its own; 8, 16: all have that of `most`, and become so many bits
};
// packed[panel][column][lane] += sum over the rows of a chunk of operand[row][column] * gradient[row][lane]
struct Outer {
  int64_t operand, gradient, columns, panels;
  const Panel* panel;
  real* packed;
  real* const* target;  // [vectors]: where unpacking puts column 0 of the vector's first lane
  const int64_t* lanes;
  int64_t lane_stride, column_stride;  // one of them is 1
  int64_t kind;
  real* turned;  // a place for the operand, columns as rows, in the form that the kind multiplies; null for KIND_FLOAT
};
struct Sum { int64_t gradient, vectors; const int64_t* column; real* const* target; const int64_t* lanes; real* sums; };
enum { REDUCE_SUM, REDUCE_MEAN, REDUCE_MAXIMUM };
struct Reduction { int64_t how, source, target, width; };
// COPY: a chunk's rows. GATHER: they come from the caller's array (padded, [time_steps, batch], or packed); SCATTER: they, or those of one
// step, go there; FILL: zeros where a sequence in a padded array has ended. LAST: each sequence's state after its last step, from the buffer of states before a step.
// START: both turns of a ring begin as the cotangents of the last states, so that a sequence joins in at its own last step. LEAD: the
// first rows of a buffer as the caller orders them. LINE: one row, the bias.
struct Copy { int64_t source, target, width; };
// Forward: target rows = source rows, or `initial` rows where a reset is. Backward: target (d_initial) += source rows there; those become 0.
struct Reset { int64_t source, target, initial, width; };

enum Action { PACK, CLEAR, PRODUCT, PASS, REDUCE, COPY, GATHER, SCATTER, FILL, LAST, START, LEAD, LINE, ENTER, LEAVE, OUTER, SUM, UNPACK, SYNC };
struct Operation { int64_t action; const void* data; };
struct List { int64_t count; const Operation* operation; };

struct Loop {
  int64_t steps, batch, threads, by_units, backward, buffers, pointers, chunks;
  int64_t turn;  // 0 or 1: which way step 0 goes through its weights; see panels.h
  const int64_t *rows, *row_of, *chunk;  // rows at step s; r(s); [chunks + 1] first steps
  int64_t time_steps, reverse, packed;   // packed: the caller's arrays are, too, each step in the order of time
  const int64_t *order, *length;         // with lengths, longest first: [batch] places in the batch, and lengths
  const int64_t *address, *first;        // of each array: where it is, and where its rows before the first step are
  const uint8_t* flags;                  // resets, by row of arrays over time
  Buffer* buffer;
  const Pointers* pointer;
  List prepare, before, step, after, finish;
};

// How the threads of the caller's pool are called: GOMP_parallel's form. Null: no threads.
typedef void (*Parallel)(void (*)(void*), void*, unsigned, unsigned);
typedef int (*Number)(void);
