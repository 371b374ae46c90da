/* Rows: operations that work along one set of dims, row by row: softmax, normalisation, losses for
 * classes. A descriptor per op (and one for its backward), one driver for shapes, dtypes, strides
 * and threads. */
#ifndef OPSMITH_ROWS_H
#define OPSMITH_ROWS_H

#include <string.h>

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
    const ops_rows_kernel *kernels; /* f64 and f32, for every set of absent operands */
    uint8_t inputs, outputs, scalars, stashes;
    uint8_t cotangents;  /* leading inputs that may be absent: zero then */
    int8_t optional[OPS_ROWS_VARIANTS]; /* input whose absence is bit k of the variant, or -1 */
    uint8_t input_class[OPS_MAX_OPERANDS];  /* enum ops_operand */
    uint8_t input_layout[OPS_MAX_OPERANDS]; /* enum ops_rows_layout */
    uint8_t output_layout[4];
    int8_t check_error;  /* enum ops_status */
    const char *check;   /* what the check expects */
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

/* An integer as the kernels compare it: those that no position can equal become INT32_MIN. */
static inline int32_t ops_rows_narrow(int64_t v)
{
    return v == (int32_t)v ? (int32_t)v : INT32_MIN;
}

/* Lanes folded to one value, half by half; `lanes` is a power of two and at least a vector. The last
 * vector is folded in registers: through memory every step would wait for a store. */
#define OPS_ROWS_VECTOR(type, code, bits, lanes)                                                  \
    typedef type ops_##code##x##lanes __attribute__((vector_size(lanes * sizeof(type))));         \
    typedef bits ops_##code##b##lanes __attribute__((vector_size(lanes * sizeof(type))));

OPS_ROWS_VECTOR(float, f32, int32_t, 16)
OPS_ROWS_VECTOR(float, f32, int32_t, 8)
OPS_ROWS_VECTOR(float, f32, int32_t, 4)
OPS_ROWS_VECTOR(double, f64, int64_t, 8)
OPS_ROWS_VECTOR(double, f64, int64_t, 4)
OPS_ROWS_VECTOR(double, f64, int64_t, 2)

/* x where the mask is set, else y; NaN of either stays, as in ops_maximum and ops_minimum. */
#define OPS_ROWS_PICK(V, B, mask, x, y) ((V)(((B)(x) & (mask)) | ((B)(y) & ~(mask))))
#define OPS_ROWS_SUM(V, B, x, y) ((x) + (y))
#define OPS_ROWS_PROD(V, B, x, y) ((x) * (y))
#define OPS_ROWS_AMAX(V, B, x, y) OPS_ROWS_PICK(V, B, ((x) >= (y)) | ((x) != (x)), x, y)
#define OPS_ROWS_AMIN(V, B, x, y) OPS_ROWS_PICK(V, B, ((x) <= (y)) | ((x) != (x)), x, y)

#define OPS_ROWS_FOLD(kind, COMBINE)                                                              \
    static inline __attribute__((always_inline, unused)) float ops_fold_##kind##_f32(             \
        const float *a, const int lanes)                                                          \
    {                                                                                             \
        ops_f32x16 v;                                                                             \
        memcpy(&v, a, sizeof v);                                                                  \
        for (int k = 16; k < lanes; k += 16) {                                                    \
            ops_f32x16 w;                                                                         \
            memcpy(&w, a + k, sizeof w);                                                          \
            v = COMBINE(ops_f32x16, ops_f32b16, v, w);                                            \
        }                                                                                         \
        const ops_f32x8 l8 = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);               \
        const ops_f32x8 h8 = __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);         \
        const ops_f32x8 v8 = COMBINE(ops_f32x8, ops_f32b8, l8, h8);                               \
        const ops_f32x4 l4 = __builtin_shufflevector(v8, v8, 0, 1, 2, 3);                         \
        const ops_f32x4 h4 = __builtin_shufflevector(v8, v8, 4, 5, 6, 7);                         \
        const ops_f32x4 v4 = COMBINE(ops_f32x4, ops_f32b4, l4, h4);                               \
        const ops_f32x4 s4 = __builtin_shufflevector(v4, v4, 2, 3, 0, 1);                         \
        const ops_f32x4 v2 = COMBINE(ops_f32x4, ops_f32b4, v4, s4);                               \
        const ops_f32x4 s2 = __builtin_shufflevector(v2, v2, 1, 0, 3, 2);                         \
        return COMBINE(ops_f32x4, ops_f32b4, v2, s2)[0];                                          \
    }                                                                                             \
    static inline __attribute__((always_inline, unused)) double ops_fold_##kind##_f64(            \
        const double *a, const int lanes)                                                         \
    {                                                                                             \
        ops_f64x8 v;                                                                              \
        memcpy(&v, a, sizeof v);                                                                  \
        for (int k = 8; k < lanes; k += 8) {                                                      \
            ops_f64x8 w;                                                                          \
            memcpy(&w, a + k, sizeof w);                                                          \
            v = COMBINE(ops_f64x8, ops_f64b8, v, w);                                              \
        }                                                                                         \
        const ops_f64x4 l4 = __builtin_shufflevector(v, v, 0, 1, 2, 3);                           \
        const ops_f64x4 h4 = __builtin_shufflevector(v, v, 4, 5, 6, 7);                           \
        const ops_f64x4 v4 = COMBINE(ops_f64x4, ops_f64b4, l4, h4);                               \
        const ops_f64x2 l2 = __builtin_shufflevector(v4, v4, 0, 1);                               \
        const ops_f64x2 h2 = __builtin_shufflevector(v4, v4, 2, 3);                               \
        const ops_f64x2 v2 = COMBINE(ops_f64x2, ops_f64b2, l2, h2);                               \
        const ops_f64x2 s2 = __builtin_shufflevector(v2, v2, 1, 0);                               \
        return COMBINE(ops_f64x2, ops_f64b2, v2, s2)[0];                                          \
    }

/* Short rows fill one vector of the lanes only. */
#define OPS_ROWS_FOLDED(kind, a, n, many, few)                                                    \
    ((n) < (many) ? ops_fold_##kind(a, few) : ops_fold_##kind(a, many))

/* A total over n. In f32 the product with the rounded 1 / n, in double, is as good as the quotient
 * and does not wait for it: the reciprocal is the same for every row. */
#define OPS_ROWS_MEAN_f64(total, n) ((total) / (double)(n))
#define OPS_ROWS_MEAN_f32(total, n) ((total) * (1.0 / (double)(n)))

OPS_ROWS_FOLD(sum, OPS_ROWS_SUM)
OPS_ROWS_FOLD(prod, OPS_ROWS_PROD)
OPS_ROWS_FOLD(amax, OPS_ROWS_AMAX)
OPS_ROWS_FOLD(amin, OPS_ROWS_AMIN)

#endif
