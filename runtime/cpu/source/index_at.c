/* Advanced indexing: several integer tensors, broadcast together, address some dims of a tensor.
 *
 * One plan serves reading, its adjoint and writing: element (a, m, b) of the result, where a counts
 * the untouched dims before the first index, m the broadcast indices, b the untouched dims after,
 * is the element of the indexed tensor at before[a] + at[m] + after[b]. Indices that stand apart
 * put m first, as NumPy does. Everything runs in index order, so sums are deterministic.
 */
#include <stdlib.h>

#include "opsmith/entry.h"
#include "opsmith/parallel.h"
#include "index_plan.h"

ops_tensor *opsk_index_get(ops_tensor *input, const double *indices, int64_t n_indices,
                           int64_t n_dims, const int64_t *dims);
ops_tensor *opsk_index_adjoint(ops_tensor *input, const double *indices, int64_t n_indices,
                               int64_t n_dims, const int64_t *dims, int64_t n_size,
                               const int64_t *size);
ops_tensor *opsk_index_write(ops_tensor *input, const double *indices, int64_t n_indices,
                             int64_t n_dims, const int64_t *dims, ops_tensor *values,
                             int accumulate);
ops_tensor *opsk_index_put_at(ops_tensor *input, const double *indices, int64_t n_indices,
                              int64_t n_dims, const int64_t *dims, ops_tensor *values,
                              int accumulate);

enum action { READ, WRITE, ADD };

typedef struct job {
    const plan *p;
    char *indexed; /* the indexed tensor */
    char *dense;   /* the result, or the values that are written */
    int64_t item;
    int dtype;
    enum action action;
    int64_t before_count, row_count, inner;
    const int64_t *before_here, *before_there; /* offsets: in the indexed tensor, in the other */
    const int64_t *m_there;
    const int64_t *row_here, *row_there; /* starts of the runs along the innermost dim */
    int64_t step_here, step_there;
} job;

#define ADD_RUN(type, op)                                                                          \
    for (int64_t k = 0; k < n; ++k) {                                                              \
        *(type *)to = (type)(*(type *)to op *(const type *)from);                                  \
        to += to_step;                                                                             \
        from += from_step;                                                                         \
    }                                                                                              \
    break

/* Packed floats never come here. */
static void add_run(int dtype, int64_t n, char *to, int64_t to_step, const char *from,
                    int64_t from_step)
{
#define SUM_FLOAT +
#define SUM_INT +
#define SUM_UINT +
#define SUM_BOOL |
#define NATIVE(_, NAME, code, type, category)                                                      \
    case OPS_##NAME:                                                                               \
        ADD_RUN(type, SUM_##category);
    switch (dtype) {
        OPS_FOR_EACH_NATIVE(NATIVE, )
    }
#undef NATIVE
}

#define COPY_RUN(type)                                                                             \
    for (int64_t k = 0; k < n; ++k) {                                                              \
        *(type *)to = *(const type *)from;                                                         \
        to += to_step;                                                                             \
        from += from_step;                                                                         \
    }                                                                                              \
    break

static void copy_run(int64_t item, int64_t n, char *to, int64_t to_step, const char *from,
                     int64_t from_step)
{
    if (to_step == item && from_step == item && n > 4) {
        memcpy(to, from, (size_t)(n * item));
        return;
    }
    switch (item) {
    case 8:
        COPY_RUN(uint64_t);
    case 4:
        COPY_RUN(uint32_t);
    case 2:
        COPY_RUN(uint16_t);
    default:
        COPY_RUN(uint8_t);
    }
}

/* Indices m in [lo, hi), for one a. */
static void run_indices(const job *j, int64_t a, int64_t lo, int64_t hi)
{
    for (int64_t m = lo; m < hi; ++m) {
        char *here = j->indexed + (j->before_here[a] + j->p->at[m]) * j->item;
        char *there = j->dense + (j->before_there[a] + j->m_there[m]) * j->item;
        for (int64_t r = 0; r < j->row_count; ++r) {
            char *x = here + j->row_here[r] * j->item, *y = there + j->row_there[r] * j->item;
            switch (j->action) {
            case READ:
                copy_run(j->item, j->inner, y, j->step_there * j->item, x, j->step_here * j->item);
                break;
            case WRITE:
                copy_run(j->item, j->inner, x, j->step_here * j->item, y, j->step_there * j->item);
                break;
            case ADD:
                add_run(j->dtype, j->inner, x, j->step_here * j->item, y, j->step_there * j->item);
                break;
            }
        }
    }
}

static void read_range(int64_t lo, int64_t hi, void *arg)
{
    const job *j = arg;
    int64_t count = j->p->count;
    while (lo < hi) {
        int64_t a = lo / count, m = lo % count;
        int64_t end = m + (hi - lo) < count ? m + (hi - lo) : count;
        run_indices(j, a, m, end);
        lo += end - m;
    }
}

/* Move between the indexed tensor and `dense`, whose strides over the result's dims are `there`. */
static int run(const plan *p, char *indexed, char *dense, const int64_t *there, int dtype,
               enum action action)
{
    walk before, before_t, m_t, after, after_t;
    part_of(p, there, 0, p->first, &before, &before_t);
    part_of(p, there, p->first + p->spread, p->ndim, &after, &after_t);
    m_t.ndim = p->spread;
    for (int d = 0; d < p->spread; ++d) {
        m_t.shape[d] = p->shape[p->first + d];
        m_t.stride[d] = there[p->first + d];
    }
    job j = {.p = p, .indexed = indexed, .dense = dense, .item = ops_dtype_size[dtype],
             .dtype = dtype, .action = action, .inner = 1};
    if (after.ndim > 0) {
        int last = --after.ndim;
        after_t.ndim = last;
        j.inner = after.shape[last];
        j.step_here = after.stride[last];
        j.step_there = after_t.stride[last];
    }
    j.before_count = count_of(&before);
    j.row_count = count_of(&after);
    if (p->count == 0 || j.before_count == 0 || j.row_count == 0 || j.inner == 0) {
        return 0;
    }
    int64_t *table =
        malloc((size_t)(2 * j.before_count + 2 * j.row_count + p->count) * sizeof *table);
    if (table == NULL) {
        ops_fail(OPS_MEMORY_ERROR, "not enough memory for indexing");
        return 1;
    }
    int64_t *next = table;
    fill_offsets(&before, j.before_count, next);
    j.before_here = next;
    next += j.before_count;
    fill_offsets(&before_t, j.before_count, next);
    j.before_there = next;
    next += j.before_count;
    fill_offsets(&after, j.row_count, next);
    j.row_here = next;
    next += j.row_count;
    fill_offsets(&after_t, j.row_count, next);
    j.row_there = next;
    next += j.row_count;
    fill_offsets(&m_t, p->count, next);
    j.m_there = next;
    if (action == READ) {
        int64_t work = j.row_count * j.inner;
        ops_parallel_for(j.before_count * p->count, 1 + 32768 / work, read_range, &j);
    } else {
        for (int64_t a = 0; a < j.before_count; ++a) { /* in order: the last of equal indices wins */
            run_indices(&j, a, 0, p->count);
        }
    }
    free(table);
    return 0;
}

static int has_memory(const ops_tensor *t)
{
    return ops_devices[t->device]->has_memory;
}

ops_tensor *opsk_index_get(ops_tensor *input, const double *indices, int64_t n_indices,
                           int64_t n_dims, const int64_t *dims)
{
    if (check_dims("index_get", input->ndim, n_indices, n_dims, dims)) {
        return NULL;
    }
    plan p;
    int look = has_memory(input);
    if (make_plan(&p, input->ndim, input->shape, input->stride, indices, n_indices, dims, look)) {
        return NULL;
    }
    ops_tensor *out = ops_tensor_new(input->dtype, input->device, p.ndim, p.shape);
    if (out != NULL && look && run(&p, input->data, out->data, out->stride, input->dtype, READ)) {
        ops_tensor_drop(out);
        out = NULL;
    }
    drop_plan(&p);
    return out;
}

/* `values`, in `dtype`, over the dims of the result: its strides, 0 where it is broadcast. */
static int spread_values(const plan *p, const ops_tensor *values, int64_t *stride)
{
    int lead = p->ndim - values->ndim;
    int extra = lead < 0 ? -lead : 0; /* leading dims of size 1 may be too many */
    for (int d = 0; d < extra; ++d) {
        if (values->shape[d] != 1) {
            extra = -1;
            break;
        }
    }
    for (int d = 0; extra >= 0 && d < p->ndim; ++d) {
        int k = d - lead;
        stride[d] = k < 0 || values->shape[k] == 1 ? 0 : values->stride[k];
        if (k >= 0 && values->shape[k] != 1 && values->shape[k] != p->shape[d]) {
            extra = -1;
        }
    }
    if (extra < 0) {
        ops_fail(OPS_RUNTIME_ERROR, "shape mismatch: value tensor of shape %s cannot be broadcast to "
                 "indexing result of shape %s", ops_shape_text(values->ndim, values->shape),
                 ops_shape_text(p->ndim, p->shape));
        return 1;
    }
    return 0;
}

/* Write or add the values into `to`, which has memory and is not packed when adding. */
static int put(ops_tensor *to, const double *indices, int64_t n, const int64_t *dims,
               ops_tensor *values, int accumulate)
{
    plan p;
    int64_t stride[OPS_MAX_NDIM];
    if (make_plan(&p, to->ndim, to->shape, to->stride, indices, n, dims, 1)) {
        return 1;
    }
    ops_tensor *own = ops_tensor_dense(values, to->dtype);
    int failed = own == NULL || spread_values(&p, own, stride) ||
                 run(&p, to->data, own->data, stride, to->dtype, accumulate ? ADD : WRITE);
    if (own != NULL) {
        ops_tensor_drop(own);
    }
    drop_plan(&p);
    return failed;
}

static int put_any(ops_tensor *to, const double *indices, int64_t n, const int64_t *dims,
                   ops_tensor *values, int accumulate)
{
    if (!has_memory(to)) {
        return 0;
    }
    if (!accumulate || !ops_is_packed(to->dtype)) {
        return put(to, indices, n, dims, values, accumulate);
    }
    ops_tensor *wide = ops_tensor_dense(to, ops_compute_dtype[to->dtype]); /* packed floats are summed wide */
    int failed = wide == NULL || put(wide, indices, n, dims, values, 1) ||
                 !ops_tensor_copy(to, wide);
    if (wide != NULL) {
        ops_tensor_drop(wide);
    }
    return failed;
}

ops_tensor *opsk_index_adjoint(ops_tensor *input, const double *indices, int64_t n_indices,
                               int64_t n_dims, const int64_t *dims, int64_t n_size,
                               const int64_t *size)
{
    if (check_dims("index_adjoint", (int)n_size, n_indices, n_dims, dims)) {
        return NULL;
    }
    int64_t shape[OPS_MAX_NDIM];
    memcpy(shape, size, (size_t)n_size * sizeof *shape);
    ops_tensor *out = ops_tensor_new(input->dtype, input->device, (int)n_size, shape);
    if (out == NULL || !has_memory(out)) {
        return out;
    }
    memset(out->data, 0, (size_t)(out->numel * ops_itemsize(out)));
    if (put_any(out, indices, n_indices, dims, input, 1)) {
        ops_tensor_drop(out);
        return NULL;
    }
    return out;
}

ops_tensor *opsk_index_write(ops_tensor *input, const double *indices, int64_t n_indices,
                             int64_t n_dims, const int64_t *dims, ops_tensor *values,
                             int accumulate)
{
    if (check_dims("index_write", input->ndim, n_indices, n_dims, dims)) {
        return NULL;
    }
    if (input->storage != NULL && input->storage->readonly) {
        return ops_fail(OPS_RUNTIME_ERROR, "the tensor's memory is read-only");
    }
    return put_any(input, indices, n_indices, dims, values, accumulate) ? NULL
                                                                       : ops_tensor_alias(input);
}

ops_tensor *opsk_index_put_at(ops_tensor *input, const double *indices, int64_t n_indices,
                              int64_t n_dims, const int64_t *dims, ops_tensor *values,
                              int accumulate)
{
    if (check_dims("index_put_at", input->ndim, n_indices, n_dims, dims)) {
        return NULL;
    }
    ops_tensor *out = ops_tensor_new(input->dtype, input->device, input->ndim, input->shape);
    if (out == NULL) {
        return NULL;
    }
    if (has_memory(out) && (!ops_tensor_copy(out, input) ||
                            put_any(out, indices, n_indices, dims, values, accumulate))) {
        ops_tensor_drop(out);
        return NULL;
    }
    return out;
}
