/* Reductions: a descriptor per op, one driver for dims, dtypes, strides, packing and threads.
 *
 * A reduction is a monoid: map an element to a state, combine two states, finish a state. Kernels
 * fold short contiguous blocks in the compute dtype, on many independent lanes; between blocks a
 * state is wide (double for floats, int64 for integers and positions), so that long sums keep their
 * accuracy. Where blocks begin depends on shape and strides alone: results have the same bits at
 * any thread count. */
#ifndef OPSMITH_REDUCE_H
#define OPSMITH_REDUCE_H

#include "opsmith/pointwise.h"

enum {
    OPS_REDUCE_WIDTH = 512,  /* most outputs of a kernel call: a few states of each stay in L1 */
    OPS_REDUCE_BLOCK = 8192, /* most elements folded into one output by a call of `rows` */
    OPS_REDUCE_DEPTH = 65,   /* the same for `columns`: one by one, or one and then eights */
    OPS_REDUCE_STATES = 4,
};

typedef union ops_wide {
    double f;
    int64_t i;
} ops_wide;

/* Ask for the cache lines that a loop which has come to `x` will read a little later, as many as a
 * step of it reads. The hardware's own prefetch stops at every page. */
static inline __attribute__((always_inline)) void ops_read_ahead(const void *x, int64_t bytes)
{
    for (int64_t at = 0; at < bytes; at += 64) {
        __builtin_prefetch((const char *)x + 2048 + at);
    }
}

/* What a kernel call works on. */
typedef struct ops_reduce_block {
    ops_wide *state;     /* state k of output j: state[k * width + j] */
    int64_t width;
    int64_t outputs;     /* 1 .. OPS_REDUCE_WIDTH */
    const void *x;       /* rows: element k of output j is x[j * pitch + k] */
    int64_t pitch;       /* columns: it is x[k * pitch + j] */
    int64_t n;           /* elements an output, at least 1 */
    int64_t start, step; /* position of element k in the reduced space: start + k * step */
    int64_t count;       /* elements of the whole reduced space, `n` in formulas */
    const ops_scalar *s;
} ops_reduce_block;

typedef struct ops_reduce_kernels {
    void (*init)(const ops_reduce_block *b);    /* state = identity */
    void (*rows)(const ops_reduce_block *b);    /* state = combine(state, all of x) */
    void (*columns)(const ops_reduce_block *b); /* the same */
    void (*merge)(const ops_reduce_block *b, const ops_wide *other); /* combine(state, other) */
    void (*finish)(const ops_reduce_block *b, void *const *out); /* contiguous outputs, no nulls */
} ops_reduce_kernels;

typedef struct ops_reduce_op {
    const char *name;
    const char *key; /* as in opsmith/pointwise.h */
    const ops_reduce_kernels *kernels[OPS_COMPUTE_COUNT]; /* null: not implemented for that dtype */
    uint8_t states, outputs, scalars;
    uint8_t rule;
    uint8_t input_class; /* enum ops_operand */
    uint8_t output_class[4];
    uint8_t positions; /* formulas read the position of an element */
    uint8_t nonempty;  /* the result is one of the elements: there must be one */
    float cost;        /* estimated nanoseconds an element, for the grain of threads */
} ops_reduce_op;

/* Fold `input` over `dims`: bit d stands for dim d, bit 64 + d for a negative d; `all` for None.
 * `dtype` is converted to first (-1: none). `dst`: null, or the tensor to write to; noting the
 * write is the caller's. Returns a handle; further outputs in ops_more[]. */
OPS_EXPORT double ops_reduce(const ops_reduce_op *op, ops_tensor *input, int record, uint64_t dims,
                             int64_t all, int keepdim, int dtype, const ops_scalar *s,
                             ops_tensor *dst);

/* Shared with the other families: the set of dims as bits 0 .. ndim - 1, checked. Returns 0 with an
 * error set. */
OPS_EXPORT int ops_resolve_dims(uint64_t dims, int ndim, uint64_t *resolved);

#endif
