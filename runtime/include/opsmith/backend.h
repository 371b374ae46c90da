/* What a device offers besides memory: kernels and copies, behind the drivers of the families.
 *
 * A driver (pointwise.c, reduce.c, ...) does shapes, dtypes and allocation for every device; then,
 * if the device has a backend, it hands over the plan, else it runs the CPU's kernels. A backend
 * finds its kernel by the descriptor's key, which names the op and what it computes: a library made
 * from another registry never serves a wrong formula. Functions return 1, or 0 with an error set. */
#ifndef OPSMITH_BACKEND_H
#define OPSMITH_BACKEND_H

#include "opsmith/iterate.h"
#include "opsmith/reduce.h"
#include "opsmith/rows.h"

/* One axis of a reduction's input, sorted so that the last one is walked fastest. */
typedef struct ops_reduce_axis {
    int64_t size;
    int64_t stride; /* bytes of input */
    int64_t weight; /* of a step: elements of output (kept axes), positions (folded ones) */
} ops_reduce_axis;

typedef struct ops_reduce_work {
    int compute; /* enum ops_compute: which kernel */
    int dtype;   /* of the input in memory */
    int want;    /* and inside the kernel (a storage dtype) */
    int keeps, folds;
    int64_t count; /* elements folded into one output */
    const ops_reduce_axis *keep, *fold;
    const char *data;
    const ops_scalar *s;
    char *out[4]; /* contiguous in the order of the weights */
    int out_dtype[4];
} ops_reduce_work;

/* An axis of rows: along a row, or from row to row. The last of either is walked fastest. */
typedef struct ops_rows_axis {
    int64_t size;
    int64_t stride[OPS_MAX_OPERANDS]; /* bytes, by operand: outputs, then inputs */
} ops_rows_axis;

typedef struct ops_rows_operand {
    char *data; /* null: an output that is not wanted, or an input that is zero */
    uint8_t dtype, want; /* in memory, and inside the kernel (a storage dtype) */
    uint8_t layout;      /* enum ops_rows_layout */
} ops_rows_operand;

typedef struct ops_rows_work {
    int compute; /* enum ops_compute: f64 or f32 */
    int variant; /* bit k: the descriptor's optional input k is absent */
    int operands;
    int row_axes, kept_axes;
    int64_t rows, n;
    const ops_rows_axis *row, *kept;
    const ops_rows_operand *at; /* outputs, then inputs; column outputs are contiguous */
    const ops_scalar *s;
} ops_rows_work;

struct ops_backend {
    int (*pointwise)(const ops_pointwise_op *op, int compute, const ops_plan *plan,
                     const ops_scalar *s);
    int (*reduce)(const ops_reduce_op *op, const ops_reduce_work *work);
    int (*rows)(const ops_rows_op *op, const ops_rows_work *work);
    /* Operand 0 from operand 1, with conversion; either side may be host memory. */
    int (*copy)(const ops_plan *plan);
    int (*zero)(char *data, int64_t nbytes);
    /* A whole operation with a function of its own: the same prototype as the CPU's; null with an
     * error set where there is none. */
    void *(*function)(const char *name, const char *key);
};

/* The backend that serves a tensor's device, or null: the CPU's kernels do. */
static inline const ops_backend *ops_backend_of(int device)
{
    return ops_devices[device]->backend;
}

/* Refuse operands that only another device's kernels could read: for functions of their own that
 * touch memory. Returns nonzero with an error set. */
static inline int ops_host_only(const char *name, ops_tensor *const *in, int n)
{
    for (int k = 0; k < n; ++k) {
        if (OPS_UNLIKELY(ops_backend_of(in[k]->device) != NULL)) {
            ops_fail(OPS_NOT_IMPLEMENTED, "%s() has no kernel for %s tensors", name,
                     ops_devices[in[k]->device]->name);
            return 1;
        }
    }
    return 0;
}

#endif
