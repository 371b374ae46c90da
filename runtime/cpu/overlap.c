/* Do elements share memory, of one tensor or of two? See opsmith/tensor.h. */
#include <string.h>

#include "opsmith/abi.h"

/* Sufficient and, for strides that nest, exact: sorted by stride, each dim must step beyond
 * everything the smaller ones reach. Interleaving strides are reported as overlapping. */
int ops_tensor_overlaps_itself(const ops_tensor *t)
{
    if ((t->flags & OPS_CONTIGUOUS) || t->numel <= 1) {
        return 0;
    }
    int64_t stride[OPS_MAX_NDIM], size[OPS_MAX_NDIM];
    int n = 0;
    for (int d = 0; d < t->ndim; ++d) {
        if (t->shape[d] == 1) {
            continue;
        }
        int64_t step = t->stride[d] < 0 ? -t->stride[d] : t->stride[d];
        int at = n++;
        for (; at > 0 && stride[at - 1] > step; --at) {
            stride[at] = stride[at - 1];
            size[at] = size[at - 1];
        }
        stride[at] = step;
        size[at] = t->shape[d];
    }
    int64_t reach = 0;
    for (int k = 0; k < n; ++k) {
        if (stride[k] <= reach) {
            return 1;
        }
        reach += stride[k] * (size[k] - 1);
    }
    return 0;
}

static void extent(const ops_tensor *t, const char **lo, const char **hi)
{
    int64_t low = 0, high = 0;
    for (int d = 0; d < t->ndim; ++d) {
        int64_t reach = t->stride[d] * (t->shape[d] - 1);
        if (reach < 0) {
            low += reach;
        } else {
            high += reach;
        }
    }
    *lo = t->data + low * ops_itemsize(t);
    *hi = t->data + (high + 1) * ops_itemsize(t);
}

/* Do the elements fill the memory between the first and the last of them? */
static int fills(const ops_tensor *t, const char *lo, const char *hi)
{
    return hi - lo == t->numel * ops_itemsize(t) && !ops_tensor_overlaps_itself(t);
}

int ops_tensors_overlap(const ops_tensor *a, const ops_tensor *b)
{
    if (a->storage != b->storage || a->numel == 0 || b->numel == 0) {
        return 0;
    }
    if (a->data == b->data && a->dtype == b->dtype && ops_same_shape(a, b) &&
        memcmp(a->stride, b->stride, sizeof(int64_t) * a->ndim) == 0) {
        return 0;
    }
    const char *alo, *ahi, *blo, *bhi;
    extent(a, &alo, &ahi);
    extent(b, &blo, &bhi);
    if (alo >= bhi || blo >= ahi) {
        return OPS_APART;
    }
    return fills(a, alo, ahi) && fills(b, blo, bhi) ? OPS_OVERLAP : OPS_MAY_OVERLAP;
}

void ops_refuse_overlap(void)
{
    ops_fail(OPS_RUNTIME_ERROR,
             "unsupported operation: some elements of the input tensor and the written-to tensor "
             "refer to a single memory location. Please clone() the tensor before performing the "
             "operation.");
}
