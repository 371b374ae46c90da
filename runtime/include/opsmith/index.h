/* What the functions of index operations share: subscripts, sizes, operands. */
#ifndef OPSMITH_INDEX_H
#define OPSMITH_INDEX_H

#include "opsmith/abi.h"

#ifndef OPS_ON_DEVICE /* CUDA's kernels subscript by the same functions */
#define OPS_ON_DEVICE static inline
#endif

OPS_ON_DEVICE int64_t ops_smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

OPS_ON_DEVICE int64_t ops_larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

OPS_ON_DEVICE int64_t ops_floor_div(int64_t a, int64_t b)
{
    return b == 0 ? 0 : a / b - (a % b != 0 && (a < 0) != (b < 0));
}

OPS_ON_DEVICE int64_t ops_floor_mod(int64_t a, int64_t b)
{
    return a - ops_floor_div(a, b) * b;
}

/* The least k >= 0 with at + k * step >= 0. */
OPS_ON_DEVICE int64_t ops_first_inside(int64_t at, int64_t step)
{
    return at >= 0 ? 0 : (step - 1 - at) / step;
}

/* How many k < count have at + k * step < size. */
OPS_ON_DEVICE int64_t ops_last_inside(int64_t at, int64_t step, int64_t size, int64_t count)
{
    return at >= size ? 0 : ops_smaller(count, (size - at + step - 1) / step);
}

static inline int64_t ops_product(const int64_t *shape, int from, int to)
{
    int64_t n = 1;
    for (int d = from; d < to; ++d) {
        n *= shape[d];
    }
    return n;
}

static inline int ops_copy_sizes(int64_t *to, const int64_t *from, int n)
{
    memcpy(to, from, sizeof(int64_t) * (size_t)n);
    return n;
}

/* The dimension that `dim` names, or -1 with an error set; a 0-d tensor counts as one of size 1. */
static inline int ops_axis(int64_t dim, int ndim)
{
    int n = ndim > 0 ? ndim : 1;
    if (dim < -n || dim >= n) {
        ops_fail(OPS_INDEX_ERROR, "Dimension out of range (expected to be in range of [%d, %d], but got %lld)",
                 -n, n - 1, (long long)dim);
        return -1;
    }
    return (int)(dim < 0 ? dim + n : dim);
}

static inline int64_t ops_size(int ndim, const int64_t *shape, int axis)
{
    return ndim > 0 ? shape[axis] : 1;
}

static inline int ops_same_around(int ndim, const int64_t *a, int other, const int64_t *b, int axis)
{
    int same = ndim == other;
    for (int d = 0; same && d < ndim; ++d) {
        same = d == axis || a[d] == b[d];
    }
    return same;
}

static inline int ops_fits(int small_ndim, const int64_t *small, int ndim, const int64_t *shape, int axis,
                           const char *small_name, const char *name)
{
    int n = small_ndim > 0 ? small_ndim : 1;
    if (n != (ndim > 0 ? ndim : 1)) {
        ops_fail(OPS_RUNTIME_ERROR, "Index tensor must have the same number of dimensions as %s tensor",
                 strcmp(name, "self") == 0 ? "input" : name);
        return 0;
    }
    for (int d = 0; d < small_ndim && d < ndim; ++d) {
        if (d != axis && small[d] > shape[d]) {
            ops_fail(OPS_RUNTIME_ERROR, "Size does not match at dimension %d expected %s %s to be no "
                     "larger than %s %s apart from dimension %d", d, small_name,
                     ops_shape_text(small_ndim, small), name, ops_shape_text(ndim, shape), axis);
            return 0;
        }
    }
    return 1;
}

/* How C++ spells a dtype: some of PyTorch's messages do. */
static inline const char *ops_c_name(int dtype)
{
    return ops_dtype_spelling[dtype];
}

/* Operands are held, and contiguous unless strided. */
static inline ops_tensor *ops_operand(ops_tensor *t, int dtype)
{
    return t->flags & OPS_NONE ? ops_tensor_hold(t) : ops_tensor_dense(t, dtype);
}

static inline ops_tensor *ops_strided_operand(ops_tensor *t, int dtype)
{
    return t->dtype == dtype ? ops_tensor_hold(t) : ops_tensor_dense(t, dtype);
}

/* Can the first n dims be walked as one? */
static inline int ops_collapses(const ops_tensor *t, int n)
{
    for (int d = 0; d + 1 < n; ++d) {
        if (t->stride[d] != t->stride[d + 1] * t->shape[d + 1]) {
            return 0;
        }
    }
    return 1;
}

/* The part of `t` that is no larger than `small`, except along `axis`. */
static inline ops_tensor *ops_narrowed(ops_tensor *t, const ops_tensor *small, int axis)
{
    if (ops_same_around(t->ndim, t->shape, small->ndim, small->shape, axis) || t->ndim == 0) {
        return ops_tensor_hold(t);
    }
    ops_tensor *part = ops_tensor_share(t, t->ndim);
    if (part != NULL) {
        for (int d = 0; d < t->ndim; ++d) {
            part->shape[d] = d == axis ? t->shape[d] : small->shape[d];
            part->stride[d] = t->stride[d];
        }
        ops_tensor_refresh(part);
    }
    return part;
}

static inline ops_tensor *ops_narrowed_operand(ops_tensor *t, const ops_tensor *small, int axis, int dtype)
{
    ops_tensor *part = ops_narrowed(t, small, axis);
    ops_tensor *dense = part == NULL ? NULL : ops_tensor_dense(part, dtype);
    if (part != NULL) {
        ops_tensor_drop(part);
    }
    return dense;
}

/* Elements between neighbours along the axis that is `end`-th from the last; 0 if there is none. */
static inline int64_t ops_stride(const ops_tensor *t, int end)
{
    return t->ndim < end ? 0 : t->stride[t->ndim - end];
}

static inline void ops_release(ops_tensor *const *operands, int n)
{
    for (int k = 0; k < n; ++k) {
        if (operands[k] != NULL) {
            ops_tensor_drop(operands[k]);
        }
    }
}

/* A number argument as an element. */
#define OPS_NUMBER_AS(T, s) ((T)0.5 == (T)0 ? (T)(s).i : (T)(s).f)

#endif
