/* The iteration space of several strided operands: broadcast, ordered by stride, collapsed. */
#ifndef OPSMITH_ITERATE_H
#define OPSMITH_ITERATE_H

#include "opsmith/tensor.h"

typedef struct ops_operand_plan {
    char *data;
    int64_t stride[OPS_MAX_NDIM]; /* bytes, 0 where broadcast */
    uint8_t dtype;                /* in memory */
    uint8_t want;                 /* inside the kernel (a storage dtype) */
    uint8_t output;
    uint8_t constant; /* all strides are 0 */
    uint8_t device;
} ops_operand_plan;

typedef struct ops_plan {
    int ndim;
    int operands;
    int64_t numel;
    int64_t shape[OPS_MAX_NDIM];
    ops_operand_plan op[OPS_MAX_OPERANDS];
} ops_plan;

/* The broadcast shape of n tensors into `shape`; returns ndim, or -1 with an error set. */
int ops_broadcast_shape(ops_tensor *const *in, int n, int64_t *shape);
/* Add an operand of the plan's shape (broadcast where its dims are 1 or missing). */
void ops_plan_add(ops_plan *plan, const ops_tensor *t, int want, int output);
/* Dims sorted so that the last one is walked fastest, from the strides of the operands. */
void ops_plan_order(const ops_plan *plan, uint8_t *order);
/* Permute by `order` and merge adjacent dims. */
void ops_plan_collapse(ops_plan *plan, const uint8_t *order);

/* Fill `index` with the coordinates of linear position `at`. */
void ops_plan_seek(const ops_plan *plan, int64_t at, int64_t *index);

#endif
