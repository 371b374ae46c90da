/* pad_fill: pairs of sizes for the last dims first, as F.pad takes them; positive ones add elements
 * of a value, negative ones cut off. With sign -1 the pairs are negated: the adjoint. */
#include "opsmith/entry.h"

ops_tensor *opsk_pad_fill(ops_tensor *input, int64_t n_pad, const int64_t *pad, ops_scalar value,
                          int64_t sign);

/* A view of t: in dim d from start[d], shape[d] elements. */
static ops_tensor *part_of(const ops_tensor *t, const int64_t *start, const int64_t *shape)
{
    ops_tensor *view = ops_tensor_share(t, t->ndim);
    if (view == NULL) {
        return NULL;
    }
    view->data = t->data;
    for (int d = 0; d < t->ndim; ++d) {
        view->shape[d] = shape[d];
        view->stride[d] = t->stride[d];
        view->data += start[d] * t->stride[d] * ops_itemsize(t);
    }
    ops_tensor_refresh(view);
    return view;
}

static void fill(ops_tensor *t, ops_scalar value)
{
    int64_t item = ops_itemsize(t);
    char *p = t->data, bits[8] = {0};
    switch (t->dtype) {
    case OPS_F64:
        memcpy(bits, &value.f, 8);
        break;
    case OPS_F32: {
        float f = (float)value.f;
        memcpy(bits, &f, 4);
        break;
    }
    case OPS_BF16:
    case OPS_F16: {
        ops_convert(t->dtype, OPS_F64, 1, (const char *)&value.f, 0, bits);
        break;
    }
    case OPS_BOOL:
        bits[0] = value.i != 0;
        break;
    default:
        memcpy(bits, &value.i, (size_t)item); /* little endian: the low bytes come first */
    }
    for (int64_t k = 0; k < t->numel; ++k, p += item) {
        memcpy(p, bits, (size_t)item);
    }
}

ops_tensor *opsk_pad_fill(ops_tensor *input, int64_t n_pad, const int64_t *pad, ops_scalar value,
                          int64_t sign)
{
    int n = input->ndim;
    int64_t shape[OPS_MAX_NDIM], to_start[OPS_MAX_NDIM], from_start[OPS_MAX_NDIM],
        common[OPS_MAX_NDIM];
    if (n_pad % 2 != 0 || n_pad > 2 * n) {
        return ops_fail(OPS_RUNTIME_ERROR, n_pad % 2 ? "Padding length must be divisible by 2" :
                        "Padding length should be less than or equal to two times the input "
                        "dimension but got padding length %lld and input of dimension %d",
                        (long long)n_pad, n);
    }
    for (int d = 0; d < n; ++d) {
        int64_t k = 2 * (n - 1 - d);
        int64_t before = k < n_pad ? sign * pad[k] : 0, after = k < n_pad ? sign * pad[k + 1] : 0;
        shape[d] = input->shape[d] + before + after;
        if (shape[d] < 0) {
            return ops_fail(OPS_RUNTIME_ERROR, "The input size %lld, plus negative padding %lld and "
                            "%lld, resulted in a negative output size, which is invalid. Check "
                            "dimension %d of your input.", (long long)input->shape[d],
                            (long long)before, (long long)after, d);
        }
        to_start[d] = before > 0 ? before : 0;
        from_start[d] = before < 0 ? -before : 0;
        common[d] = input->shape[d] - from_start[d] + (after < 0 ? after : 0);
        common[d] = common[d] < 0 ? 0 : common[d];
        if (common[d] == 0) {
            to_start[d] = from_start[d] = 0;
        }
    }
    ops_tensor *out = ops_tensor_new(input->dtype, input->device, n, shape);
    if (out == NULL || !ops_devices[out->device]->has_memory) {
        return out;
    }
    fill(out, value);
    ops_tensor *to = part_of(out, to_start, common), *from = part_of(input, from_start, common);
    int copied = to != NULL && from != NULL && ops_tensor_copy(to, from);
    if (to != NULL) {
        ops_tensor_drop(to);
    }
    if (from != NULL) {
        ops_tensor_drop(from);
    }
    if (!copied) {
        ops_tensor_drop(out);
        return NULL;
    }
    return out;
}
