/* flip: a copy read through negative strides. */
#include "opsmith/entry.h"

ops_tensor *opsk_flip(ops_tensor *input, int64_t n_dims, const int64_t *dims);

ops_tensor *opsk_flip(ops_tensor *input, int64_t n_dims, const int64_t *dims)
{
    ops_tensor *mirror = ops_tensor_alias(input);
    if (mirror == NULL) {
        return NULL;
    }
    uint64_t done = 0;
    for (int64_t k = 0; k < n_dims; ++k) {
        int64_t n = input->ndim, d = dims[k] < 0 ? dims[k] + n : dims[k];
        if (n == 0 && (dims[k] == 0 || dims[k] == -1)) {
            continue;
        }
        if (d < 0 || d >= n) {
            int64_t last = n > 0 ? n - 1 : 0;
            ops_tensor_drop(mirror);
            return ops_fail(OPS_INDEX_ERROR,
                            "Dimension out of range (expected to be in range of [%lld, %lld], but got "
                            "%lld)", (long long)(-last - 1), (long long)last, (long long)dims[k]);
        }
        if (done >> d & 1) {
            ops_tensor_drop(mirror);
            return ops_fail(OPS_RUNTIME_ERROR, "dim %lld appears multiple times in the list of dims",
                            (long long)d);
        }
        done |= (uint64_t)1 << d;
        if (input->numel > 0) {
            mirror->data += (input->shape[d] - 1) * input->stride[d] * ops_itemsize(input);
        }
        mirror->stride[d] = -mirror->stride[d];
    }
    ops_tensor_refresh(mirror);
    ops_tensor *out = ops_tensor_like(input, input->dtype, input->device);
    if (out != NULL) {
        ops_tensor_copy(out, mirror);
    }
    ops_tensor_drop(mirror);
    return out;
}
