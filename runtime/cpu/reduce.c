/* The reduction driver. See opsmith/reduce.h.
 *
 * The input's dims split into kept and folded axes, sorted by stride and merged where they nest.
 * If the smallest stride is a folded one, kernels read rows, else columns. Outputs are cut into
 * blocks; where there are few of them the folded space is cut into parts too, whose states are
 * merged in order. A task is one part of one block. */
#include <stdlib.h>

#include "accumulate.h"
#include "opsmith/backend.h"
#include "opsmith/convert.h"
#include "opsmith/parallel.h"

enum {
    PACKED = 4096,          /* elements converted at a time: they stay in L1 */
    TASK_ELEMENTS = 65536,  /* a task: long against its merge, short enough to balance threads */
    ENOUGH_TASKS = 64,      /* beyond these the folded space is not cut */
    SERIAL_NS = 16000,      /* work that is not worth a second thread */
};

typedef struct job {
    const ops_reduce_op *op;
    const ops_reduce_kernels *kernels;
    const ops_scalar *s;
    const char *data;
    int dtype, want; /* of the input in memory, and inside the kernels */
    int rows;        /* kernels read rows, else columns */
    int direct;      /* they read the input in place */
    axes keep, fold;
    int64_t count;
    int64_t width;               /* outputs of a block */
    int64_t across, blocks;      /* blocks along the last kept axis, and in all */
    int64_t depth, down, steps;  /* elements of a step along the last folded axis, steps along it,
                                    steps in all */
    int64_t parts;               /* of the steps of a block */
    ops_wide *partial;           /* states of every part of every block, if parts > 1 */
    char *out[4];
    int out_dtype[4], out_want[4];
} job;

/* Folding -------------------------------------------------------------------------------------- */

/* Fold n elements from `x` on into each output of `all`, through a buffer. */
static void fold_packed(const job *j, const ops_reduce_block *all, const char *x, int64_t n)
{
    _Alignas(64) char packed[PACKED * 8];
    const axis *keep = &j->keep.at[j->keep.n - 1], *fold = &j->fold.at[j->fold.n - 1];
    const int64_t size = ops_dtype_size[j->want], outputs = all->outputs;
    ops_reduce_block b = *all;
    b.x = packed;
    if (j->rows) {
        b.n = b.pitch = n;
        const int64_t many = PACKED / n;
        for (int64_t first = 0; first < outputs; first += many) {
            b.state = all->state + first;
            b.outputs = at_most(many, outputs - first);
            for (int64_t r = 0; r < b.outputs; ++r) {
                ops_convert(j->want, j->dtype, n, x + (first + r) * keep->stride, fold->stride,
                            packed + r * n * size);
            }
            j->kernels->rows(&b);
        }
        return;
    }
    b.pitch = outputs;
    const int64_t many = PACKED / outputs;
    for (int64_t first = 0; first < n; first += many) {
        b.n = at_most(many, n - first);
        b.start = all->start + first * b.step;
        for (int64_t k = 0; k < b.n; ++k) {
            ops_convert(j->want, j->dtype, outputs, x + (first + k) * fold->stride, keep->stride,
                        packed + k * outputs * size);
        }
        j->kernels->columns(&b);
    }
}

/* Fold the steps [lo, hi) into the outputs of `b`, the first of which reads from `data` on. */
static void fold_steps(const job *j, ops_reduce_block *b, const char *data, int64_t lo, int64_t hi)
{
    const axis *keep = &j->keep.at[j->keep.n - 1], *fold = &j->fold.at[j->fold.n - 1];
    const int64_t size = ops_dtype_size[j->want];
    b->step = fold->weight;
    while (lo < hi) {
        int64_t offset, position, step = lo % j->down;
        locate(&j->fold, lo / j->down, &offset, &position);
        for (; step < j->down && lo < hi; ++step, ++lo) {
            const int64_t at = step * j->depth;
            const char *x = data + offset + at * fold->stride;
            b->start = position + at * fold->weight;
            b->n = at_most(j->depth, fold->size - at);
            if (!j->direct) {
                fold_packed(j, b, x, b->n);
                continue;
            }
            b->x = x;
            b->pitch = (j->rows ? keep->stride : fold->stride) / size;
            (j->rows ? j->kernels->rows : j->kernels->columns)(b);
        }
    }
}

static void store_outputs(const job *j, const ops_reduce_block *b, int64_t at, int64_t step)
{
    _Alignas(64) char finished[4][OPS_REDUCE_WIDTH * 8];
    void *out[4];
    int direct[4];
    for (int k = 0; k < j->op->outputs; ++k) {
        direct[k] = j->out_dtype[k] == j->out_want[k] && (step == 1 || b->outputs == 1);
        out[k] = direct[k] ? j->out[k] + at * ops_dtype_size[j->out_dtype[k]] : finished[k];
    }
    j->kernels->finish(b, out);
    for (int k = 0; k < j->op->outputs; ++k) {
        if (!direct[k]) {
            const int64_t size = ops_dtype_size[j->out_dtype[k]];
            ops_convert_out(j->out_dtype[k], j->out_want[k], b->outputs, out[k],
                            j->out[k] + at * size, step * size);
        }
    }
}

/* The outputs of a block; returns where the first one reads and, in `at`, where it is stored. */
static const char *open_block(const job *j, ops_reduce_block *b, int64_t block, int64_t *at)
{
    const axis *keep = &j->keep.at[j->keep.n - 1];
    const int64_t first = block % j->across * j->width;
    int64_t offset;
    locate(&j->keep, block / j->across, &offset, at);
    *at += first * keep->weight;
    b->width = j->width;
    b->outputs = at_most(j->width, keep->size - first);
    b->count = j->count;
    b->s = j->s;
    return j->data + offset + first * keep->stride;
}

static void run_tasks(int64_t lo, int64_t hi, void *arg)
{
    const job *j = arg;
    ops_wide own[OPS_REDUCE_STATES * OPS_REDUCE_WIDTH];
    for (int64_t task = lo; task < hi; ++task) {
        ops_reduce_block b;
        int64_t at;
        const int64_t part = task % j->parts;
        const char *data = open_block(j, &b, task / j->parts, &at);
        b.state = j->partial ? j->partial + task * j->op->states * j->width : own;
        j->kernels->init(&b);
        fold_steps(j, &b, data, j->steps * part / j->parts, j->steps * (part + 1) / j->parts);
        if (!j->partial) {
            store_outputs(j, &b, at, j->keep.at[j->keep.n - 1].weight);
        }
    }
}

static void merge_blocks(int64_t lo, int64_t hi, void *arg)
{
    const job *j = arg;
    const int64_t states = j->op->states * j->width;
    for (int64_t block = lo; block < hi; ++block) {
        ops_reduce_block b;
        int64_t at;
        (void)open_block(j, &b, block, &at);
        b.state = j->partial + block * j->parts * states;
        for (int64_t part = 1; part < j->parts; ++part) {
            j->kernels->merge(&b, b.state + part * states);
        }
        store_outputs(j, &b, at, j->keep.at[j->keep.n - 1].weight);
    }
}

/* Cut the work into tasks. */
static void plan_tasks(job *j)
{
    const axis *keep = &j->keep.at[j->keep.n - 1], *fold = &j->fold.at[j->fold.n - 1];
    const int64_t size = ops_dtype_size[j->want];
    j->rows = j->keep.n == 1 && keep->size == 1 ? 1 : slower(keep, fold);
    const axis *inner = j->rows ? fold : keep;
    j->direct = j->dtype == j->want && (inner->stride == size || inner->size == 1);
    j->width = at_most(keep->size, OPS_REDUCE_WIDTH);
    if (j->rows) {
        j->width = at_most(j->width, at_least(1, TASK_ELEMENTS / at_least(1, j->count)));
    }
    j->across = ceil_div(keep->size, j->width);
    j->blocks = j->across * outer_size(&j->keep);
    j->depth = !j->rows ? OPS_REDUCE_DEPTH : j->direct ? OPS_REDUCE_BLOCK : PACKED;
    j->down = ceil_div(fold->size, j->depth);
    j->steps = j->down * outer_size(&j->fold);
    j->parts = 1;
    if (j->blocks < ENOUGH_TASKS) {
        const int64_t wanted = j->width * j->count / TASK_ELEMENTS;
        j->parts = at_least(1, at_most(at_most(wanted, j->steps), ENOUGH_TASKS / j->blocks));
    }
}

static int run(job *j, int64_t numel)
{
    const int64_t tasks = j->blocks * j->parts;
    if ((double)numel * j->op->cost < SERIAL_NS && j->parts == 1) {
        run_tasks(0, tasks, j);
        return 1;
    }
    if (j->parts > 1) {
        j->partial = malloc((size_t)(tasks * j->op->states * j->width) * sizeof *j->partial);
        if (j->partial == NULL) {
            ops_fail(OPS_MEMORY_ERROR, "%s(): out of memory", j->op->name);
            return 0;
        }
    }
    void *lock = ops_gil_leave(numel);
    ops_parallel_blocks(tasks, run_tasks, j);
    if (j->parts > 1) {
        ops_parallel_blocks(j->blocks, merge_blocks, j);
    }
    ops_gil_enter(lock);
    free(j->partial);
    return 1;
}

/* dims ----------------------------------------------------------------------------------------- */

int ops_resolve_dims(uint64_t dims, int ndim, uint64_t *resolved)
{
    const int reach = ndim > 0 ? ndim : 1; /* a scalar has a dim 0 to speak of */
    *resolved = 0;
    for (; dims; dims &= dims - 1) {
        const int bit = __builtin_ctzll(dims);
        const int named = bit < 32 ? bit : bit - 64;
        const int d = named < 0 ? named + reach : named;
        if (d < 0 || d >= reach) {
            ops_fail(OPS_INDEX_ERROR,
                     "Dimension out of range (expected to be in range of [%d, %d], but got %d)",
                     -reach, reach - 1, named);
            return 0;
        }
        if (*resolved >> d & 1) {
            ops_fail(OPS_RUNTIME_ERROR, "dim %d appears multiple times in the list of dims", d);
            return 0;
        }
        *resolved |= UINT64_C(1) << d;
    }
    return 1;
}

/* An element must exist for the result to be one. */
static int check_nonempty(const ops_reduce_op *op, const ops_tensor *input, uint64_t folded,
                          int all)
{
    if (!op->nonempty || input->numel > 0) {
        return 1;
    }
    if (all) {
        ops_fail(op->output_class[0] == OPS_OPERAND_LONG ? OPS_INDEX_ERROR : OPS_RUNTIME_ERROR,
                 "%s(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
                 "reduction dim with the 'dim' argument.", op->name);
        return 0;
    }
    for (int d = 0; d < input->ndim; ++d) {
        if ((folded >> d & 1) && input->shape[d] == 0) {
            ops_fail(OPS_INDEX_ERROR, "%s(): Expected reduction dim %d to have non-zero size.",
                     op->name, d);
            return 0;
        }
    }
    return 1;
}

/* dtypes and outputs, shared with scans -------------------------------------------------------- */

int ops_accumulate_choose(const char *name, int rule, int input_class, unsigned kernels, int have,
                          int asked, ops_accumulate_dtypes *t)
{
    const int as_bool = input_class == OPS_OPERAND_BOOL;
    const int read = as_bool ? OPS_BOOL : asked >= 0 ? asked : have;
    const int typed = ops_apply_rule(rule, read);
    t->compute = ops_compute_index[typed];
    /* Kernels of the smaller integers may be missing: the next wider ones serve. */
    if (t->compute == OPS_C_B8 && !(kernels >> OPS_C_B8 & 1)) {
        t->compute = OPS_C_I32;
    }
    if (t->compute == OPS_C_I32 && !(kernels >> OPS_C_I32 & 1)) {
        t->compute = OPS_C_I64;
    }
    if (!(kernels >> t->compute & 1)) {
        ops_fail(OPS_NOT_IMPLEMENTED, "\"%s\" not implemented for '%s'", name, ops_dtype_name[typed]);
        return 0;
    }
    t->kernel = ops_compute_storage[t->compute];
    t->input = as_bool ? OPS_BOOL : t->kernel;
    t->result = asked >= 0 ? asked : typed;
    if (rule == OPS_RULE_BOOL) {
        t->result = have == OPS_U8 ? OPS_U8 : OPS_BOOL; /* bytes stay bytes, as in torch.any */
    }
    return 1;
}

ops_tensor *ops_accumulate_source(ops_tensor *input, int asked, const ops_accumulate_dtypes *t)
{
    if (asked < 0 || asked == input->dtype || asked == t->kernel) {
        return ops_tensor_hold(input); /* converted block by block */
    }
    return ops_tensor_dense(input, asked);
}

int ops_accumulate_check(const char *name, ops_tensor *dst, int device, int result, int ndim,
                         const int64_t *shape)
{
    const int same = dst->ndim == ndim && !memcmp(dst->shape, shape, sizeof *shape * (size_t)ndim);
    if (dst->device != device) {
        ops_fail(OPS_RUNTIME_ERROR, "%s: Expected out tensor to have device %s, but got %s instead",
                 name, ops_devices[device]->name, ops_devices[dst->device]->name);
        return 0;
    }
    if (dst->storage->readonly) {
        ops_fail(OPS_RUNTIME_ERROR, "%s: the output's memory is read-only", name);
        return 0;
    }
    if (ops_is_float(result) && !ops_is_float(dst->dtype)) {
        ops_fail(OPS_RUNTIME_ERROR, "result type %s can't be cast to the desired output type %s",
                 ops_dtype_name[result], ops_dtype_name[dst->dtype]);
        return 0;
    }
    if (!same && dst->numel == 0 && ndim <= (int)dst->capacity) {
        return ops_tensor_resize(dst, ndim, shape);
    }
    if (!same) {
        ops_fail(OPS_RUNTIME_ERROR, "%s: the output has shape %s, expected %s", name,
                 ops_shape_text(dst->ndim, dst->shape), ops_shape_text(ndim, shape));
        return 0;
    }
    return 1;
}

int ops_accumulate_stored(int output_class, int common)
{
    return output_class == OPS_OPERAND_LONG ? OPS_I64
           : output_class == OPS_OPERAND_BOOL ? OPS_BOOL : common;
}

ops_tensor *ops_accumulate_output(const ops_tensor *input, ops_tensor *dst, int dtype, int ndim,
                                  const int64_t *shape)
{
    if (dst != NULL && (dst->flags & OPS_CONTIGUOUS) && dst->storage != input->storage) {
        return dst;
    }
    return ops_tensor_new(dtype, input->device, ndim, shape);
}

double ops_accumulate_result(ops_tensor *input, ops_tensor *source, ops_tensor **out, int outputs,
                             int output_class, ops_tensor *dst, int record, int result)
{
    ops_tensor_drop(source);
    if (dst != NULL && out[0] != dst) {
        ops_tensor_copy(dst, out[0]);
        ops_tensor_drop(out[0]);
        out[0] = dst;
    }
    for (int k = 1; k < outputs; ++k) {
        ops_more[k] = ops_to_handle(out[k]);
    }
    const int differentiable = ops_is_float(result) && output_class == OPS_OPERAND_COMMON;
    return ops_result(out[0], record && differentiable, result != input->dtype);
}

/* The entry ------------------------------------------------------------------------------------ */

/* The input's dims as kept and folded axes, and the shape of the result; returns its ndim. */
static int split_dims(job *j, const ops_tensor *source, uint64_t folded, int keepdim,
                      int64_t *shape)
{
    int64_t weight[OPS_MAX_NDIM], outputs = 1, count = 1;
    for (int d = source->ndim - 1; d >= 0; --d) {
        int64_t *const total = folded >> d & 1 ? &count : &outputs;
        weight[d] = *total;
        *total *= source->shape[d];
    }
    int ndim = 0;
    for (int d = 0; d < source->ndim; ++d) {
        const int fold = folded >> d & 1;
        const int64_t size = source->shape[d], stride = source->stride[d] * ops_itemsize(source);
        if (!fold || keepdim) {
            shape[ndim++] = fold ? 1 : size;
        }
        const int counts = !fold || j->op->positions; /* else axes merge more freely */
        add_axis(fold ? &j->fold : &j->keep, size, stride, counts ? weight[d] : 0);
    }
    merge_axes(&j->keep);
    merge_axes(&j->fold);
    j->count = count;
    return ndim;
}

/* To another device's kernels. */
static int hand_over(const job *j, int compute, const ops_backend *backend)
{
    ops_reduce_axis keep[OPS_MAX_NDIM], fold[OPS_MAX_NDIM];
    ops_reduce_work w = {.compute = compute, .dtype = j->dtype, .want = j->want,
                         .keeps = j->keep.n, .folds = j->fold.n, .count = j->count,
                         .keep = keep, .fold = fold, .data = j->data, .s = j->s};
    for (int d = 0; d < j->keep.n; ++d) {
        keep[d] = (ops_reduce_axis){j->keep.at[d].size, j->keep.at[d].stride, j->keep.at[d].weight};
    }
    for (int d = 0; d < j->fold.n; ++d) {
        fold[d] = (ops_reduce_axis){j->fold.at[d].size, j->fold.at[d].stride, j->fold.at[d].weight};
    }
    for (int k = 0; k < j->op->outputs; ++k) {
        w.out[k] = j->out[k];
        w.out_dtype[k] = j->out_dtype[k];
    }
    return backend->reduce(j->op, &w);
}

double ops_reduce(const ops_reduce_op *op, ops_tensor *input, int record, uint64_t dims,
                  int64_t all, int keepdim, int dtype, const ops_scalar *s, ops_tensor *dst)
{
    uint64_t folded;
    ops_accumulate_dtypes t;
    if (ops_check_operands(op->name, &input, 1) || ops_check_views(&input, 1, record) ||
        !ops_resolve_dims(dims, input->ndim, &folded)) {
        return 0.0;
    }
    if (dims == 0 && (all || op->rule != OPS_RULE_BOOL)) { /* any and all over [] keep every dim */
        all = 1;
        folded = ~UINT64_C(0);
    }
    unsigned have = 0;
    for (int c = 0; c < OPS_COMPUTE_COUNT; ++c) {
        have |= (unsigned)(op->kernels[c] != NULL) << c;
    }
    if (!check_nonempty(op, input, folded, (int)all) ||
        !ops_accumulate_choose(op->name, op->rule, op->input_class, have, input->dtype, dtype,
                               &t)) {
        return 0.0;
    }
    ops_tensor *source = ops_accumulate_source(input, dtype, &t), *out[4] = {NULL};
    if (source == NULL) {
        return 0.0;
    }
    job j = {.op = op, .kernels = op->kernels[t.compute], .s = s, .data = source->data,
             .dtype = source->dtype, .want = t.input};
    int64_t shape[OPS_MAX_NDIM];
    const int ndim = split_dims(&j, source, folded, keepdim, shape);
    int made = dst == NULL || ops_accumulate_check(op->name, dst, input->device, t.result, ndim,
                                                   shape);
    for (int k = 0; made && k < op->outputs; ++k) {
        const int cls = op->output_class[k];
        out[k] = ops_accumulate_output(input, k == 0 ? dst : NULL,
                                       ops_accumulate_stored(cls, t.result), ndim, shape);
        made = out[k] != NULL;
        if (made) {
            j.out[k] = out[k]->data;
            j.out_dtype[k] = out[k]->dtype;
            j.out_want[k] = ops_accumulate_stored(cls, t.kernel);
        }
    }
    if (made && out[0]->numel > 0 && ops_devices[input->device]->has_memory) {
        const ops_backend *backend = ops_backend_of(input->device);
        if (OPS_UNLIKELY(backend != NULL)) {
            made = hand_over(&j, t.compute, backend);
        } else {
            plan_tasks(&j);
            made = run(&j, input->numel);
        }
    }
    if (!made) {
        ops_tensor_drop(source);
        return 0.0;
    }
    return ops_accumulate_result(input, source, out, op->outputs, op->output_class[0], dst, record,
                                 t.result);
}
