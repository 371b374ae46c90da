/* Scans, running reductions along one dim: a descriptor per op, one driver for dims, dtypes,
 * strides and threads.
 *
 * A scan is a reduction's monoid finished after every element. Its state is wide (see
 * opsmith/reduce.h): each step rounds the result, never the sum. */
#ifndef OPSMITH_SCAN_H
#define OPSMITH_SCAN_H

#include "opsmith/reduce.h"

/* In `b`, an output is a line: state j belongs to line j, which continues over blocks. out[m] is
 * laid out as x, lines (rows) or steps (columns) `out_pitch` elements apart. */
typedef struct ops_scan_kernels {
    void (*init)(const ops_reduce_block *b);
    void (*rows)(const ops_reduce_block *b, void *const *out, int64_t out_pitch);
    void (*columns)(const ops_reduce_block *b, void *const *out, int64_t out_pitch);
} ops_scan_kernels;

typedef struct ops_scan_op {
    const char *name;
    const ops_scan_kernels *kernels[OPS_COMPUTE_COUNT]; /* null: not implemented for that dtype */
    uint8_t states, outputs, scalars;
    uint8_t rule;
    uint8_t input_class; /* enum ops_operand */
    uint8_t output_class[4];
    float cost; /* estimated nanoseconds an element, for the grain of threads */
} ops_scan_op;

/* Scan `input` along `dim` (negative: from the end). `dtype` is converted to first (-1: none).
 * `dst`: null, or the tensor to write to; noting the write is the caller's. Returns a handle;
 * further outputs in ops_more[]. */
OPS_EXPORT double ops_scan(const ops_scan_op *op, ops_tensor *input, int record, int64_t dim,
                           int dtype, const ops_scalar *s, ops_tensor *dst);

#endif
