/* sort, topk, kthvalue, median, mode: lines of a tensor in the order of opsmith/order.h.
 *
 * Every line becomes entries (key, position); what is asked is done with those; values are then
 * copied from the input by position, so any dtype and any stride work alike. */
#include "opsmith/convert.h"
#include "opsmith/entry.h"
#include "opsmith/order.h"
#include "opsmith/parallel.h"

enum { GRAIN = 4096 };

ops_tensor *opsk_sort(ops_tensor *input, int64_t dim, int descending, int stable);
ops_tensor *opsk_topk(ops_tensor *input, int64_t k, int64_t dim, int largest, int sorted);
ops_tensor *opsk_kthvalue(ops_tensor *input, int64_t k, int64_t dim, int keepdim);
ops_tensor *opsk_median_dim(ops_tensor *input, int64_t dim, int keepdim, int skip_nan);
ops_tensor *opsk_median_all(ops_tensor *input, int skip_nan);
ops_tensor *opsk_mode_dim(ops_tensor *input, int64_t dim, int keepdim);

typedef struct job job;
/* Puts the line's answer, in order, into x[0..kept). */
typedef void (*line_fn)(const job *j, ops_entry *x);

struct job {
    const ops_tensor *input;
    ops_tensor *values, *indices;
    int dim; /* -1: one line of one element (0-d) */
    int64_t n, stride, kept, out_stride, lines;
    uint64_t flip; /* all ones: descending */
    int64_t k;     /* of topk and kthvalue */
    int skip_nan;
    line_fn line;
    int failed;
};

/* Offsets, in elements, of line q of the input and the outputs. */
static void seek(const job *j, int64_t q, int64_t *in, int64_t *out)
{
    *in = *out = 0;
    int64_t step = 1;
    for (int d = j->input->ndim - 1; d >= 0; --d) {
        int64_t size = d == j->dim ? j->kept : j->input->shape[d];
        if (d != j->dim) {
            int64_t at = q % size;
            q /= size;
            *in += at * j->input->stride[d];
            *out += at * step;
        }
        step *= size;
    }
}

static void run_lines(int64_t lo, int64_t hi, void *arg)
{
    job *j = arg;
    int64_t item = ops_itemsize(j->input), n = j->n;
    ops_entry *x = malloc(ops_sort_bytes(n) + sizeof *x);
    if (x == NULL) {
        j->failed = 1;
        return;
    }
    for (int64_t q = lo; q < hi; ++q) {
        int64_t from, to;
        seek(j, q, &from, &to);
        const char *line = j->input->data + from * item;
        ops_entries(j->input->dtype, n, line, j->stride * item, j->flip, x);
        j->line(j, x);
        char *values = j->values->data + to * item;
        int64_t *indices = (int64_t *)j->indices->data + to;
        for (int64_t k = 0; k < j->kept; ++k) {
            memcpy(values + k * j->out_stride * item, line + x[k].at * j->stride * item,
                   (size_t)item);
            indices[k * j->out_stride] = x[k].at;
        }
    }
    free(x);
}

static int find_dim(const ops_tensor *t, int64_t *dim)
{
    int64_t n = t->ndim > 0 ? t->ndim : 1, d = *dim < 0 ? *dim + n : *dim;
    if (d < 0 || d >= n) {
        ops_fail(OPS_INDEX_ERROR,
                 "Dimension out of range (expected to be in range of [%lld, %lld], but "
                 "got %lld)", (long long)-n, (long long)n - 1, (long long)*dim);
        return 0;
    }
    *dim = d;
    return 1;
}

/* Run `line` over all lines along `dim`; outputs have `kept` elements there, or with `drop` not
 * that dim. */
static ops_tensor *run(job *j, ops_tensor *input, int64_t dim, int64_t kept, int drop, line_fn line)
{
    int64_t shape[OPS_MAX_NDIM];
    int ndim = 0;
    j->input = input;
    j->dim = input->ndim > 0 ? (int)dim : -1;
    j->n = input->ndim > 0 ? input->shape[dim] : 1;
    j->stride = input->ndim > 0 ? input->stride[dim] : 1;
    j->kept = input->ndim > 0 ? kept : 1;
    j->line = line;
    j->out_stride = j->lines = 1;
    for (int d = 0; d < input->ndim; ++d) {
        if (d != dim) {
            shape[ndim++] = input->shape[d];
            j->lines *= input->shape[d];
        } else if (!drop) {
            shape[ndim++] = kept;
        }
        j->out_stride *= d > dim ? input->shape[d] : 1;
    }
    j->values = ops_tensor_new(input->dtype, input->device, ndim, shape);
    if (j->values == NULL) {
        return NULL;
    }
    j->indices = ops_tensor_new(OPS_I64, input->device, ndim, shape);
    if (j->indices == NULL) {
        ops_tensor_drop(j->values);
        return NULL;
    }
    ops_more[1] = ops_to_handle(j->indices);
    if (!ops_devices[input->device]->has_memory || j->lines * j->kept == 0) {
        return j->values;
    }
    void *lock = ops_gil_leave(j->lines * j->n);
    ops_parallel_for(j->lines, GRAIN / j->n + 1, run_lines, j);
    ops_gil_enter(lock);
    if (j->failed) {
        ops_tensor_drop(j->values);
        ops_tensor_drop(j->indices);
        return ops_fail(OPS_MEMORY_ERROR,
                        "not enough memory to order %lld elements", (long long)j->n);
    }
    return j->values;
}

static void sort_line(const job *j, ops_entry *x)
{
    ops_sort_entries(j->n, x);
}

ops_tensor *opsk_sort(ops_tensor *input, int64_t dim, int descending, int stable)
{
    (void)stable; /* every sort is */
    job j = {.flip = descending ? UINT64_MAX : 0};
    if (!find_dim(input, &dim)) {
        return NULL;
    }
    return run(&j, input, dim, input->ndim > 0 ? input->shape[dim] : 1, 0, sort_line);
}

static void top_line(const job *j, ops_entry *x)
{
    if (j->k * 8 <= j->n) {
        ops_entry *best = x + j->n;
        ops_least_entries(j->n, x, j->k, best);
        memcpy(x, best, (size_t)j->k * sizeof *x);
    } else {
        ops_sort_entries(j->n, x);
    }
}

ops_tensor *opsk_topk(ops_tensor *input, int64_t k, int64_t dim, int largest, int sorted)
{
    (void)sorted; /* the order of an unsorted result is free */
    job j = {.flip = largest ? UINT64_MAX : 0, .k = input->ndim > 0 ? k : 1};
    if (!find_dim(input, &dim)) {
        return NULL;
    }
    if (k < 0 || k > (input->ndim > 0 ? input->shape[dim] : 1)) {
        return ops_fail(OPS_RUNTIME_ERROR, "selected index k out of range");
    }
    return run(&j, input, dim, k, 0, top_line);
}

static void rank_line(const job *j, ops_entry *x)
{
    ops_select_entry(j->n, x, j->k - 1);
    x[0] = x[j->k - 1];
}

/* Reductions drop the dim or keep one element of it. */
static ops_tensor *reduced(job *j, ops_tensor *input, int64_t dim, int keepdim, line_fn line)
{
    return run(j, input, dim, 1, !keepdim, line);
}

static int refuse_empty(const char *name, const ops_tensor *input, int64_t dim)
{
    if (input->ndim > 0 && input->shape[dim] == 0) {
        ops_fail(OPS_INDEX_ERROR, "%s(): Expected reduction dim %lld to have non-zero size.", name,
                 (long long)dim);
        return 1;
    }
    return 0;
}

ops_tensor *opsk_kthvalue(ops_tensor *input, int64_t k, int64_t dim, int keepdim)
{
    job j = {.k = k};
    if (!find_dim(input, &dim) || refuse_empty("kthvalue", input, dim)) {
        return NULL;
    }
    if (k < 1 || k > (input->ndim > 0 ? input->shape[dim] : 1)) {
        return ops_fail(OPS_RUNTIME_ERROR,
                        "kthvalue(): selected number k out of range for dimension %lld",
                        (long long)dim);
    }
    return reduced(&j, input, dim, keepdim, rank_line);
}

/* The lower middle one; NaN where there is one, unless they are skipped. */
static void median_line(const job *j, ops_entry *x)
{
    int64_t nans = 0, first = 0;
    if (ops_is_float(j->input->dtype)) {
        for (int64_t k = j->n - 1; k >= 0; --k) {
            if (x[k].key == OPS_KEY_NAN) {
                ++nans;
                first = k;
            }
        }
    }
    if (nans > 0 && (!j->skip_nan || nans == j->n)) {
        x[0] = x[first];
        return;
    }
    int64_t rank = (j->n - nans - 1) / 2; /* NaN come last */
    ops_select_entry(j->n, x, rank);
    x[0] = x[rank];
}

ops_tensor *opsk_median_dim(ops_tensor *input, int64_t dim, int keepdim, int skip_nan)
{
    job j = {.skip_nan = skip_nan};
    if (!find_dim(input, &dim) || refuse_empty(skip_nan ? "nanmedian" : "median", input, dim)) {
        return NULL;
    }
    return reduced(&j, input, dim, keepdim, median_line);
}

ops_tensor *opsk_median_all(ops_tensor *input, int skip_nan)
{
    if (input->numel == 0) { /* NaN, or the least integer, as PyTorch */
        ops_tensor *out = ops_tensor_new(input->dtype, input->device, 0, NULL);
        if (out != NULL && ops_devices[input->device]->has_memory) {
            double nan = NAN;
            ops_convert(out->dtype, OPS_F64, 1, &nan, 0, out->data);
        }
        return out;
    }
    int values = ops_devices[input->device]->has_memory;
    ops_tensor *dense = values ? ops_tensor_dense(input, input->dtype) : ops_tensor_hold(input);
    ops_tensor *line = dense ? ops_tensor_share(dense, 1) : NULL;
    ops_tensor *out = NULL;
    if (line != NULL) {
        line->shape[0] = input->numel;
        line->stride[0] = 1;
        ops_tensor_refresh(line);
        job j = {.skip_nan = skip_nan};
        out = run(&j, line, 0, 1, 1, median_line);
        if (out != NULL) {
            ops_tensor_drop(j.indices);
        }
        ops_tensor_drop(line);
    }
    if (dense != NULL) {
        ops_tensor_drop(dense);
    }
    return out;
}

/* The most frequent element, the least of several; where it stands last. */
static void mode_line(const job *j, ops_entry *x)
{
    ops_sort_entries(j->n, x);
    int64_t best = 0, most = 0;
    for (int64_t lo = 0, hi; lo < j->n; lo = hi) {
        for (hi = lo + 1; hi < j->n && x[hi].key == x[lo].key; ++hi) {
        }
        if (hi - lo > most) {
            most = hi - lo;
            best = hi - 1;
        }
    }
    x[0] = x[best];
}

ops_tensor *opsk_mode_dim(ops_tensor *input, int64_t dim, int keepdim)
{
    job j = {.flip = 0};
    if (!find_dim(input, &dim) || refuse_empty("mode", input, dim)) {
        return NULL;
    }
    return reduced(&j, input, dim, keepdim, mode_line);
}
