/* Views: primitives on shape, strides and offset, and the way back through a view.
 *
 * A primitive returns 0, or 1 with an error set (ops_fail). Dims may be negative; texts of errors
 * are PyTorch's. What the `view:` entries of a registry are made of: the same names stand in
 * opsmithc/lower/view.py.
 */
#ifndef OPSMITH_VIEW_H
#define OPSMITH_VIEW_H

#include "opsmith/abi.h"

typedef struct ops_geometry {
    ops_tensor *source; /* the tensor whose storage is addressed */
    int owned;          /* the source was made on the way: the result is no view */
    int failed;         /* an expression failed: the error is set */
    int ndim;
    int64_t offset; /* of the first element in the storage; in elements, like the strides */
    int64_t shape[OPS_MAX_NDIM];
    int64_t stride[OPS_MAX_NDIM];
} ops_geometry;

OPS_EXPORT void ops_geometry_load(ops_geometry *g, ops_tensor *t);
/* A tensor of that geometry that shares the source's storage; null when `failed`. */
OPS_EXPORT ops_tensor *ops_geometry_view(ops_geometry *g, int failed);

static inline int ops_view_same(ops_geometry *g)
{
    (void)g;
    return 0;
}

/* Order of dims. `unpermute` undoes `permute`; `reverse` turns all dims around. */
OPS_EXPORT int ops_view_swap(ops_geometry *g, int64_t dim0, int64_t dim1);
OPS_EXPORT int ops_view_reverse(ops_geometry *g);
OPS_EXPORT int ops_view_permute(ops_geometry *g, int64_t n, const int64_t *dims);
OPS_EXPORT int ops_view_unpermute(ops_geometry *g, int64_t n, const int64_t *dims);
OPS_EXPORT int ops_view_move(ops_geometry *g, int64_t n, const int64_t *source, int64_t m,
                             const int64_t *destination);

/* Dims of size 1. A stride of OPS_NO_INT is what a dense tensor would have; n == -1: all dims. */
OPS_EXPORT int ops_view_insert(ops_geometry *g, int64_t dim, int64_t size, int64_t stride);
OPS_EXPORT int ops_view_squeeze(ops_geometry *g, int64_t n, const int64_t *dims);
OPS_EXPORT int ops_view_broadcast(ops_geometry *g, int64_t n, const int64_t *size);

/* Parts. `start` and `end` may be OPS_NO_INT. */
OPS_EXPORT int ops_view_slice(ops_geometry *g, int64_t dim, int64_t start, int64_t end,
                              int64_t step);
OPS_EXPORT int ops_view_narrow(ops_geometry *g, int64_t dim, int64_t start, int64_t length);
OPS_EXPORT int ops_view_select(ops_geometry *g, int64_t dim, int64_t index);
OPS_EXPORT int ops_view_diagonal(ops_geometry *g, int64_t offset, int64_t dim0, int64_t dim1);
OPS_EXPORT int ops_view_unfold(ops_geometry *g, int64_t dim, int64_t size, int64_t step);
OPS_EXPORT int ops_view_restride(ops_geometry *g, int64_t n, const int64_t *size, int64_t m,
                                 const int64_t *stride, int64_t offset);

/* The same elements in another shape. `regroup` fails where no view has it; `reshape` and `merge`
 * copy there; `dense` copies unless the geometry is contiguous. */
OPS_EXPORT int ops_view_regroup(ops_geometry *g, int64_t n, const int64_t *shape);
OPS_EXPORT int ops_view_reshape(ops_geometry *g, int64_t n, const int64_t *shape);
OPS_EXPORT int ops_view_merge(ops_geometry *g, int64_t first, int64_t last);
OPS_EXPORT int ops_view_split(ops_geometry *g, int64_t dim, int64_t n, const int64_t *sizes);
OPS_EXPORT int ops_view_dense(ops_geometry *g);

/* For expressions between primitives; a bad dim or a division by zero sets g->failed. */
OPS_EXPORT int64_t ops_view_size(ops_geometry *g, int64_t dim);
OPS_EXPORT int64_t ops_view_stride(ops_geometry *g, int64_t dim);
OPS_EXPORT int64_t ops_view_floor_divide(ops_geometry *g, int64_t a, int64_t b);
OPS_EXPORT int64_t ops_view_remainder(ops_geometry *g, int64_t a, int64_t b);
OPS_EXPORT int ops_view_refuse(enum ops_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold)); /* sets the error; always 1 */

static inline int64_t ops_view_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t ops_view_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The adjoint of a view: zeros of the input's shape with the gradient added where the view looks.
 * Begin, apply the primitives, end. Primitives that address the storage itself (restride) need the
 * input's layout: they begin with `like`, a tensor of it, and name it again at the end. */
OPS_EXPORT int ops_adjoint_begin(ops_geometry *g, const ops_tensor *grad, int64_t n,
                                 const int64_t *sizes);
OPS_EXPORT int ops_adjoint_begin_like(ops_geometry *g, const ops_tensor *grad, ops_tensor *like);
OPS_EXPORT ops_tensor *ops_adjoint_end(ops_geometry *g, int failed, ops_tensor *grad,
                                       ops_tensor *like);

/* The values of t with the strides, the offset and the storage size of `like`. */
OPS_EXPORT ops_tensor *opsk_lay_out(ops_tensor *t, ops_tensor *like);

/* to += from, where `to` may name an element more than once. Shapes are equal; the dtype of `to`
 * is a compute dtype (bool: or). Returns 0 on failure. */
OPS_EXPORT int ops_tensor_accumulate(ops_tensor *to, ops_tensor *from);

#endif
