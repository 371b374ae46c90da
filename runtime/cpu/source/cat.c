/* cat: tensors one behind the other along a dim, promoted to one dtype. */
#include <stdlib.h>

#include "opsmith/entry.h"

enum { GIL_LIMIT = 32768 };

ops_tensor *opsk_cat(const double *tensors, int64_t n_tensors, int64_t dim);

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
            ops_fail(OPS_RUNTIME_ERROR, "Expected all tensors to be on the same device, but found at "
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
        ops_fail(OPS_INDEX_ERROR, "Dimension out of range (expected to be in range of [%d, %d], but got "
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
            ops_fail(OPS_RUNTIME_ERROR, "Tensors must have same number of dimensions: got %d and %d",
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

ops_tensor *opsk_cat(const double *tensors, int64_t n_tensors, int64_t dim)
{
    if (n_tensors == 0) {
        return ops_fail(OPS_RUNTIME_ERROR, "torch.cat(): expected a non-empty list of Tensors");
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
    int64_t item = ops_itemsize(out), rows = 1, inner = item;
    for (int64_t d = 0; d < dim; ++d) {
        rows *= shape[d];
    }
    for (int64_t d = dim + 1; d < ndim; ++d) {
        inner *= shape[d];
    }
    int64_t pitch = inner * shape[dim];
    char *to = out->data;
    for (int64_t k = 0; k < n_tensors; ++k) {
        ops_tensor *t = ops_from_handle(tensors[k]);
        if (t->numel == 0) {
            continue;
        }
        int64_t bytes = inner * t->shape[dim];
        if ((t->flags & OPS_CONTIGUOUS) && t->dtype == dtype && device == OPS_CPU) {
            void *lock = t->numel > GIL_LIMIT && ops_gil_release ? ops_gil_release() : NULL;
            copy_rows(to, pitch, t->data, rows, bytes);
            if (lock) {
                ops_gil_acquire(lock);
            }
        } else {
            ops_tensor *part = ops_tensor_share(out, ndim);
            if (part == NULL) {
                ops_tensor_drop(out);
                return NULL;
            }
            part->data = to;
            memcpy(part->shape, t->shape, (size_t)ndim * sizeof *part->shape);
            memcpy(part->stride, out->stride, (size_t)ndim * sizeof *part->stride);
            ops_tensor_refresh(part);
            int ok = ops_tensor_copy(part, t);
            ops_tensor_drop(part);
            if (!ok) {
                ops_tensor_drop(out);
                return NULL;
            }
        }
        to += bytes;
    }
    return out;
}
