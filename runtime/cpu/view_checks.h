/* What the files of cpu/view*.c share: item sizes, dims, bounds of storages. */
#ifndef OPSMITH_VIEW_CHECKS_H
#define OPSMITH_VIEW_CHECKS_H

#include "opsmith/view.h"

/* Item sizes are powers of two. */
static inline int item_shift(const ops_tensor *t)
{
    return __builtin_ctzll((unsigned long long)ops_itemsize(t));
}

/* The dim counted from the front, or -1 with an error set. A 0-d tensor has the dims 0 and -1. */
static inline int wrap(int64_t dim, int ndim)
{
    int64_t n = ndim > 0 ? ndim : 1;
    if (OPS_UNLIKELY(dim < -n || dim >= n)) {
        ops_fail(OPS_INDEX_ERROR,
                 "Dimension out of range (expected to be in range of [%lld, %lld], but got %lld)",
                 (long long)-n, (long long)(n - 1), (long long)dim);
        return -1;
    }
    return (int)(dim < 0 ? dim + n : dim);
}

static inline int room_for(int64_t ndim)
{
    if (OPS_UNLIKELY(ndim > OPS_MAX_NDIM)) {
        return ops_view_refuse(OPS_RUNTIME_ERROR,
                               "a tensor may have at most %d dimensions, found %lld", OPS_MAX_NDIM,
                               (long long)ndim);
    }
    return 0;
}

/* Drop a dim. */
static inline void erase(ops_geometry *g, int dim)
{
    --g->ndim;
    for (int d = dim; d < g->ndim; ++d) {
        g->shape[d] = g->shape[d + 1];
        g->stride[d] = g->stride[d + 1];
    }
}

/* Wraps on overflow, as the element the stride would reach is never read. */
static inline int64_t times(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

/* First and one past the last element of the storage that may be addressed. Foreign memory does
 * not tell its size: there it is what the source reaches. */
static inline void bounds(const ops_tensor *t, int64_t *low, int64_t *high)
{
    int shift = item_shift(t);
    *low = 0;
    *high = t->storage->nbytes >> shift;
    if (t->storage->nbytes > 0 || t->numel == 0) {
        return;
    }
    *low = (t->data - t->storage->data) >> shift;
    *high = *low + 1;
    for (int d = 0; d < t->ndim; ++d) {
        int64_t reach = t->stride[d] * (t->shape[d] - 1);
        *(reach < 0 ? low : high) += reach;
    }
}

#endif
