/* constant_pad_nd: a value around a tensor; negative widths cut. pad_back: what was inside. */
#include "opsmith/convert.h"
#include "opsmith/entry.h"
#include "opsmith/parallel.h"

enum {
    GRAIN = 65536, /* bytes worth handing to another thread */
};

ops_tensor *opsk_constant_pad_nd(ops_tensor *input, int64_t n_pad, const int64_t *pad,
                                 ops_scalar value);
ops_tensor *opsk_pad_back(ops_tensor *input, int64_t n_pad, const int64_t *pad);

/* Runs of the output: a margin of the value, a part of the input, another margin. */
typedef struct job {
    int outer; /* dims before those of a run */
    int64_t shape[OPS_MAX_NDIM];  /* of the output */
    int64_t before[OPS_MAX_NDIM], size[OPS_MAX_NDIM]; /* where the input stands, and how much of it */
    int64_t stride[OPS_MAX_NDIM]; /* of the input, in bytes */
    int64_t left, middle, right;  /* bytes */
    const char *from;             /* the first element that the output still has */
    char *to;
    int64_t item;
    char element[8];
} job;

static void spread(char *to, int64_t bytes, const char *element, int64_t item)
{
    if (item == 4) {
        int32_t v;
        memcpy(&v, element, sizeof v);
        for (int64_t k = 0; k < bytes; k += 4) {
            memcpy(to + k, &v, sizeof v);
        }
    } else if (item == 8) {
        int64_t v;
        memcpy(&v, element, sizeof v);
        for (int64_t k = 0; k < bytes; k += 8) {
            memcpy(to + k, &v, sizeof v);
        }
    } else {
        for (int64_t k = 0; k < bytes; ++k) {
            to[k] = element[k % item];
        }
    }
}

static void run(int64_t lo, int64_t hi, void *arg)
{
    const job *const j = arg;
    const int64_t length = j->left + j->middle + j->right, last = j->outer - 1;
    const int64_t line = j->outer > 0 ? j->shape[last] : 1; /* runs that lie one behind the other */
    for (int64_t row = lo; row < hi;) {
        const int64_t first = row % line, count = line - first < hi - row ? line - first : hi - row;
        const char *from = j->from;
        int inside = j->middle > 0;
        for (int64_t d = last - 1, rest = row / line; d >= 0; rest /= j->shape[d--]) {
            const int64_t k = rest % j->shape[d] - j->before[d];
            inside &= k >= 0 && k < j->size[d];
            from += k * j->stride[d];
        }
        const int64_t start = j->outer > 0 ? j->before[last] : 0;
        const int64_t size = !inside ? 0 : j->outer > 0 ? j->size[last] : 1;
        const int64_t step = j->outer > 0 ? j->stride[last] : 0;
        for (int64_t r = first; r < first + count; ++r, ++row) {
            char *const to = j->to + row * length;
            if (r < start || r >= start + size) {
                spread(to, length, j->element, j->item);
                continue;
            }
            spread(to, j->left, j->element, j->item);
            ops_copy_run(to + j->left, from + (r - start) * step, j->middle);
            spread(to + j->left + j->middle, j->right, j->element, j->item);
        }
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
    int last = n - 1; /* the last dim that changes: what lies inside it moves as one */
    while (last > 0 && before[last] == 0 && after[last] == 0) {
        --last;
    }
    int64_t inner = 1;
    for (int d = n - 1; d > last; --d) {
        inner *= input->shape[d];
    }
    ops_tensor *dense = ops_tensor_hold(input);
    for (int64_t d = n - 1, stride = 1; d >= last && n > 0; stride *= input->shape[d--]) {
        if (input->shape[d] != 1 && input->stride[d] != stride) {
            ops_tensor_drop(dense);
            dense = ops_tensor_dense(input, input->dtype);
            break;
        }
    }
    if (dense == NULL) {
        ops_tensor_drop(out);
        return NULL;
    }
    const int64_t item = ops_itemsize(input);
    job j = {.outer = n > 0 ? last : 0, .to = out->data, .from = dense->data, .item = item};
    int64_t runs = 1, middle = inner;
    for (int d = 0; d <= last; ++d) {
        const int64_t cut = before[d] < 0 ? -before[d] : 0;
        const int64_t size = input->shape[d] - cut - (after[d] < 0 ? -after[d] : 0);
        j.shape[d] = shape[d];
        j.before[d] = before[d] > 0 ? before[d] : 0;
        j.size[d] = size;
        j.stride[d] = dense->stride[d] * item;
        j.from += size > 0 ? cut * j.stride[d] : 0;
        if (d < last) {
            runs *= shape[d];
        } else {
            middle = size > 0 ? size * inner : 0;
            j.left = middle ? j.before[d] * inner * item : shape[d] * inner * item;
            j.right = middle ? shape[d] * inner * item - j.left - middle * item : 0;
        }
    }
    j.middle = middle * item;
    if (ops_is_float(out->dtype)) {
        ops_convert(out->dtype, OPS_F64, 1, &value.f, 0, j.element);
    } else {
        ops_convert(out->dtype, OPS_I64, 1, &value.i, 0, j.element);
    }
    void *lock = ops_gil_leave(out->numel);
    ops_parallel_for(runs, GRAIN / (j.left + j.middle + j.right + 1) + 1, run, &j);
    ops_gil_enter(lock);
    ops_tensor_drop(dense);
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
