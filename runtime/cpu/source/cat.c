/* cat and stack: tensors one behind the other along a dim, or along a new one, in one dtype. */
#include <stdlib.h>

#include "opsmith/entry.h"

ops_tensor *opsk_cat(const double *tensors, int64_t n_tensors, int64_t dim);
ops_tensor *opsk_stack(const double *tensors, int64_t n_tensors, int64_t dim);

/* PyTorch lets vectors without elements join tensors of any rank; they add nothing. */
static int adds_nothing(const ops_tensor *t)
{
    return t->ndim == 1 && t->shape[0] == 0;
}

/* Rank, dim and shape of the result; 0 with an error set where the tensors do not fit. */
static int shape_of(const double *tensors, int64_t n, int64_t *dim, int *ndim, int64_t *shape)
{
    const ops_tensor *model = NULL, *first = ops_from_handle(tensors[0]);
    for (int64_t k = 0; k < n; ++k) {
        const ops_tensor *t = ops_from_handle(tensors[k]);
        if (t->ndim == 0) {
            ops_fail(OPS_RUNTIME_ERROR, "zero-dimensional tensor (at position %lld) cannot be "
                     "concatenated", (long long)k);
            return 0;
        }
        if (t->device != first->device) {
            ops_fail(OPS_RUNTIME_ERROR,
                     "Expected all tensors to be on the same device, but found at "
                     "least two devices, %s and %s!", ops_devices[first->device]->name,
                     ops_devices[t->device]->name);
            return 0;
        }
        if (model == NULL && !adds_nothing(t)) {
            model = t;
        }
    }
    model = model == NULL ? first : model;
    *ndim = model->ndim;
    int64_t d = *dim < 0 ? *dim + *ndim : *dim;
    if (d < 0 || d >= *ndim) {
        ops_fail(OPS_INDEX_ERROR,
                 "Dimension out of range (expected to be in range of [%d, %d], but got "
                 "%lld)", -*ndim, *ndim - 1, (long long)*dim);
        return 0;
    }
    *dim = d;
    memcpy(shape, model->shape, (size_t)*ndim * sizeof *shape);
    shape[d] = 0;
    for (int64_t k = 0; k < n; ++k) {
        const ops_tensor *t = ops_from_handle(tensors[k]);
        if (adds_nothing(t)) {
            continue;
        }
        if (t->ndim != *ndim) {
            ops_fail(OPS_RUNTIME_ERROR,
                     "Tensors must have same number of dimensions: got %d and %d",
                     *ndim, t->ndim);
            return 0;
        }
        for (int e = 0; e < *ndim; ++e) {
            if (e != d && t->shape[e] != shape[e]) {
                ops_fail(OPS_RUNTIME_ERROR, "Sizes of tensors must match except in dimension %lld. "
                         "Expected size %lld but got size %lld for tensor number %lld in the list.",
                         (long long)d, (long long)shape[e], (long long)t->shape[e], (long long)k);
                return 0;
            }
        }
        shape[d] += t->shape[d];
    }
    return 1;
}

static int common_dtype(const double *tensors, int64_t n)
{
    int dtype = ops_from_handle(tensors[0])->dtype, mixed = 0;
    for (int64_t k = 1; k < n; ++k) {
        mixed |= ops_from_handle(tensors[k])->dtype != dtype;
    }
    if (!mixed) {
        return dtype;
    }
    ops_tensor **all = malloc((size_t)n * sizeof *all);
    if (all == NULL) {
        ops_fail(OPS_MEMORY_ERROR, "cat: no memory for %lld tensors", (long long)n);
        return -1;
    }
    for (int64_t k = 0; k < n; ++k) {
        all[k] = ops_from_handle(tensors[k]);
    }
    dtype = ops_common_dtype("cat", all, NULL, (int)n);
    free(all);
    return dtype;
}

/* `rows` blocks of `bytes` from a dense tensor into rows `pitch` bytes apart. */
static void copy_rows(char *to, int64_t pitch, const char *from, int64_t rows, int64_t bytes)
{
    switch (bytes) {
    case 4:
        for (int64_t r = 0; r < rows; ++r) {
            memcpy(to + r * pitch, from + r * 4, 4);
        }
        return;
    case 8:
        for (int64_t r = 0; r < rows; ++r) {
            memcpy(to + r * pitch, from + r * 8, 8);
        }
        return;
    default:
        for (int64_t r = 0; r < rows; ++r) {
            memcpy(to + r * pitch, from + r * bytes, (size_t)bytes);
        }
    }
}

/* Put `t` into `out` at `to`, `rows` blocks `pitch` bytes apart; `stride`: of the dims of `out`
 * that `t` has. */
static int put(ops_tensor *out, char *to, const int64_t *stride, ops_tensor *t, int64_t rows,
               int64_t pitch)
{
    if ((t->flags & OPS_CONTIGUOUS) && t->dtype == out->dtype && out->device == OPS_CPU) {
        void *lock = ops_gil_leave(t->numel);
        copy_rows(to, pitch, t->data, rows, t->numel / rows * ops_itemsize(t));
        ops_gil_enter(lock);
        return 1;
    }
    ops_tensor *part = ops_tensor_share(out, t->ndim);
    if (part == NULL) {
        return 0;
    }
    part->data = to;
    memcpy(part->shape, t->shape, (size_t)t->ndim * sizeof *part->shape);
    memcpy(part->stride, stride, (size_t)t->ndim * sizeof *part->stride);
    ops_tensor_refresh(part);
    int ok = ops_tensor_copy(part, t);
    ops_tensor_drop(part);
    return ok;
}

ops_tensor *opsk_cat(const double *tensors, int64_t n_tensors, int64_t dim)
{
    if (n_tensors == 0) {
        return ops_fail(OPS_VALUE_ERROR, "torch.cat(): expected a non-empty list of Tensors");
    }
    int ndim;
    int64_t shape[OPS_MAX_NDIM];
    int dtype;
    if (!shape_of(tensors, n_tensors, &dim, &ndim, shape) ||
        (dtype = common_dtype(tensors, n_tensors)) < 0) {
        return NULL;
    }
    int device = ops_from_handle(tensors[0])->device;
    ops_tensor *out = ops_tensor_new(dtype, device, ndim, shape);
    if (out == NULL || !ops_devices[device]->has_memory || out->numel == 0) {
        return out;
    }
    int64_t rows = 1, block = out->stride[dim] * ops_itemsize(out);
    for (int64_t d = 0; d < dim; ++d) {
        rows *= shape[d];
    }
    char *to = out->data;
    for (int64_t k = 0; k < n_tensors; ++k) {
        ops_tensor *t = ops_from_handle(tensors[k]);
        if (t->numel == 0) {
            continue;
        }
        if (!put(out, to, out->stride, t, rows, block * shape[dim])) {
            ops_tensor_drop(out);
            return NULL;
        }
        to += block * t->shape[dim];
    }
    return out;
}

ops_tensor *opsk_stack(const double *tensors, int64_t n_tensors, int64_t dim)
{
    if (n_tensors == 0) {
        return ops_fail(OPS_RUNTIME_ERROR, "stack expects a non-empty TensorList");
    }
    const ops_tensor *first = ops_from_handle(tensors[0]);
    int ndim = first->ndim + 1;
    int64_t d = dim < 0 ? dim + ndim : dim;
    if (d < 0 || d >= ndim) {
        return ops_fail(OPS_INDEX_ERROR,
                        "Dimension out of range (expected to be in range of [%d, %d], but "
                        "got %lld)", -ndim, ndim - 1, (long long)dim);
    }
    if (ndim > OPS_MAX_NDIM) {
        return ops_fail(OPS_RUNTIME_ERROR, "stack: more than %d dimensions", OPS_MAX_NDIM);
    }
    for (int64_t k = 1; k < n_tensors; ++k) {
        const ops_tensor *t = ops_from_handle(tensors[k]);
        if (!ops_same_shape(first, t)) {
            return ops_fail(OPS_RUNTIME_ERROR,
                            "stack expects each tensor to be equal size, but got %s at "
                            "entry 0 and %s at entry %lld",
                            ops_shape_text(first->ndim, first->shape),
                            ops_shape_text(t->ndim, t->shape), (long long)k);
        }
        if (t->device != first->device) {
            return ops_fail(OPS_RUNTIME_ERROR,
                            "Expected all tensors to be on the same device, but found "
                            "at least two devices, %s and %s!", ops_devices[first->device]->name,
                            ops_devices[t->device]->name);
        }
    }
    int64_t shape[OPS_MAX_NDIM], stride[OPS_MAX_NDIM], rows = 1;
    for (int e = 0; e < ndim; ++e) {
        shape[e] = e < d ? first->shape[e] : e == d ? n_tensors : first->shape[e - 1];
        rows *= e < d ? shape[e] : 1;
    }
    int dtype = common_dtype(tensors, n_tensors);
    ops_tensor *out = dtype < 0 ? NULL : ops_tensor_new(dtype, first->device, ndim, shape);
    if (out == NULL || !ops_devices[first->device]->has_memory || out->numel == 0) {
        return out;
    }
    for (int e = 0; e < first->ndim; ++e) {
        stride[e] = out->stride[e < d ? e : e + 1];
    }
    int64_t block = out->stride[d] * ops_itemsize(out);
    for (int64_t k = 0; k < n_tensors; ++k) {
        ops_tensor *t = ops_from_handle(tensors[k]);
        if (!put(out, out->data + k * block, stride, t, rows, block * n_tensors)) {
            ops_tensor_drop(out);
            return NULL;
        }
    }
    return out;
}
