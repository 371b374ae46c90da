/* Iteration spaces. See opsmith/iterate.h. */
#include "opsmith/iterate.h"

int ops_broadcast_shape(ops_tensor *const *in, int n, int64_t *shape)
{
    int ndim = 0;
    for (int k = 0; k < n; ++k) {
        ndim = in[k]->ndim > ndim ? in[k]->ndim : ndim;
    }
    for (int d = 0; d < ndim; ++d) {
        shape[d] = 1;
    }
    for (int k = 0; k < n; ++k) {
        const ops_tensor *t = in[k];
        int shift = ndim - t->ndim;
        for (int d = 0; d < t->ndim; ++d) {
            int64_t size = t->shape[d], have = shape[d + shift];
            if (size == have || size == 1) {
                continue;
            }
            if (have != 1) {
                ops_fail(OPS_RUNTIME_ERROR,
                         "The size of tensor a (%lld) must match the size of tensor b (%lld) at "
                         "non-singleton dimension %d",
                         (long long)have, (long long)size, d + shift);
                return -1;
            }
            shape[d + shift] = size;
        }
    }
    return ndim;
}

void ops_plan_add(ops_plan *plan, const ops_tensor *t, int want, int output)
{
    ops_operand_plan *o = &plan->op[plan->operands++];
    int64_t size = ops_itemsize(t);
    int shift = plan->ndim - t->ndim, constant = 1;
    o->data = t->data;
    o->dtype = t->dtype;
    o->want = (uint8_t)want;
    o->output = (uint8_t)output;
    o->device = t->device;
    for (int d = 0; d < plan->ndim; ++d) {
        int at = d - shift;
        o->stride[d] = at < 0 || t->shape[at] == 1 ? 0 : t->stride[at] * size;
        constant &= o->stride[d] == 0;
    }
    o->constant = (uint8_t)constant;
}

static int64_t magnitude(int64_t v)
{
    return v < 0 ? -v : v;
}

/* Should dim a be walked slower than dim b? 1 yes, -1 no, 0 undecided. */
static int slower(const ops_plan *plan, int a, int b)
{
    for (int k = 0; k < plan->operands; ++k) {
        int64_t sa = magnitude(plan->op[k].stride[a]), sb = magnitude(plan->op[k].stride[b]);
        if (sa == 0 || sb == 0 || sa == sb) {
            continue;
        }
        return sa > sb ? 1 : -1;
    }
    return 0;
}

void ops_plan_order(const ops_plan *plan, uint8_t *order)
{
    for (int d = 0; d < plan->ndim; ++d) {
        order[d] = (uint8_t)d;
        for (int at = d; at > 0; --at) {
            int verdict = slower(plan, order[at], order[at - 1]);
            if (verdict < 0) {
                break;
            }
            if (verdict > 0) {
                uint8_t swap = order[at];
                order[at] = order[at - 1];
                order[at - 1] = swap;
            } else {
                break;
            }
        }
    }
}

void ops_plan_collapse(ops_plan *plan, const uint8_t *order)
{
    ops_plan old = {.ndim = plan->ndim, .operands = plan->operands};
    memcpy(old.shape, plan->shape, sizeof(int64_t) * (size_t)plan->ndim);
    for (int k = 0; k < plan->operands; ++k) {
        memcpy(old.op[k].stride, plan->op[k].stride, sizeof(int64_t) * (size_t)plan->ndim);
    }
    int n = 0;
    for (int q = 0; q < old.ndim; ++q) {
        int d = order ? order[q] : q;
        if (old.shape[d] == 1) {
            continue;
        }
        int merge = n > 0;
        for (int k = 0; merge && k < plan->operands; ++k) {
            merge = plan->op[k].stride[n - 1] == old.op[k].stride[d] * old.shape[d];
        }
        int at = merge ? n - 1 : n++;
        plan->shape[at] = merge ? plan->shape[at] * old.shape[d] : old.shape[d];
        for (int k = 0; k < plan->operands; ++k) {
            plan->op[k].stride[at] = old.op[k].stride[d];
        }
    }
    if (n == 0) { /* one element */
        plan->shape[0] = 1;
        for (int k = 0; k < plan->operands; ++k) {
            plan->op[k].stride[0] = 0;
        }
        n = 1;
    }
    plan->ndim = n;
}

void ops_plan_seek(const ops_plan *plan, int64_t at, int64_t *index)
{
    for (int d = plan->ndim - 1; d >= 0; --d) {
        index[d] = at % plan->shape[d];
        at /= plan->shape[d];
    }
}
