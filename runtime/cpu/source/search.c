/* search: where values would go into sorted lines, by bisection. */
#include "opsmith/entry.h"
#include "opsmith/parallel.h"

enum { GRAIN = 1024 };

ops_tensor *opsk_search(ops_tensor *lines, ops_tensor *input, int right);

typedef struct job {
    const ops_tensor *lines, *input;
    int64_t *out;
    int64_t n, m; /* elements of a line, and values asked of it */
    int right, floats, shared; /* shared: one line for all values */
} job;

#define BISECT(type)                                                                               \
    {                                                                                              \
        const type *line = (const type *)j->lines->data + (j->shared ? 0 : k / j->m * j->n);       \
        const type v = ((const type *)j->input->data)[k];                                          \
        int64_t lo = 0, hi = j->n;                                                                 \
        while (lo < hi) {                                                                          \
            int64_t mid = lo + (hi - lo) / 2;                                                      \
            if (j->right ? !(line[mid] > v) : !(line[mid] >= v)) {                                 \
                lo = mid + 1;                                                                      \
            } else {                                                                               \
                hi = mid;                                                                          \
            }                                                                                      \
        }                                                                                          \
        j->out[k] = lo;                                                                            \
    }

static void bisect(int64_t from, int64_t to, void *arg)
{
    const job *j = arg;
    for (int64_t k = from; k < to; ++k) {
        if (j->floats) {
            BISECT(double)
        } else {
            BISECT(int64_t)
        }
    }
}

ops_tensor *opsk_search(ops_tensor *lines, ops_tensor *input, int right)
{
    if (lines->ndim == 0) {
        return ops_fail(OPS_RUNTIME_ERROR,
                        "torch.searchsorted(): boundaries tensor should have positive "
                        "dimension, but got 0 dimension");
    }
    int same = lines->ndim == 1;
    if (!same && lines->ndim == input->ndim) {
        same = 1;
        for (int d = 0; d < lines->ndim - 1; ++d) {
            same &= lines->shape[d] == input->shape[d];
        }
    }
    if (!same) {
        return ops_fail(OPS_RUNTIME_ERROR,
                        "torch.searchsorted(): boundaries tensor should be 1 dimension or "
                        "the first N-1 dimensions of boundaries tensor and input value tensor "
                        "must match, "
                        "but we got boundaries tensor %s and input value tensor %s",
                        ops_shape_text(lines->ndim, lines->shape),
                        ops_shape_text(input->ndim, input->shape));
    }
    ops_tensor *out = ops_tensor_new(OPS_I64, input->device, input->ndim, input->shape);
    if (out == NULL || !ops_devices[input->device]->has_memory || input->numel == 0) {
        return out;
    }
    int floats = ops_is_float(lines->dtype) || ops_is_float(input->dtype);
    int dtype = floats ? OPS_F64 : OPS_I64; /* every dtype fits one of the two */
    ops_tensor *a = ops_tensor_dense(lines, dtype), *b = a ? ops_tensor_dense(input, dtype) : NULL;
    if (b == NULL) {
        if (a) {
            ops_tensor_drop(a);
        }
        ops_tensor_drop(out);
        return NULL;
    }
    job j = {.lines = a, .input = b, .out = (int64_t *)out->data, .right = right, .floats = floats,
             .n = a->shape[a->ndim - 1], .m = b->ndim ? b->shape[b->ndim - 1] : 1,
             .shared = a->ndim == 1};
    void *lock = ops_gil_leave(b->numel);
    ops_parallel_for(b->numel, GRAIN, bisect, &j);
    ops_gil_enter(lock);
    ops_tensor_drop(a);
    ops_tensor_drop(b);
    return out;
}
