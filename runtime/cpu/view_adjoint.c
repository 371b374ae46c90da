/* The way back through a view: zeros with the gradient added where the view looks. See
 * opsmith/view.h. */
#include "opsmith/iterate.h"
#include "opsmith/parallel.h"
#include "view_checks.h"

enum {
    ROW_GRAIN = 32768, /* elements worth handing to another thread */
};

#define ADD_ROW(name, type)                                                                       \
    static void name(int64_t n, char *restrict to, int64_t to_step, const char *restrict from,    \
                     int64_t from_step)                                                           \
    {                                                                                             \
        type *restrict y = (type *)to;                                                            \
        const type *restrict x = (const type *)from;                                              \
        if (to_step == 0) {                                                                       \
            type sum = *y;                                                                        \
            for (int64_t k = 0; k < n; ++k) {                                                     \
                sum = (type)(sum + x[k * from_step]);                                             \
            }                                                                                     \
            *y = sum;                                                                             \
        } else if (to_step == 1 && from_step == 1) {                                              \
            for (int64_t k = 0; k < n; ++k) {                                                     \
                y[k] = (type)(y[k] + x[k]);                                                       \
            }                                                                                     \
        } else {                                                                                  \
            for (int64_t k = 0; k < n; ++k) {                                                     \
                y[k * to_step] = (type)(y[k * to_step] + x[k * from_step]);                       \
            }                                                                                     \
        }                                                                                         \
    }
ADD_ROW(add_f64, double)
ADD_ROW(add_f32, float)
ADD_ROW(add_u64, uint64_t) /* integers wrap */
ADD_ROW(add_u32, uint32_t)
#undef ADD_ROW

static void add_bool(int64_t n, char *restrict to, int64_t to_step, const char *restrict from,
                     int64_t from_step)
{
    for (int64_t k = 0; k < n; ++k) {
        to[k * to_step] |= from[k * from_step];
    }
}

typedef struct adding {
    const ops_plan *plan;
    void (*row)(int64_t, char *restrict, int64_t, const char *restrict, int64_t);
    int64_t item;
} adding;

/* Positions lo to hi of the outermost dim. */
static void add_range(int64_t lo, int64_t hi, void *arg)
{
    const adding *a = arg;
    const ops_plan *plan = a->plan;
    const ops_operand_plan *to = &plan->op[0], *from = &plan->op[1];
    int last = plan->ndim - 1;
    int64_t to_step = to->stride[last] / a->item, from_step = from->stride[last] / a->item;
    char *y = to->data + lo * to->stride[0], *x = from->data + lo * from->stride[0];
    if (last == 0) {
        a->row(hi - lo, y, to_step, x, from_step);
        return;
    }
    int64_t index[OPS_MAX_NDIM] = {0};
    index[0] = lo;
    while (index[0] < hi) {
        a->row(plan->shape[last], y, to_step, x, from_step);
        for (int d = last - 1; d >= 0; --d) {
            y += to->stride[d];
            x += from->stride[d];
            if (++index[d] < plan->shape[d] || d == 0) {
                break;
            }
            y -= plan->shape[d] * to->stride[d];
            x -= plan->shape[d] * from->stride[d];
            index[d] = 0;
        }
    }
}

/* Do different positions of the outermost dim write different elements? */
static int outer_is_apart(const ops_plan *plan)
{
    const ops_operand_plan *to = &plan->op[0];
    int64_t reach = 0;
    for (int d = 1; d < plan->ndim; ++d) {
        int64_t step = to->stride[d] < 0 ? -to->stride[d] : to->stride[d];
        reach += step * (plan->shape[d] - 1);
    }
    return (to->stride[0] < 0 ? -to->stride[0] : to->stride[0]) > reach;
}

int ops_tensor_accumulate(ops_tensor *to, ops_tensor *from)
{
    adding a = {.item = ops_itemsize(to)};
    switch (to->dtype) {
    case OPS_F64: a.row = add_f64; break;
    case OPS_F32: a.row = add_f32; break;
    case OPS_I64: a.row = add_u64; break;
    case OPS_I32: a.row = add_u32; break;
    case OPS_BOOL: a.row = add_bool; break;
    default:
        ops_fail(OPS_RUNTIME_ERROR, "cannot accumulate in dtype %s", ops_dtype_name[to->dtype]);
        return 0;
    }
    if (to->numel == 0 || !ops_devices[to->device]->has_memory) {
        return 1;
    }
    ops_tensor *values = from->dtype == to->dtype ? ops_tensor_hold(from)
                                                  : ops_tensor_dense(from, to->dtype);
    if (values == NULL) {
        return 0;
    }
    ops_plan plan;
    plan.ndim = to->ndim;
    plan.operands = 0;
    plan.numel = to->numel;
    memcpy(plan.shape, to->shape, sizeof(int64_t) * to->ndim);
    ops_plan_add(&plan, to, to->dtype, 1);
    ops_plan_add(&plan, values, to->dtype, 0);
    uint8_t order[OPS_MAX_NDIM];
    ops_plan_order(&plan, order);
    ops_plan_collapse(&plan, order);
    a.plan = &plan;
    int64_t row = plan.numel / plan.shape[0];
    void *lock = ops_gil_leave(plan.numel);
    if (outer_is_apart(&plan)) {
        ops_parallel_for(plan.shape[0], ROW_GRAIN / row + 1, add_range, &a);
    } else {
        add_range(0, plan.shape[0], &a);
    }
    ops_gil_enter(lock);
    ops_tensor_drop(values);
    return 1;
}

int ops_adjoint_begin(ops_geometry *g, const ops_tensor *grad, int64_t n, const int64_t *sizes)
{
    g->owned = 0;
    g->failed = 1;
    if (room_for(n)) {
        return 1;
    }
    ops_tensor *out = ops_tensor_new(grad->dtype, grad->device, (int)n, sizes);
    if (out == NULL) {
        return 1;
    }
    ops_geometry_load(g, out);
    g->owned = 1;
    return 0;
}

static int fill_zero(ops_tensor *t)
{
    if (t->device != OPS_CPU && ops_devices[t->device]->has_memory) {
        ops_fail(OPS_NOT_IMPLEMENTED, "the adjoint of a view is not available on device %s",
                 ops_devices[t->device]->name);
        return 0;
    }
    if (t->device == OPS_CPU && t->numel > 0) {
        memset(t->data, 0, (size_t)(t->numel * ops_itemsize(t)));
    }
    return 1;
}

/* The geometry of `like` over a fresh storage of the same size, its elements unset. */
static int load_like(ops_geometry *g, int dtype, int device, ops_tensor *like)
{
    int64_t low, high;
    g->owned = 0;
    bounds(like, &low, &high);
    if (low < 0) {
        return ops_view_refuse(OPS_RUNTIME_ERROR,
                               "the gradient of as_strided is not available for an input with "
                               "negative strides");
    }
    ops_tensor *out = ops_tensor_new(dtype, device, 1, &high);
    if (out == NULL) {
        return 1;
    }
    ops_geometry_load(g, like);
    g->source = out;
    g->owned = 1;
    return 0;
}

int ops_adjoint_begin_like(ops_geometry *g, const ops_tensor *grad, ops_tensor *like)
{
    if (ops_tensor_overlaps_itself(like)) {
        g->owned = 0;
        return ops_view_refuse(OPS_RUNTIME_ERROR,
                               "the gradient of as_strided is not available for an input whose "
                               "elements share memory");
    }
    return load_like(g, grad->dtype, grad->device, like);
}

/* Elements of `view`, a view of the dense `out`, receive `grad`. */
static int scatter(ops_tensor *out, ops_tensor *view, ops_tensor *grad)
{
    if (!ops_tensor_overlaps_itself(view)) {
        return (view->numel == out->numel || fill_zero(out)) && ops_tensor_copy(view, grad);
    }
    int wide = ops_compute_dtype[out->dtype];
    if (wide == out->dtype) {
        return fill_zero(out) && ops_tensor_accumulate(view, grad);
    }
    /* Sums are kept in the compute dtype and rounded once. */
    ops_tensor *sums = ops_tensor_new(wide, out->device, out->ndim, out->shape);
    if (sums == NULL) {
        return 0;
    }
    ops_geometry g;
    ops_geometry_load(&g, view);
    g.source = sums;
    ops_tensor *wide_view = ops_geometry_view(&g, 0);
    int ok = wide_view != NULL && fill_zero(sums) && ops_tensor_accumulate(wide_view, grad) &&
             ops_tensor_copy(out, sums);
    if (wide_view != NULL) {
        ops_tensor_drop(wide_view);
    }
    ops_tensor_drop(sums);
    return ok;
}

ops_tensor *ops_adjoint_end(ops_geometry *g, int failed, ops_tensor *grad, ops_tensor *like)
{
    if (!g->owned) {
        return NULL; /* begin failed */
    }
    ops_tensor *out = ops_tensor_hold(g->source);
    ops_tensor *view = ops_geometry_view(g, failed);
    int ok = view != NULL;
    if (ok && !ops_same_shape(view, grad)) {
        ok = !ops_view_refuse(OPS_RUNTIME_ERROR,
                              "the gradient of a view of shape %s cannot have shape %s",
                              ops_shape_text(view->ndim, view->shape),
                              ops_shape_text(grad->ndim, grad->shape));
    }
    ok = ok && scatter(out, view, grad);
    if (view != NULL) {
        ops_tensor_drop(view);
    }
    if (ok && like == NULL) {
        return out;
    }
    if (ok) {
        ops_geometry_load(g, like);
        g->source = out;
        g->owned = 1;
        return ops_geometry_view(g, 0);
    }
    ops_tensor_drop(out);
    return NULL;
}

ops_tensor *opsk_lay_out(ops_tensor *t, ops_tensor *like)
{
    ops_geometry g;
    if (!ops_same_shape(t, like)) {
        return ops_fail(OPS_RUNTIME_ERROR, "expected a tensor of shape %s, found %s",
                        ops_shape_text(like->ndim, like->shape), ops_shape_text(t->ndim, t->shape));
    }
    if (load_like(&g, t->dtype, t->device, like)) {
        return NULL;
    }
    int zero = fill_zero(g.source);
    ops_tensor *out = ops_geometry_view(&g, !zero);
    if (out != NULL && !ops_tensor_copy(out, t)) {
        ops_tensor_drop(out);
        return NULL;
    }
    return out;
}
