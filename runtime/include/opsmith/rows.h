/* Rows: operations that work along one set of dims, row by row: softmax, normalisation, losses for
 * classes. A descriptor per op (and one for its backward), one driver for shapes, dtypes, strides
 * and threads. */
#ifndef OPSMITH_ROWS_H
#define OPSMITH_ROWS_H

#include "opsmith/pointwise.h"

enum {
    OPS_ROWS_SPAN = 4096,  /* elements whose partial results meet in a double */
    OPS_ROWS_VARIANTS = 2, /* most optional operands */
};

/* How an operand lies in the rows. */
enum ops_rows_layout {
    OPS_ROWS_FULL,   /* an element of every row and position */
    OPS_ROWS_SINGLE, /* one a row */
    OPS_ROWS_COLUMN  /* one a position, the same for every row; an output adds up over the rows */
};

typedef struct ops_rows_block {
    int64_t rows, n;         /* rows of n elements */
    char *const *p;          /* outputs, then inputs, of the first row */
    const int64_t *step;     /* bytes to the next row */
    const ops_scalar *s;
    char *stash;             /* n elements for every value kept between passes, 64-byte aligned */
    int64_t pitch;           /* bytes from one of those to the next */
} ops_rows_block;

/* Elements along a row are contiguous, of the compute dtype or as their class says. Returns nonzero
 * when an argument of some row fails the op's check. */
typedef int (*ops_rows_kernel)(const ops_rows_block *b);

typedef struct ops_rows_op {
    const char *name;
    const char *key; /* name and digest of the kernels: how other backends find theirs */
    const ops_rows_kernel *kernels; /* f64 and f32, for every set of absent operands */
    uint8_t inputs, outputs, scalars, stashes;
    uint8_t cotangents;  /* leading inputs that may be absent: zero then */
    int8_t optional[OPS_ROWS_VARIANTS]; /* input whose absence is bit k of the variant, or -1 */
    uint8_t input_class[OPS_MAX_OPERANDS];  /* enum ops_operand */
    uint8_t input_layout[OPS_MAX_OPERANDS]; /* enum ops_rows_layout */
    uint8_t output_layout[4];
    int8_t check_error;  /* enum ops_status */
    const char *check;   /* what is said where the check fails */
    float cost;          /* estimated nanoseconds an element */
} ops_rows_op;

/* Run `op` on `in`, along `dims` (a mask as of reductions, 0: all). Outputs with one element a row
 * keep those dims if `keepdim`. Returns a handle; further outputs in ops_more[]. */
OPS_EXPORT double ops_rows(const ops_rows_op *op, ops_tensor *const *in, int record, uint64_t dims,
                           int keepdim, const ops_scalar *s);

/* Backward: the gradients wanted by `mask` in ops_more[]; the first wanted one is returned. Takes
 * over the cotangents, the first op->cotangents inputs. */
OPS_EXPORT double ops_rows_backward(const ops_rows_op *op, ops_tensor *const *in, uint64_t dims,
                                    int keepdim, const ops_scalar *s, unsigned mask);

#ifndef OPS_ON_DEVICE /* CUDA's kernels compare by the same function */
#define OPS_ON_DEVICE static inline
#endif

/* An integer as the kernels compare it: those that no position can equal become INT32_MIN. */
OPS_ON_DEVICE int32_t ops_rows_narrow(int64_t v)
{
    return v == (int32_t)v ? (int32_t)v : INT32_MIN;
}

/* A total over n. In f32 the product with the rounded 1 / n, in double, is as good as the quotient
 * and does not wait for it: the reciprocal is the same for every row. */
#define OPS_ROWS_MEAN_f64(total, n) ((total) / (double)(n))
#define OPS_ROWS_MEAN_f32(total, n) ((total) * (1.0 / (double)(n)))

#endif
