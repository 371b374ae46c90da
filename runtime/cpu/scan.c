/* The scan driver. See opsmith/scan.h.
 *
 * All dims but the scanned one are kept axes, sorted by stride and merged where they nest. If the
 * scanned axis has the smallest stride kernels walk lines (rows), else many lines side by side
 * (columns). A task is a block of lines, from their first element to their last. */
#include "accumulate.h"
#include "opsmith/backend.h"
#include "opsmith/convert.h"
#include "opsmith/parallel.h"
#include "opsmith/scan.h"

enum {
    PACKED = 2048,         /* elements converted at a time: they stay in L1 */
    WIDTH = 256,           /* most lines of a block: wide states and a step of each stay in L1 */
    TASK_ELEMENTS = 32768, /* a task: long against its start, short enough to balance threads */
    SERIAL_NS = 16000,     /* work that is not worth a second thread */
};

typedef struct job {
    const ops_scan_op *op;
    const ops_scan_kernels *kernels;
    const ops_scalar *s;
    const char *data;
    int dtype, want; /* of the input in memory, and inside the kernels */
    int rows;        /* kernels walk lines, else many side by side */
    int in_place;    /* they read the input and write the outputs where those are */
    axes keep;       /* weight: elements of output */
    axis line;
    int64_t width;          /* lines of a block */
    int64_t across, blocks; /* blocks along the last kept axis, and in all */
    char *out[4];
    int out_dtype[4], out_want[4];
} job;

/* n elements of `lines` lines into a buffer, where lines (rows) or steps (columns) follow each
 * other; and output k from such a buffer to where it belongs, from its element `at` on. */
static void pack(const job *j, const char *x, int64_t lines, int64_t n, char *packed)
{
    const axis *keep = &j->keep.at[j->keep.n - 1], *line = &j->line;
    const int64_t size = ops_dtype_size[j->want];
    const int64_t outer = j->rows ? lines : n, inner = j->rows ? n : lines;
    const int64_t far = j->rows ? keep->stride : line->stride;
    const int64_t near = j->rows ? line->stride : keep->stride;
    for (int64_t q = 0; q < outer; ++q) {
        ops_convert(j->want, j->dtype, inner, x + q * far, near, packed + q * inner * size);
    }
}

static void unpack(const job *j, int k, const char *packed, int64_t lines, int64_t n, int64_t at)
{
    const axis *keep = &j->keep.at[j->keep.n - 1], *line = &j->line;
    const int64_t size = ops_dtype_size[j->out_dtype[k]], step = ops_dtype_size[j->out_want[k]];
    const int64_t outer = j->rows ? lines : n, inner = j->rows ? n : lines;
    const int64_t far = j->rows ? keep->weight : line->weight;
    const int64_t near = j->rows ? line->weight : keep->weight;
    for (int64_t q = 0; q < outer; ++q) {
        ops_convert_out(j->out_dtype[k], j->out_want[k], inner, packed + q * inner * step,
                        j->out[k] + (at + q * far) * size, near * size);
    }
}

/* Scan the lines of `all`, which read from `x` on and write from element `at` on; by buffers. */
static void scan_packed(const job *j, const ops_reduce_block *all, const char *x, int64_t at)
{
    _Alignas(64) char packed[PACKED * 8], results[4][PACKED * 8];
    void *const out[] = {results[0], results[1], results[2], results[3]};
    const axis *keep = &j->keep.at[j->keep.n - 1], *line = &j->line;
    const int64_t lines = all->outputs;
    const int64_t many = at_most(lines, j->rows ? at_least(1, PACKED / line->size) : lines);
    const int64_t steps = PACKED / many;
    ops_reduce_block b = *all;
    b.x = packed;
    for (int64_t first = 0; first < lines; first += many) {
        b.state = all->state + first;
        b.outputs = at_most(many, lines - first);
        for (int64_t k = 0; k < line->size; k += steps) {
            const int64_t to = at + first * keep->weight + k * line->weight;
            b.start = k;
            b.n = at_most(steps, line->size - k);
            b.pitch = j->rows ? b.n : b.outputs;
            pack(j, x + first * keep->stride + k * line->stride, b.outputs, b.n, packed);
            (j->rows ? j->kernels->rows : j->kernels->columns)(&b, out, b.pitch);
            for (int m = 0; m < j->op->outputs; ++m) {
                unpack(j, m, results[m], b.outputs, b.n, to);
            }
        }
    }
}

static void run_blocks(int64_t lo, int64_t hi, void *arg)
{
    const job *j = arg;
    const axis *keep = &j->keep.at[j->keep.n - 1], *line = &j->line;
    ops_wide state[OPS_REDUCE_STATES * WIDTH];
    for (int64_t block = lo; block < hi; ++block) {
        const int64_t first = block % j->across * j->width;
        int64_t offset, at;
        locate(&j->keep, block / j->across, &offset, &at);
        at += first * keep->weight;
        const char *x = j->data + offset + first * keep->stride;
        ops_reduce_block b = {
            .state = state, .width = j->width, .outputs = at_most(j->width, keep->size - first),
            .n = line->size, .step = 1, .count = line->size, .s = j->s,
        };
        j->kernels->init(&b);
        if (!j->in_place) {
            scan_packed(j, &b, x, at);
            continue;
        }
        void *out[4];
        for (int k = 0; k < j->op->outputs; ++k) {
            out[k] = j->out[k] + at * ops_dtype_size[j->out_dtype[k]];
        }
        const axis *outer = j->rows ? keep : line;
        b.x = x;
        b.pitch = outer->stride / ops_dtype_size[j->want];
        (j->rows ? j->kernels->rows : j->kernels->columns)(&b, out, outer->weight);
    }
}

static void run(job *j, int64_t numel)
{
    const axis *keep = &j->keep.at[j->keep.n - 1], *line = &j->line;
    j->rows = keep->size == 1 || slower(keep, line);
    const axis *inner = j->rows ? line : keep;
    j->in_place = j->dtype == j->want && inner->stride == ops_dtype_size[j->want] &&
                  inner->weight == 1;
    for (int k = 0; k < j->op->outputs; ++k) {
        j->in_place &= j->out_dtype[k] == j->out_want[k];
    }
    j->width = at_most(keep->size, WIDTH);
    if (j->rows) {
        j->width = at_most(j->width, at_least(1, TASK_ELEMENTS / line->size));
    }
    j->across = ceil_div(keep->size, j->width);
    j->blocks = j->across * outer_size(&j->keep);
    if ((double)numel * j->op->cost < SERIAL_NS) {
        run_blocks(0, j->blocks, j);
        return;
    }
    void *lock = ops_gil_leave(numel);
    ops_parallel_blocks(j->blocks, run_blocks, j);
    ops_gil_enter(lock);
}

/* The input's dims as lines and kept axes. */
static void split_dims(job *j, const ops_tensor *source, int64_t dim)
{
    int64_t weight[OPS_MAX_NDIM], total = 1;
    for (int d = source->ndim - 1; d >= 0; --d) {
        weight[d] = total;
        total *= source->shape[d];
    }
    j->line = (axis){1, 0, 1};
    for (int d = 0; d < source->ndim; ++d) {
        const int64_t size = source->shape[d], stride = source->stride[d] * ops_itemsize(source);
        if (d == dim) {
            j->line = (axis){size, stride, weight[d]};
        } else {
            add_axis(&j->keep, size, stride, weight[d]);
        }
    }
    merge_axes(&j->keep);
}

double ops_scan(const ops_scan_op *op, ops_tensor *input, int record, int64_t dim, int dtype,
                const ops_scalar *s, ops_tensor *dst)
{
    ops_accumulate_dtypes t;
    if (ops_check_operands(op->name, &input, 1) || ops_check_views(&input, 1, record)) {
        return 0.0;
    }
    const int64_t reach = input->ndim > 0 ? input->ndim : 1; /* a scalar has a dim 0 to speak of */
    if (dim < -reach || dim >= reach) {
        ops_fail(OPS_INDEX_ERROR,
                 "Dimension out of range (expected to be in range of [%lld, %lld], but got %lld)",
                 (long long)-reach, (long long)reach - 1, (long long)dim);
        return 0.0;
    }
    unsigned have = 0;
    for (int c = 0; c < OPS_COMPUTE_COUNT; ++c) {
        have |= (unsigned)(op->kernels[c] != NULL) << c;
    }
    if (!ops_accumulate_choose(op->name, op->rule, op->input_class, have, input->dtype, dtype,
                               &t)) {
        return 0.0;
    }
    if (dst != NULL &&
        !ops_accumulate_check(op->name, dst, input->device, t.result, input->ndim, input->shape)) {
        return 0.0;
    }
    ops_tensor *source = ops_accumulate_source(input, dtype, &t), *out[4] = {NULL};
    if (source == NULL) {
        return 0.0;
    }
    job j = {.op = op, .kernels = op->kernels[t.compute], .s = s, .data = source->data,
             .dtype = source->dtype, .want = t.input};
    split_dims(&j, source, dim < 0 ? dim + reach : dim);
    for (int k = 0; k < op->outputs; ++k) {
        const int cls = op->output_class[k];
        out[k] = ops_accumulate_output(input, k == 0 ? dst : NULL,
                                       ops_accumulate_stored(cls, t.result), input->ndim,
                                       input->shape);
        if (out[k] == NULL) {
            ops_tensor_drop(source);
            return 0.0;
        }
        j.out[k] = out[k]->data;
        j.out_dtype[k] = out[k]->dtype;
        j.out_want[k] = ops_accumulate_stored(cls, t.kernel);
    }
    if (input->numel > 0 && ops_devices[input->device]->has_memory) {
        if (OPS_UNLIKELY(ops_backend_of(input->device) != NULL)) {
            ops_fail(OPS_NOT_IMPLEMENTED, "%s() has no kernel for %s tensors", op->name,
                     ops_devices[input->device]->name);
            ops_tensor_drop(source);
            return 0.0;
        }
        run(&j, input->numel);
    }
    return ops_accumulate_result(input, source, out, op->outputs, op->output_class[0], dst, record,
                                 t.result);
}
