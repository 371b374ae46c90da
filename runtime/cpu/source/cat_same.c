/* cat_same: tensors of one dtype, one after the other along a dim. */
#include "opsmith/entry.h"

ops_tensor *opsk_cat_same(const double *tensors, int64_t n_tensors, int64_t dim);

ops_tensor *opsk_cat_same(const double *tensors, int64_t n_tensors, int64_t dim)
{
    if (n_tensors == 0) {
        return ops_fail(OPS_RUNTIME_ERROR, "torch.cat(): expected a non-empty list of Tensors");
    }
    const ops_tensor *first = ops_from_handle(tensors[0]);
    int n = first->ndim;
    int64_t shape[OPS_MAX_NDIM], total = 0;
    if (n == 0) {
        return ops_fail(OPS_RUNTIME_ERROR, "zero-dimensional tensor (at position 0) cannot be "
                        "concatenated");
    }
    int64_t d = dim < 0 ? dim + n : dim;
    if (d < 0 || d >= n) {
        return ops_fail(OPS_INDEX_ERROR, "Dimension out of range (expected to be in range of [%d, %d], "
                        "but got %lld)", -n, n - 1, (long long)dim);
    }
    for (int64_t k = 0; k < n_tensors; ++k) {
        const ops_tensor *t = ops_from_handle(tensors[k]);
        if (t->ndim != n) {
            return ops_fail(OPS_RUNTIME_ERROR, "Tensors must have same number of dimensions: got %d "
                            "and %d", n, t->ndim);
        }
        for (int j = 0; j < n; ++j) {
            if (j != d && t->shape[j] != first->shape[j]) {
                return ops_fail(OPS_RUNTIME_ERROR, "Sizes of tensors must match except in dimension "
                                "%lld. Expected size %lld but got size %lld for tensor number %lld in "
                                "the list.", (long long)d, (long long)first->shape[j],
                                (long long)t->shape[j], (long long)k);
            }
        }
        total += t->shape[d];
    }
    memcpy(shape, first->shape, (size_t)n * sizeof *shape);
    shape[d] = total;
    ops_tensor *out = ops_tensor_new(first->dtype, first->device, n, shape);
    if (out == NULL || !ops_devices[out->device]->has_memory) {
        return out;
    }
    int64_t item = ops_itemsize(out), inner = item, outer = 1, at = 0;
    for (int64_t j = d + 1; j < n; ++j) {
        inner *= shape[j];
    }
    for (int64_t j = 0; j < d; ++j) {
        outer *= shape[j];
    }
    ops_tensor *part = NULL; /* a view of the output, for operands that are not dense */
    for (int64_t k = 0; k < n_tensors; ++k) {
        const ops_tensor *t = ops_from_handle(tensors[k]);
        int64_t run = t->shape[d] * inner;
        if (t->numel == 0) {
            continue;
        }
        char *to = out->data + at * inner;
        if ((t->flags & OPS_CONTIGUOUS) && t->dtype == out->dtype) {
            for (int64_t a = 0; a < outer; ++a) {
                memcpy(to + a * total * inner, t->data + a * run, (size_t)run);
            }
        } else {
            part = ops_tensor_share(out, n);
            if (part == NULL) {
                ops_tensor_drop(out);
                return NULL;
            }
            for (int j = 0; j < n; ++j) {
                part->shape[j] = t->shape[j];
                part->stride[j] = out->stride[j];
            }
            part->data = to;
            ops_tensor_refresh(part);
            int copied = ops_tensor_copy(part, t);
            ops_tensor_drop(part);
            if (!copied) {
                ops_tensor_drop(out);
                return NULL;
            }
        }
        at += t->shape[d];
    }
    return out;
}
