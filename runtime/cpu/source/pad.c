/* constant_pad_nd: a value around a tensor; negative widths cut. pad_back: what was inside. */
#include "opsmith/convert.h"
#include "opsmith/entry.h"

enum { GIL_LIMIT = 32768 };

ops_tensor *opsk_constant_pad_nd(ops_tensor *input, int64_t n_pad, const int64_t *pad,
                                 ops_scalar value);
ops_tensor *opsk_pad_back(ops_tensor *input, int64_t n_pad, const int64_t *pad);

static void fill(ops_tensor *out, ops_scalar value)
{
    int64_t item = ops_itemsize(out), total = out->numel * item;
    char element[8];
    if (ops_is_float(out->dtype)) {
        ops_convert(out->dtype, OPS_F64, 1, &value.f, 0, element);
    } else {
        ops_convert(out->dtype, OPS_I64, 1, &value.i, 0, element);
    }
    void *lock = out->numel > GIL_LIMIT && ops_gil_release ? ops_gil_release() : NULL;
    memcpy(out->data, element, (size_t)item);
    for (int64_t done = item; done < total;) { /* what is filled doubles */
        int64_t more = done < total - done ? done : total - done;
        memcpy(out->data + done, out->data, (size_t)more);
        done += more;
    }
    if (lock) {
        ops_gil_acquire(lock);
    }
}

/* `sign` -1 takes the padding away again. */
static ops_tensor *padded(ops_tensor *input, int64_t n_pad, const int64_t *pad, int64_t sign,
                          ops_scalar value)
{
    int n = input->ndim, changed = (int)(n_pad / 2);
    if (n_pad % 2) {
        return ops_fail(OPS_RUNTIME_ERROR, "Length of pad must be even but instead it equals %lld",
                        (long long)n_pad);
    }
    if (changed > n) {
        return ops_fail(OPS_RUNTIME_ERROR,
                        "Length of pad should be no more than twice the number of "
                        "dimensions of the input. Pad length is %lld while the input has %d "
                        "dimensions.",
                        (long long)n_pad, n);
    }
    int64_t shape[OPS_MAX_NDIM], before[OPS_MAX_NDIM] = {0}, after[OPS_MAX_NDIM] = {0};
    for (int d = 0; d < n; ++d) {
        int k = n - 1 - d; /* pairs start at the last dim */
        if (k < changed) {
            before[d] = sign * pad[2 * k];
            after[d] = sign * pad[2 * k + 1];
        }
        shape[d] = input->shape[d] + before[d] + after[d];
        if (shape[d] < 0) {
            return ops_fail(OPS_RUNTIME_ERROR,
                            "The input size %lld, plus negative padding %lld and %lld, "
                            "resulted in a negative output size, which is invalid. Check "
                            "dimension %d of "
                            "your input.", (long long)input->shape[d], (long long)before[d],
                            (long long)after[d], d);
        }
    }
    ops_tensor *out = ops_tensor_new(input->dtype, input->device, n, shape);
    if (out == NULL || !ops_devices[input->device]->has_memory || out->numel == 0) {
        return out;
    }
    int64_t inside = 1;
    for (int d = 0; d < n; ++d) { /* positions of the input that the output still has */
        int64_t lo = before[d] < 0 ? -before[d] : 0;
        int64_t hi = input->shape[d] - (after[d] < 0 ? -after[d] : 0);
        inside *= hi > lo ? hi - lo : 0;
    }
    if (inside < out->numel) {
        fill(out, value);
    }
    if (inside == 0) {
        return out;
    }
    ops_tensor *to = ops_tensor_share(out, n), *from = to ? ops_tensor_share(input, n) : NULL;
    if (from == NULL) {
        if (to) {
            ops_tensor_drop(to);
        }
        ops_tensor_drop(out);
        return NULL;
    }
    to->data = out->data;
    from->data = input->data;
    int64_t item = ops_itemsize(input);
    for (int d = 0; d < n; ++d) {
        int64_t cut = before[d] < 0 ? -before[d] : 0, start = before[d] > 0 ? before[d] : 0;
        int64_t size = input->shape[d] - cut - (after[d] < 0 ? -after[d] : 0);
        from->data += cut * input->stride[d] * item;
        to->data += start * out->stride[d] * item;
        from->shape[d] = to->shape[d] = size;
        from->stride[d] = input->stride[d];
        to->stride[d] = out->stride[d];
    }
    ops_tensor_refresh(from);
    ops_tensor_refresh(to);
    int ok = ops_tensor_copy(to, from);
    ops_tensor_drop(to);
    ops_tensor_drop(from);
    if (!ok) {
        ops_tensor_drop(out);
        return NULL;
    }
    return out;
}

ops_tensor *opsk_constant_pad_nd(ops_tensor *input, int64_t n_pad, const int64_t *pad,
                                 ops_scalar value)
{
    return padded(input, n_pad, pad, 1, value);
}

ops_tensor *opsk_pad_back(ops_tensor *input, int64_t n_pad, const int64_t *pad)
{
    return padded(input, n_pad, pad, -1, (ops_scalar){0, 0});
}
