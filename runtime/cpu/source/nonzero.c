/* nonzero: positions of the elements that are not zero, in row-major order: count, then fill. */
#include "opsmith/entry.h"

ops_tensor *opsk_nonzero_rows(ops_tensor *input);

static int is_set(int dtype, const char *p)
{
#define NATIVE(_, NAME, code, type, category)                                                      \
    case OPS_##NAME:                                                                               \
        return *(const type *)p != 0;
#define PACKED(NAME, code, type, e, m, finite)                                                     \
    case OPS_##NAME:                                                                               \
        return (*(const type *)p & ((1u << (e + m)) - 1)) != 0; /* without the sign */
    switch (dtype) {
        OPS_FOR_EACH_NATIVE(NATIVE, )
        OPS_FOR_EACH_PACKED(PACKED)
    }
#undef NATIVE
#undef PACKED
    return 0;
}

ops_tensor *opsk_nonzero_rows(ops_tensor *input)
{
    if (!ops_devices[input->device]->has_memory) {
        return ops_fail(OPS_NOT_IMPLEMENTED, "nonzero: the size of the result depends on the values, "
                        "and a %s tensor has none", ops_devices[input->device]->name);
    }
    ops_tensor *dense = ops_tensor_dense(input, input->dtype);
    if (dense == NULL) {
        return NULL;
    }
    int64_t item = ops_itemsize(dense), count = 0, ndim = dense->ndim;
    for (int64_t k = 0; k < dense->numel; ++k) {
        count += is_set(dense->dtype, dense->data + k * item);
    }
    int64_t shape[2] = {count, ndim};
    ops_tensor *out = ops_tensor_new(OPS_I64, input->device, 2, shape);
    if (out == NULL) {
        ops_tensor_drop(dense);
        return NULL;
    }
    int64_t position[OPS_MAX_NDIM] = {0};
    int64_t *row = (int64_t *)out->data;
    for (int64_t k = 0; k < dense->numel; ++k) {
        if (is_set(dense->dtype, dense->data + k * item)) {
            memcpy(row, position, (size_t)ndim * sizeof *row);
            row += ndim;
        }
        for (int64_t d = ndim - 1; d >= 0; --d) {
            if (++position[d] < dense->shape[d]) {
                break;
            }
            position[d] = 0;
        }
    }
    ops_tensor_drop(dense);
    return out;
}
