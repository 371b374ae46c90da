/* The pointwise driver: one place for promotion, broadcasting, strides, dtypes, overlap, threads.
 *
 * Kernels see contiguous blocks of their own element types. Operands that already are that are
 * passed by pointer; all others are converted to or from blocks of at most BLOCK elements.
 */
#include <math.h>

#include "opsmith/backend.h"
#include "opsmith/convert.h"
#include "opsmith/entry.h"
#include "opsmith/iterate.h"
#include "opsmith/parallel.h"
#include "opsmith/pointwise.h"

enum {
    BLOCK = 512,            /* elements converted at a time: a few operands stay in L1 */
    SHORT_ROW = 48,         /* rows shorter than this are gathered across rows */
    GRAIN_NS = 8000,        /* least work worth handing to another thread */
};

/* Promotion ------------------------------------------------------------------------------------ */

/* The dtype of a higher-priority category wins unless the lower one is of a higher kind. */
static int combine(int higher, int lower)
{
    if (higher < 0 || lower < 0) {
        return higher < 0 ? lower : higher;
    }
    return ops_kind_rank(lower) > ops_kind_rank(higher) ? ops_promote[higher][lower] : higher;
}

int ops_common_dtype(const char *name, ops_tensor *const *in, const uint8_t *input_class, int n)
{
    int dims = -1, zero = -1, number = -1;
    for (int k = 0; k < n; ++k) {
        const ops_tensor *t = in[k];
        if ((input_class && input_class[k] != OPS_OPERAND_COMMON) || (t->flags & OPS_NONE)) {
            continue;
        }
        int dtype = t->dtype;
        int *slot = &dims;
        if (OPS_UNLIKELY(t->flags & OPS_NUMBER)) {
            dtype = ops_kind_rank(dtype) == 2 ? ops_default_dtype : dtype;
            slot = &number;
        } else if (t->ndim == 0) {
            slot = &zero;
        }
        *slot = *slot < 0 ? dtype : ops_promote[*slot][dtype];
    }
    int common = combine(dims, combine(zero, number));
    if (common < 0) {
        ops_fail(OPS_TYPE_ERROR, "%s(): no tensor argument to take a dtype from", name);
    }
    return common;
}

int ops_apply_rule(int rule, int common)
{
    switch (rule) {
    case OPS_RULE_INT_TO_FLOAT:
        return ops_kind_rank(common) < 2 ? ops_default_dtype : common;
    case OPS_RULE_INT_TO_LONG:
        return ops_kind_rank(common) < 2 ? OPS_I64 : common;
    case OPS_RULE_BOOL_TO_LONG:
        return common == OPS_BOOL ? OPS_I64 : common;
    case OPS_RULE_LONG:
        return OPS_I64;
    default:
        return common;
    }
}

ops_tensor *ops_number_tensor(ops_number *n, int kind, double f, int64_t i)
{
    ops_tensor *t = (ops_tensor *)n->storage;
    t->refcount = 1;
    t->dtype = kind == 1 ? OPS_F64 : kind == 2 ? OPS_BOOL : OPS_I64;
    t->ndim = 0;
    t->device = OPS_CPU;
    t->flags = OPS_NUMBER | OPS_CONTIGUOUS;
    t->numel = 1;
    t->storage = NULL;
    if (kind == 1) {
        n->value.f = f;
    } else if (kind == 2) {
        n->value.b = i != 0;
    } else {
        n->value.i = i;
    }
    t->data = (char *)&n->value;
    return t;
}

/* Checks shared by every family ---------------------------------------------------------------- */

static int mixed(const char *name, int a, int b)
{
    ops_fail(OPS_RUNTIME_ERROR,
             "%s: Expected all tensors to be on the same device, but found at least two devices, "
             "%s and %s!",
             name, ops_devices[a]->name, ops_devices[b]->name);
    return 0;
}

int ops_same_device(const char *name, ops_tensor *const *in, int n, int *device)
{
    for (int k = 0; k < n; ++k) {
        if (in[k]->flags & (OPS_NUMBER | OPS_NONE)) {
            continue;
        }
        if (*device < 0) {
            *device = in[k]->device;
        } else if (OPS_UNLIKELY(*device != in[k]->device)) {
            return mixed(name, *device, in[k]->device);
        }
    }
    return 1;
}

int ops_check_operands(const char *name, ops_tensor *const *in, int n)
{
    int flags = 0, device = -1;
    for (int k = 0; k < n; ++k) {
        flags |= in[k]->flags;
    }
    if (OPS_LIKELY(!((flags | OPS_ALWAYS) & ops_diverted))) {
        return !ops_same_device(name, in, n, &device);
    }
    ops_fail(OPS_SLOW_PATH, "slow path");
    return 1;
}

int ops_check_views(ops_tensor *const *in, int n, int record)
{
    (void)record; /* a write may have made the base require grad: then its views do, too */
    if (!ops_grad_enabled) {
        return 0;
    }
    for (int k = 0; k < n; ++k) {
        if (OPS_UNLIKELY((in[k]->flags & OPS_VIEW) && in[k]->born != in[k]->version->count)) {
            ops_fail(OPS_STALE_VIEW, "stale view");
            return 1;
        }
    }
    return 0;
}

int ops_saved_are_valid(const char *op, ops_tensor *const *saved, int n, double seq)
{
    for (int k = 0; k < n; ++k) {
        const ops_tensor *t = saved[k];
        if (OPS_UNLIKELY(!(t->flags & (OPS_NONE | OPS_NUMBER)) && t->version->stamp > seq)) {
            ops_fail(OPS_RUNTIME_ERROR,
                     "one of the variables needed for gradient computation has been modified by an "
                     "inplace operation: a tensor of shape %s saved by %s is at version %u, written "
                     "after it was saved. Hint: enable anomaly detection to find the operation, with "
                     "opsmith.autograd.set_detect_anomaly(True).",
                     ops_shape_text(t->ndim, t->shape), op, t->version->count);
            return 0;
        }
    }
    return 1;
}

/* Running a plan ------------------------------------------------------------------------------- */

/* What a kernel found wrong with the elements of its block; set by the thread that ran it. */
typedef struct refusal {
    enum ops_status status;
    const char *text; /* null: nothing */
} refusal;

static __thread refusal refused;

void ops_refuse(enum ops_status status, const char *text)
{
    refused = (refusal){status, text};
}

/* Turn this thread's refusal into the pending error; 0 if there is none. */
static int take_refusal(void)
{
    if (OPS_LIKELY(refused.text == NULL)) {
        return 0;
    }
    ops_fail(refused.status, "%s", refused.text);
    refused.text = NULL;
    return 1;
}

typedef struct job {
    const ops_plan *plan;
    ops_pointwise_kernel kernel;
    const char *refused_text; /* of some thread, behind refused_status */
    int refused_status;
    const ops_scalar *s;
    uint8_t direct[OPS_MAX_OPERANDS]; /* contiguous along a row and of the wanted type */
    uint8_t periodic[OPS_MAX_OPERANDS]; /* an input whose rows are all the same memory */
    int all_direct;
    unsigned constant; /* bit k: operand k is one number throughout the call */
    int gather; /* rows are short: blocks cross rows, and pass by pointer what is dense */
    int64_t block; /* most elements at a time where not all is direct */
} job;

typedef struct cursor {
    int64_t index[OPS_MAX_NDIM];
} cursor;

static char *address(const ops_plan *plan, const ops_operand_plan *o, const int64_t *index)
{
    char *p = o->data;
    for (int d = 0; d < plan->ndim; ++d) {
        p += index[d] * o->stride[d];
    }
    return p;
}

static void advance(const ops_plan *plan, int64_t *index, int64_t n)
{
    int last = plan->ndim - 1;
    index[last] += n;
    for (int d = last; d > 0 && index[d] >= plan->shape[d]; --d) {
        int64_t carry = index[d] / plan->shape[d]; /* a gathered block crosses several rows */
        index[d] -= carry * plan->shape[d];
        index[d - 1] += carry;
    }
}

/* Walk `n` elements from `index` row piece by row piece, to or from a contiguous block. */
static void transfer(const ops_plan *plan, const ops_operand_plan *o, const int64_t *from, int64_t n,
                     char *block)
{
    int last = plan->ndim - 1;
    int64_t row = plan->shape[last], size = ops_dtype_size[o->want];
    int64_t index[OPS_MAX_NDIM];
    memcpy(index, from, sizeof(int64_t) * (size_t)plan->ndim);
    while (n > 0) {
        int64_t piece = row - index[last] < n ? row - index[last] : n;
        char *p = address(plan, o, index);
        if (o->output) {
            ops_convert_out(o->dtype, o->want, piece, block, p, o->stride[last]);
        } else if (last > 0 && piece == row) { /* whole lines of one plane */
            const int64_t left = plan->shape[last - 1] - index[last - 1];
            const int64_t lines = left < n / row ? left : n / row;
            ops_convert_lines(o->want, o->dtype, lines, row, p, o->stride[last - 1],
                              o->stride[last], block);
            piece = lines * row;
        } else {
            ops_convert(o->want, o->dtype, piece, p, o->stride[last], block);
        }
        block += piece * size;
        n -= piece;
        advance(plan, index, piece);
    }
}

static void run_range(int64_t lo, int64_t hi, void *arg)
{
    job *j = arg;
    const ops_plan *plan = j->plan;
    int last = plan->ndim - 1, operands = plan->operands;
    int64_t row = plan->shape[last];
    cursor at;
    ops_plan_seek(plan, lo, at.index);
    char *p[OPS_MAX_OPERANDS];
    char *blocks = NULL;
    int filled = 0;
    if (!j->all_direct) {
        blocks = ops_scratch(OPS_SCRATCH_BLOCKS, (size_t)operands * BLOCK * 8);
        for (int k = 0; k < operands; ++k) {
            const ops_operand_plan *o = &plan->op[k];
            if (o->constant && !o->output) {
                int64_t n = hi - lo < BLOCK ? hi - lo : BLOCK;
                ops_convert(o->want, o->dtype, n, o->data, 0, blocks + (int64_t)k * BLOCK * 8);
            }
        }
    }
    while (lo < hi) {
        int64_t n = hi - lo;
        if (!j->gather && row - at.index[last] < n) {
            n = row - at.index[last];
        }
        if (!j->all_direct && n > j->block) {
            n = j->block;
        }
        for (int k = 0; k < operands; ++k) {
            const ops_operand_plan *o = &plan->op[k];
            if (o->data == NULL) {
                p[k] = NULL;
            } else if (j->direct[k]) {
                p[k] = address(plan, o, at.index);
            } else {
                p[k] = blocks + (int64_t)k * BLOCK * 8;
                if (!o->output && !o->constant && !(j->periodic[k] && filled)) {
                    transfer(plan, o, at.index, n, p[k]);
                }
            }
        }
        filled = 1; /* blocks are whole rows: those of the same rows begin alike */
        j->kernel(n, p, j->s, lo, j->constant);
        if (OPS_UNLIKELY(refused.text != NULL)) {
            __atomic_store_n(&j->refused_status, (int)refused.status, __ATOMIC_RELAXED);
            __atomic_store_n(&j->refused_text, refused.text, __ATOMIC_RELEASE);
            refused.text = NULL;
            return;
        }
        for (int k = 0; k < operands && plan->op[k].output; ++k) {
            if (p[k] != NULL && !j->direct[k]) {
                transfer(plan, &plan->op[k], at.index, n, p[k]);
            }
        }
        lo += n;
        advance(plan, at.index, n);
    }
}

/* Does the operand lie in memory in the order of the plan, without gaps? */
static int dense(const ops_plan *plan, const ops_operand_plan *o)
{
    int64_t step = ops_dtype_size[o->dtype];
    for (int d = plan->ndim - 1; d >= 0; step *= plan->shape[d--]) {
        if (o->stride[d] != step && plan->shape[d] != 1) {
            return 0;
        }
    }
    return 1;
}

/* Is every row of the operand the same memory? */
static int repeats(const ops_plan *plan, const ops_operand_plan *o)
{
    for (int d = 0; d < plan->ndim - 1; ++d) {
        if (o->stride[d] != 0) {
            return 0;
        }
    }
    return 1;
}

/* 0 with an error set where the kernel refuses an element. */
static int run(const ops_plan *plan, ops_pointwise_kernel kernel, const ops_scalar *s, float cost)
{
    job j = {.plan = plan, .kernel = kernel, .s = s, .all_direct = 1, .block = BLOCK};
    int last = plan->ndim - 1;
    int rows_direct = 1;
    for (int k = 0; k < plan->operands; ++k) {
        const ops_operand_plan *o = &plan->op[k];
        int ok = o->dtype == o->want && o->stride[last] == ops_dtype_size[o->want];
        ok |= o->data == NULL;
        j.direct[k] = (uint8_t)ok;
        rows_direct &= ok | (o->constant & !o->output);
        j.constant |= (unsigned)(o->constant & !o->output) << k;
        j.all_direct &= ok;
    }
    if (plan->ndim > 1 && (plan->shape[last] < SHORT_ROW ||
                           (!rows_direct && plan->shape[last] < 2 * SHORT_ROW))) {
        j.gather = 1;
        j.all_direct = 1;
        for (int k = 0; k < plan->operands; ++k) {
            const ops_operand_plan *o = &plan->op[k];
            j.direct[k] &= o->data == NULL || dense(plan, o);
            j.all_direct &= j.direct[k];
            j.periodic[k] = !o->output && repeats(plan, o);
        }
        j.block = plan->shape[last] <= BLOCK ? BLOCK / plan->shape[last] * plan->shape[last] : BLOCK;
    }
    int64_t n = plan->numel;
    if (n * (double)cost < 2 * GRAIN_NS) {
        run_range(0, n, &j);
    } else {
        int64_t grain = (int64_t)(GRAIN_NS / cost) / BLOCK * BLOCK;
        void *lock = ops_gil_leave(n);
        ops_parallel_for(n, grain < BLOCK ? BLOCK : grain, run_range, &j);
        ops_gil_enter(lock);
    }
    if (OPS_UNLIKELY(j.refused_text != NULL)) {
        ops_fail((enum ops_status)j.refused_status, "%s", j.refused_text);
        return 0;
    }
    return 1;
}

/* On whatever device; 0 with an error set. */
static int launch(int device, const ops_pointwise_op *op, int compute, const ops_plan *plan,
                  const ops_scalar *s)
{
    const ops_backend *backend = ops_backend_of(device);
    if (OPS_UNLIKELY(backend != NULL)) {
        return backend->pointwise(op, compute, plan, s);
    }
    return run(plan, op->kernels[compute], s, op->cost);
}

/* Entries -------------------------------------------------------------------------------------- */

static int can_cast(int from, int to)
{
    return ops_kind_rank(from) <= ops_kind_rank(to);
}

static int element_dtype(int cls, int compute)
{
    return cls == OPS_OPERAND_BOOL ? OPS_BOOL
           : cls == OPS_OPERAND_LONG ? OPS_I64
                                     : ops_compute_storage[compute];
}

/* Drop those there are, but for the one that is the caller's. */
static void drop(ops_tensor *const *t, int n, const ops_tensor *keep)
{
    for (int k = 0; k < n; ++k) {
        if (t[k] != NULL && t[k] != keep) {
            ops_tensor_drop(t[k]);
        }
    }
}

/* Refuse an input that surely shares some elements with the output in another order; a dense copy of
 * one that may. */
static int separate(ops_tensor **in, int n, const ops_tensor *dst, ops_tensor **copies)
{
    int made = 0;
    for (int k = 0; k < n; ++k) {
        int overlap = in[k]->flags & (OPS_NUMBER | OPS_NONE) ? 0 : ops_tensors_overlap(in[k], dst);
        if (overlap == OPS_OVERLAP) {
            ops_refuse_overlap();
            drop(copies, made, NULL);
            return -1;
        }
        if (overlap) {
            ops_tensor *copy = ops_tensor_new(in[k]->dtype, in[k]->device, in[k]->ndim, in[k]->shape);
            copies[made++] = copy;
            if (copy == NULL || !ops_tensor_copy(copy, in[k])) {
                drop(copies, made, NULL);
                return -1;
            }
            in[k] = copy;
        }
    }
    return made;
}

static int check_destination(const ops_pointwise_op *op, ops_tensor *dst, int ndim,
                             const int64_t *shape, int result, int inplace)
{
    if (dst->storage->readonly) {
        ops_fail(OPS_RUNTIME_ERROR, "%s: the output's memory is read-only", op->name);
        return 0;
    }
    if (!can_cast(result, dst->dtype)) {
        ops_fail(OPS_RUNTIME_ERROR, "result type %s can't be cast to the desired output type %s",
                 ops_dtype_name[result], ops_dtype_name[dst->dtype]);
        return 0;
    }
    int same = dst->ndim == ndim && memcmp(dst->shape, shape, sizeof(int64_t) * (size_t)ndim) == 0;
    if (!same && !inplace) { /* out= takes the result's shape; Python warns if it had elements */
        return ops_tensor_resize(dst, ndim, shape);
    }
    if (!same) {
        ops_fail(OPS_RUNTIME_ERROR, "output with shape %s doesn't match the broadcast shape %s",
                 ops_shape_text(dst->ndim, dst->shape), ops_shape_text(ndim, shape));
        return 0;
    }
    if (ops_tensor_overlaps_itself(dst)) {
        ops_fail(OPS_RUNTIME_ERROR,
                 "unsupported operation: more than one element of the written-to tensor refers to "
                 "a single memory location. Please clone() the tensor before performing the "
                 "operation.");
        return 0;
    }
    return 1;
}

/* Does `op` on these give integers (or booleans)? */
static int gives_integers(ops_tensor *const *in, const uint8_t *input_class, int n)
{
    int common = ops_common_dtype("", in, input_class, n);
    return common >= 0 && ops_compute_index[common] > OPS_C_F32;
}

int ops_refuse_number(const ops_pointwise_op *op, ops_tensor *const *in, enum ops_number_rule rule,
                      const char *name, int kind, int64_t i)
{
    switch (rule) {
    case OPS_NUMBER_NATURAL:
        if (kind != 0 || i >= 0 || !gives_integers(in, op->input_class, op->inputs)) {
            return 0;
        }
        ops_fail(OPS_RUNTIME_ERROR,
                 "%s(): %s is negative (%lld), which is not allowed where the result is an integer",
                 op->name, name, (long long)i);
        return 1;
    case OPS_NUMBER_COMMON:
        if (kind == 1 && gives_integers(in, op->input_class, op->inputs)) {
            ops_fail(OPS_RUNTIME_ERROR,
                     "%s(): %s must not be a floating point number for integral input tensors",
                     op->name, name);
            return 1;
        }
        if (kind == 2 && ops_common_dtype("", in, op->input_class, op->inputs) != OPS_BOOL) {
            ops_fail(OPS_RUNTIME_ERROR, "%s(): %s may be a boolean only where the result is",
                     op->name, name);
            return 1;
        }
    }
    return 0;
}

/* One device, or another one and 0-d tensors of the CPU, which pass for numbers. */
static int check_devices(const char *name, ops_tensor *const *in, int n, int *device)
{
    int found = -1;
    for (int k = 0; k < n; ++k) {
        if (!(in[k]->flags & (OPS_NUMBER | OPS_NONE)) && (found < 0 || found == OPS_CPU)) {
            found = in[k]->device;
        }
    }
    for (int k = 0; k < n; ++k) {
        if (!(in[k]->flags & (OPS_NUMBER | OPS_NONE)) && in[k]->device != found &&
            !(in[k]->device == OPS_CPU && in[k]->ndim == 0)) {
            return mixed(name, found, in[k]->device);
        }
    }
    *device = found < 0 ? OPS_CPU : found;
    return 1;
}

/* The outputs of the plan's shape, `dst` the first of them if it is given; those that could not be
 * had are null, and the answer is 0. */
static int new_outputs(const ops_pointwise_op *op, int device, int compute, int result,
                       const ops_plan *plan, const uint8_t *order, ops_tensor *dst, ops_tensor **out)
{
    int ok = 1;
    for (int k = 0; k < op->outputs; ++k) {
        int cls = op->output_class[k];
        int dtype = cls == OPS_OPERAND_COMMON ? result : element_dtype(cls, compute);
        out[k] = dst != NULL && k == 0 ? dst
                 : ok ? ops_tensor_new_ordered(dtype, device, plan->ndim, plan->shape, order)
                      : NULL;
        ok &= out[k] != NULL;
    }
    return ok;
}

/* Compute the outputs from the operands that the plan has; 0 where the kernel refuses. */
static int fill(const ops_pointwise_op *op, int device, int compute, const ops_plan *plan,
                const uint8_t *order, ops_tensor *const *out, const ops_scalar *s)
{
    ops_plan full = {.ndim = plan->ndim, .numel = out[0]->numel}; /* outputs come first */
    if (full.numel == 0 || !ops_devices[device]->has_memory) {
        return 1;
    }
    memcpy(full.shape, plan->shape, sizeof(int64_t) * (size_t)plan->ndim);
    for (int k = 0; k < op->outputs; ++k) {
        int cls = op->output_class[k];
        ops_plan_add(&full, out[k],
                     cls == OPS_OPERAND_COMMON && op->rule == OPS_RULE_BOOL
                         ? OPS_BOOL : element_dtype(cls, compute), 1);
    }
    memcpy(&full.op[op->outputs], plan->op, sizeof(ops_operand_plan) * (size_t)op->inputs);
    full.operands = op->outputs + op->inputs;
    ops_plan_collapse(&full, order);
    return launch(device, op, compute, &full, s);
}

static double general(const ops_pointwise_op *op, ops_tensor *const *inputs, int record,
                      const ops_scalar *s, ops_tensor *dst, int inplace, double stamp)
{
    ops_tensor *in[OPS_MAX_OPERANDS], *copies[OPS_MAX_OPERANDS];
    int n = op->inputs, made = 0, device;
    memcpy(in, inputs, sizeof(ops_tensor *) * (size_t)n);
    if (!check_devices(op->name, in, n, &device)) {
        return 0.0;
    }
    int common = ops_common_dtype(op->name, in, op->input_class, n);
    if (common < 0) {
        return 0.0;
    }
    int typed = ops_apply_rule(op->rule, common);
    int compute = ops_compute_index[typed];
    int result = op->rule == OPS_RULE_BOOL ? OPS_BOOL : typed;
    if (OPS_UNLIKELY(op->kernels[compute] == NULL)) {
        ops_fail(OPS_NOT_IMPLEMENTED, "\"%s\" not implemented for '%s'", op->name,
                 ops_dtype_name[typed]);
        return 0.0;
    }
    ops_plan plan;
    plan.operands = 0;
    plan.ndim = ops_broadcast_shape(in, n, plan.shape);
    if (plan.ndim < 0) {
        return 0.0;
    }
    int rare = 0;
    for (int k = 0; k < n; ++k) {
        const int cls = op->input_class[k];
        if ((cls == OPS_OPERAND_COMMON || cls == OPS_OPERAND_FOLLOW) &&
            !(in[k]->flags & OPS_NUMBER)) {
            rare |= in[k]->dtype != result || in[k]->ndim != plan.ndim ||
                    memcmp(in[k]->shape, plan.shape, sizeof(int64_t) * (size_t)plan.ndim) != 0;
        }
    }
    if (dst != NULL) {
        if (OPS_UNLIKELY(dst->device != device)) {
            ops_fail(OPS_RUNTIME_ERROR,
                     "%s: Expected out tensor to have device %s, but got %s instead", op->name,
                     ops_devices[device]->name, ops_devices[dst->device]->name);
            return 0.0;
        }
        if (!check_destination(op, dst, plan.ndim, plan.shape, result, inplace) ||
            (made = separate(in, n, dst, copies)) < 0) {
            return 0.0;
        }
    }
    uint8_t order[OPS_MAX_NDIM];
    for (int k = 0; k < n; ++k) {
        ops_plan_add(&plan, in[k], element_dtype(op->input_class[k], compute), 0);
    }
    for (int d = 0; d < plan.ndim; ++d) {
        order[d] = (uint8_t)d;
    }
    if (!op->ordered) {
        ops_plan_order(&plan, order);
    }
    ops_tensor *out[OPS_MAX_OPERANDS];
    int ok = new_outputs(op, device, compute, result, &plan, order, dst, out) &&
             fill(op, device, compute, &plan, order, out, s);
    drop(copies, made, NULL);
    if (OPS_UNLIKELY(!ok)) {
        drop(out, op->outputs, dst);
        return 0.0;
    }
    if (dst != NULL) {
        ops_tensor_written(dst, stamp);
    }
    for (int k = 1; k < op->outputs; ++k) {
        ops_more[k] = ops_to_handle(out[k]);
    }
    return ops_result(out[0], record, rare);
}

/* Is `dst` the first operand, writable, and the others either of the very same memory or of other
 * storages? Then no element is read after it was written, if all are contiguous and of one shape. */
static int writes_itself(ops_tensor *const *in, int n, const ops_tensor *dst)
{
    if (in[0] != dst || dst->storage->readonly) {
        return 0;
    }
    for (int k = 1; k < n; ++k) {
        if (!(in[k]->flags & OPS_NUMBER) && in[k]->storage == dst->storage &&
            in[k]->data != dst->data) {
            return 0;
        }
    }
    return 1;
}

static void drop_new(ops_tensor *out, const ops_tensor *dst)
{
    if (out != dst) {
        ops_tensor_drop(out);
    }
}

double ops_pointwise(const ops_pointwise_op *op, ops_tensor *const *in, int record,
                     const ops_scalar *s, ops_tensor *dst, int inplace, double stamp)
{
    int n = op->inputs, flags = 0, all_contiguous = OPS_CONTIGUOUS;
    for (int k = 0; k < n; ++k) {
        flags |= in[k]->flags;
        all_contiguous &= in[k]->flags;
    }
    if (OPS_UNLIKELY((flags | OPS_ALWAYS) & ops_diverted)) {
        ops_fail(OPS_SLOW_PATH, "slow path");
        return 0.0;
    }
    if (OPS_UNLIKELY(flags & OPS_VIEW) && ops_check_views(in, n, record)) {
        return 0.0;
    }
    /* The common case: one dtype, one shape, contiguous, a single output, on the CPU: new, or the
     * first operand itself. Numbers that do not change the dtype are welcome. */
    const ops_tensor *first = in[0];
    if (OPS_LIKELY((dst == NULL || writes_itself(in, n, dst)) && all_contiguous &&
                   op->outputs == 1 && first->device == OPS_CPU && !(first->flags & OPS_NUMBER))) {
        int compute = ops_compute_index[first->dtype];
        int stored = ops_compute_storage[compute] == first->dtype;
        int floats = compute <= OPS_C_F32;
        for (int k = 0; stored && k < n; ++k) {
            if (in[k]->flags & OPS_NUMBER) {
                stored = ops_kind_rank(in[k]->dtype) <= ops_kind_rank(first->dtype) && first->ndim > 0;
            } else {
                stored = in[k]->dtype == first->dtype && ops_same_shape(in[k], first) &&
                         in[k]->device == OPS_CPU;
            }
            stored &= op->input_class[k] == OPS_OPERAND_COMMON;
        }
        if (OPS_LIKELY(stored && op->kernels[compute] != NULL &&
                       (floats || op->rule == OPS_RULE_COMMON || op->rule == OPS_RULE_BOOL))) {
            int result = op->rule == OPS_RULE_BOOL ? OPS_BOOL
                         : op->output_class[0] == OPS_OPERAND_COMMON ? first->dtype
                         : element_dtype(op->output_class[0], compute);
            if (OPS_UNLIKELY(dst != NULL && result != dst->dtype)) {
                return general(op, in, record, s, dst, inplace, stamp);
            }
            ops_tensor *out =
                dst != NULL ? dst : ops_tensor_new(result, OPS_CPU, first->ndim, first->shape);
            if (OPS_UNLIKELY(out == NULL)) {
                return 0.0;
            }
            int64_t count = first->numel;
            if (count <= BLOCK) {
                char *p[OPS_MAX_OPERANDS];
                char *blocks = NULL;
                unsigned constant = 0;
                p[0] = out->data;
                for (int k = 0; k < n; ++k) {
                    p[k + 1] = in[k]->data;
                    if (in[k]->flags & OPS_NUMBER) {
                        if (blocks == NULL) {
                            blocks = ops_scratch(OPS_SCRATCH_BLOCKS, OPS_MAX_OPERANDS * BLOCK * 8);
                        }
                        p[k + 1] = blocks + (int64_t)k * BLOCK * 8;
                        ops_convert(first->dtype, in[k]->dtype, count, in[k]->data, 0, p[k + 1]);
                        constant |= 2u << k;
                    }
                }
                op->kernels[compute](count, p, s, 0, constant);
                if (OPS_UNLIKELY(op->checked) && take_refusal()) {
                    drop_new(out, dst);
                    return 0.0;
                }
            } else {
                ops_plan plan;
                plan.ndim = 1;
                plan.operands = n + 1;
                plan.numel = plan.shape[0] = count;
                for (int k = 0; k <= n; ++k) {
                    const ops_tensor *t = k ? in[k - 1] : out;
                    ops_operand_plan *o = &plan.op[k];
                    int number = t->flags & OPS_NUMBER;
                    o->data = t->data;
                    o->dtype = t->dtype;
                    o->want = number ? first->dtype : t->dtype;
                    o->stride[0] = number ? 0 : ops_itemsize(t);
                    o->output = k == 0;
                    o->constant = number != 0;
                }
                if (OPS_UNLIKELY(!run(&plan, op->kernels[compute], s, op->cost))) {
                    drop_new(out, dst);
                    return 0.0;
                }
            }
            if (dst != NULL) {
                ops_tensor_written(dst, stamp);
            }
            return ops_result(out, record, 0);
        }
    }
    return general(op, in, record, s, dst, inplace, stamp);
}

double ops_pointwise_backward(const ops_pointwise_op *op, ops_tensor *const *inputs,
                              const ops_scalar *s, unsigned mask, int consume)
{
    ops_tensor *g = inputs[0];
    int n = op->inputs;
    for (int k = 1; g->flags & OPS_NONE && k < op->cotangents; ++k) {
        g = inputs[k];
    }
    int compute = ops_compute_index[g->dtype];
    if (OPS_UNLIKELY(op->kernels[compute] == NULL)) {
        ops_fail(OPS_NOT_IMPLEMENTED, "\"%s\" not implemented for '%s'", op->name,
                 ops_dtype_name[g->dtype]);
        return 0.0;
    }
    ops_tensor *in[OPS_MAX_OPERANDS];
    ops_number none;
    ops_tensor *const zero = ops_number_tensor(&none, 1, 0.0, 0);
    for (int k = 0; k < n; ++k) { /* what is absent and no cotangent is not read by what is wanted */
        in[k] = !(inputs[k]->flags & OPS_NONE) ? inputs[k] : k < op->cotangents ? zero : g;
    }
    int device;
    if (!check_devices(op->name, in, n, &device)) {
        return 0.0;
    }
    if (OPS_UNLIKELY(device != g->device)) {
        mixed(op->name, device, g->device);
        return 0.0;
    }
    ops_plan plan;
    plan.operands = 0;
    plan.ndim = ops_broadcast_shape(in, n, plan.shape);
    if (plan.ndim < 0) {
        return 0.0;
    }
    int last_wanted = 31 - __builtin_clz(mask | 1u);
    int owned = consume && g->refcount == 1 && g->storage->refcount == 1 && !g->storage->readonly &&
                (g->flags & OPS_CONTIGUOUS) && g->ndim == plan.ndim &&
                memcmp(g->shape, plan.shape, sizeof(int64_t) * (size_t)plan.ndim) == 0;
    /* As forward: gradients lie in memory as what they are computed from. Outputs come first; until
     * they are there, and where they are not wanted, they have no strides. */
    for (; plan.operands < op->outputs; ++plan.operands) {
        memset(&plan.op[plan.operands], 0, sizeof plan.op[0]);
        plan.op[plan.operands].output = 1;
    }
    for (int k = 0; k < n; ++k) {
        ops_plan_add(&plan, in[k], element_dtype(op->input_class[k], compute), 0);
    }
    uint8_t order[OPS_MAX_NDIM];
    for (int d = 0; d < plan.ndim; ++d) {
        order[d] = (uint8_t)d;
    }
    if (!op->ordered) {
        ops_plan_order(&plan, order);
    }
    ops_tensor *out[OPS_MAX_OPERANDS];
    int want = ops_compute_storage[compute];
    for (int k = 0; k < op->outputs; ++k) {
        out[k] = NULL;
        if (mask >> k & 1) {
            out[k] = owned && k == last_wanted
                         ? ops_tensor_hold(g)
                         : ops_tensor_new_ordered(g->dtype, g->device, plan.ndim, plan.shape, order);
            if (out[k] == NULL) {
                drop(out, k, NULL);
                return 0.0;
            }
        }
    }
    for (int k = 0; k < op->outputs; ++k) {
        if (out[k] != NULL) {
            plan.operands = k;
            ops_plan_add(&plan, out[k], want, 1);
        }
    }
    plan.operands = op->outputs + n;
    plan.numel = 1;
    for (int d = 0; d < plan.ndim; ++d) {
        plan.numel *= plan.shape[d];
    }
    if (plan.numel > 0 && ops_devices[g->device]->has_memory) {
        ops_plan_collapse(&plan, order);
        if (OPS_UNLIKELY(!launch(g->device, op, compute, &plan, s))) {
            drop(out, op->outputs, NULL);
            return 0.0;
        }
    }
    for (int k = 0; consume && k < op->cotangents; ++k) {
        if (!(inputs[k]->flags & OPS_NONE)) {
            ops_tensor_drop(inputs[k]);
        }
    }
    double first = 0.0;
    for (int k = op->outputs - 1; k >= 0; --k) {
        ops_more[k] = ops_to_handle(out[k]);
        first = out[k] != NULL ? ops_more[k] : first;
    }
    return first;
}

/* Copies --------------------------------------------------------------------------------------- */

static void copy_range(int64_t lo, int64_t hi, void *arg)
{
    const ops_plan *plan = arg;
    const ops_operand_plan *to = &plan->op[0], *from = &plan->op[1];
    int last = plan->ndim - 1;
    int64_t index[OPS_MAX_NDIM];
    const int64_t size = ops_dtype_size[to->dtype];
    const int runs = last > 0 && to->dtype == from->dtype && to->stride[last] == size &&
                     from->stride[last] == size;
    ops_plan_seek(plan, lo, index);
    while (lo < hi) {
        int64_t n = plan->shape[last] - index[last] < hi - lo ? plan->shape[last] - index[last] : hi - lo;
        char *out = address(plan, to, index), *in = address(plan, from, index);
        if (runs && n == plan->shape[last]) { /* lines of one plane: no more than two steps apart */
            const int64_t left = plan->shape[last - 1] - index[last - 1];
            const int64_t lines = left < (hi - lo) / n ? left : (hi - lo) / n;
            for (int64_t k = 0; k < lines; ++k) {
                ops_copy_run(out + k * to->stride[last - 1], in + k * from->stride[last - 1], n * size);
            }
            index[last - 1] += lines - 1;
            lo += (lines - 1) * n;
        } else if (to->stride[last] == ops_dtype_size[to->dtype]) {
            ops_convert(to->dtype, from->dtype, n, in, from->stride[last], out);
        } else if (from->stride[last] == ops_dtype_size[from->dtype]) {
            ops_convert_out(to->dtype, from->dtype, n, in, out, to->stride[last]);
        } else {
            char *block = ops_scratch(OPS_SCRATCH_COPY, BLOCK * 8);
            n = n < BLOCK ? n : BLOCK;
            ops_convert(to->dtype, from->dtype, n, in, from->stride[last], block);
            ops_convert_out(to->dtype, to->dtype, n, block, out, to->stride[last]);
        }
        lo += n;
        advance(plan, index, n);
    }
}

int ops_tensor_copy(ops_tensor *to, const ops_tensor *from)
{
    ops_plan plan;
    plan.ndim = to->ndim;
    plan.operands = 0;
    plan.numel = to->numel;
    memcpy(plan.shape, to->shape, sizeof(int64_t) * to->ndim);
    if (plan.numel == 0 || !ops_devices[to->device]->has_memory) {
        return 1;
    }
    if (OPS_UNLIKELY(!ops_devices[from->device]->has_memory)) {
        ops_fail(OPS_NOT_IMPLEMENTED, "Cannot copy out of meta tensor; no data!");
        return 0;
    }
    ops_plan_add(&plan, to, to->dtype, 1);
    ops_plan_add(&plan, from, from->dtype, 0);
    uint8_t order[OPS_MAX_NDIM];
    ops_plan_order(&plan, order);
    ops_plan_collapse(&plan, order);
    const ops_backend *backend = ops_backend_of(to->device == OPS_CPU ? from->device : to->device);
    if (OPS_UNLIKELY(backend != NULL)) {
        return backend->copy(&plan);
    }
    void *lock = ops_gil_leave(plan.numel);
    ops_parallel_for(plan.numel, 32768, copy_range, &plan);
    ops_gil_enter(lock);
    return 1;
}

ops_tensor *ops_tensor_dense(ops_tensor *t, int dtype)
{
    if (t->dtype == dtype && (t->flags & OPS_CONTIGUOUS)) {
        return ops_tensor_hold(t);
    }
    ops_tensor *out = ops_tensor_new(dtype, t->device, t->ndim, t->shape);
    if (out != NULL) {
        ops_tensor_copy(out, t);
    }
    return out;
}
