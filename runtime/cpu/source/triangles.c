/* lu_rows, solve_many, invert, solve_triangle: elimination with exchanged rows, and solutions. */
#include <math.h>
#include <stdlib.h>

#include "opsmith/entry.h"
#include "opsmith/gemm.h"
#include "opsmith/parallel.h"

enum {
    LEAF = 24, /* columns up to which products of matrices cost more than they save */
    GIL_LIMIT = 32768,
    GRAIN = 32768, /* multiplications that make a task */
};

#define REAL float
#define NAME(x) x##_f32
#define GEMM ops_gemm_f32
#define ABS fabsf
#include "triangles_loops.h"
#define REAL double
#define NAME(x) x##_f64
#define GEMM ops_gemm_f64
#define ABS fabs
#include "triangles_loops.h"

ops_tensor *opsk_lu_rows(ops_tensor *input);
ops_tensor *opsk_solve_many(ops_tensor *input, ops_tensor *other);
ops_tensor *opsk_invert(ops_tensor *input);
ops_tensor *opsk_solve_triangle(ops_tensor *input, ops_tensor *other, int upper, int unitriangular);

typedef struct {
    const ops_tensor *input;
    ops_tensor *out, *pivots, *info;
    int64_t m, n; /* of each matrix of out */
    int upper, unit;
    int failed;
} job;

/* Offset, in elements, of matrix q. */
static int64_t matrix_at(const ops_tensor *t, int64_t q)
{
    int64_t offset = 0;
    for (int d = t->ndim - 3; d >= 0; --d) {
        offset += q % t->shape[d] * t->stride[d];
        q /= t->shape[d];
    }
    return offset;
}

static int64_t matrices(const ops_tensor *t)
{
    int64_t count = 1;
    for (int d = 0; d < t->ndim - 2; ++d) {
        count *= t->shape[d];
    }
    return count;
}

static int refused(const char *name, const ops_tensor *t)
{
    if (t->ndim >= 2 && (t->dtype == OPS_F32 || t->dtype == OPS_F64)) {
        return 0;
    }
    ops_fail(OPS_RUNTIME_ERROR, "%s: expected matrices of float32 or float64, found %d dimensions of "
             "%s", name, (int)t->ndim, ops_dtype_name[t->dtype]);
    return 1;
}

/* Runs body over all matrices of the job's result, each of `cost` multiplications. */
static int run(job *j, int64_t cost, ops_range_fn body)
{
    int64_t count = matrices(j->out);
    void *lock = j->out->numel > GIL_LIMIT && ops_gil_release ? ops_gil_release() : NULL;
    ops_parallel_for(count, GRAIN / (cost + 1) + 1, body, j);
    if (lock) {
        ops_gil_acquire(lock);
    }
    if (j->failed) {
        ops_fail(OPS_MEMORY_ERROR, "not enough memory to factor matrices of %lld by %lld",
                 (long long)j->m, (long long)j->n);
    }
    return j->failed;
}

/* Square matrices and as many right sides, or an error. */
static int misfit(const char *name, const ops_tensor *input, const ops_tensor *other)
{
    if (refused(name, input) || refused(name, other)) {
        return 1;
    }
    int n = input->ndim;
    if (other->ndim == n && other->dtype == input->dtype &&
        memcmp(input->shape, other->shape, sizeof(int64_t) * (size_t)(n - 1)) == 0 &&
        input->shape[n - 2] == input->shape[n - 1]) {
        return 0;
    }
    ops_fail(OPS_RUNTIME_ERROR, "%s: expected square matrices and as many right sides of their height "
             "and dtype", name);
    return 1;
}

/* Zeros, one a matrix; returns 0 on failure. */
static int add_info(job *j, const ops_tensor *input)
{
    j->info = ops_tensor_new(OPS_I32, input->device, input->ndim - 2, input->shape);
    if (j->info != NULL && ops_devices[input->device]->has_memory) {
        memset(j->info->data, 0, (size_t)j->info->numel * sizeof(int32_t));
    }
    return j->info != NULL;
}

/* Is there anything to compute? */
static int worth(const job *j)
{
    return ops_devices[j->out->device]->has_memory && j->out->numel > 0;
}

static ops_tensor *forget(job *j)
{
    ops_tensor *const made[] = {j->out, j->pivots, j->info};
    for (int k = 0; k < 3; ++k) {
        if (made[k] != NULL) {
            ops_tensor_drop(made[k]);
        }
    }
    return NULL;
}

static void eliminate_range(int64_t lo, int64_t hi, void *arg)
{
    job *j = arg;
    int64_t m = j->m, n = j->n, k = m < n ? m : n, item = ops_itemsize(j->out);
    void *scratch = malloc((size_t)(k > LEAF ? m * (k / 2 + 1) * item : 1));
    if (scratch == NULL) {
        j->failed = 1;
        return;
    }
    for (int64_t q = lo; q < hi; ++q) {
        char *a = j->out->data + q * m * n * item;
        int32_t *pivots = (int32_t *)j->pivots->data + q * k;
        int32_t *info = (int32_t *)j->info->data + q;
        if (j->out->dtype == OPS_F32) {
            eliminate_f32(m, n, (float *)a, n, pivots, 0, scratch);
            *info = zero_pivot_f32(k, (float *)a, n);
        } else {
            eliminate_f64(m, n, (double *)a, n, pivots, 0, scratch);
            *info = zero_pivot_f64(k, (double *)a, n);
        }
    }
    free(scratch);
}

ops_tensor *opsk_lu_rows(ops_tensor *input)
{
    if (refused("lu_rows", input)) {
        return NULL;
    }
    int64_t shape[OPS_MAX_NDIM];
    int lead = input->ndim - 2;
    memcpy(shape, input->shape, sizeof(int64_t) * (size_t)lead);
    job j = {.m = input->shape[lead], .n = input->shape[lead + 1]};
    shape[lead] = j.m < j.n ? j.m : j.n;
    j.out = ops_tensor_new(input->dtype, input->device, input->ndim, input->shape);
    j.pivots = j.out ? ops_tensor_new(OPS_I32, input->device, lead + 1, shape) : NULL;
    if (j.pivots == NULL || !add_info(&j, input) ||
        (worth(&j) && (!ops_tensor_copy(j.out, input) ||
                       run(&j, j.m * j.n * shape[lead], eliminate_range)))) {
        return forget(&j);
    }
    ops_more[1] = ops_to_handle(j.pivots);
    ops_more[2] = ops_to_handle(j.info);
    return j.out;
}

static void solve_range(int64_t lo, int64_t hi, void *arg)
{
    job *j = arg;
    int64_t n = j->m, columns = j->n, item = ops_itemsize(j->out);
    const ops_tensor *t = j->input;
    int64_t row = t->stride[t->ndim - 2], col = t->stride[t->ndim - 1];
    int64_t half = n > LEAF ? n * (n / 2 + 1) : 0;
    char *work = malloc((size_t)((n * n + half) * item + n * (int64_t)sizeof(int32_t)));
    if (work == NULL) {
        j->failed = 1;
        return;
    }
    char *scratch = work + n * n * item;
    int32_t *pivots = (int32_t *)(scratch + half * item);
    for (int64_t q = lo; q < hi; ++q) {
        const char *a = t->data + matrix_at(t, q) * item;
        char *b = j->out->data + q * n * columns * item;
        int32_t *info = (int32_t *)j->info->data + q;
        if (j->out->dtype == OPS_F32) {
            if (j->unit) {
                unit_f32(n, (float *)b);
            }
            *info = solve_f32(n, columns, (const float *)a, row, col, (float *)b, (float *)work,
                              pivots, (float *)scratch);
        } else {
            if (j->unit) {
                unit_f64(n, (double *)b);
            }
            *info = solve_f64(n, columns, (const double *)a, row, col, (double *)b, (double *)work,
                              pivots, (double *)scratch);
        }
    }
    free(work);
}

/* Solves for `other`, or for unit matrices where there is none. */
static ops_tensor *solved(ops_tensor *input, ops_tensor *other)
{
    const ops_tensor *like = other != NULL ? other : input;
    job j = {.input = input, .m = like->shape[like->ndim - 2], .n = like->shape[like->ndim - 1],
             .unit = other == NULL};
    j.out = ops_tensor_new(like->dtype, like->device, like->ndim, like->shape);
    if (j.out == NULL || !add_info(&j, input) ||
        (worth(&j) && ((other != NULL && !ops_tensor_copy(j.out, other)) ||
                       run(&j, j.m * j.m * (j.m + j.n), solve_range)))) {
        return forget(&j);
    }
    ops_more[1] = ops_to_handle(j.info);
    return j.out;
}

ops_tensor *opsk_solve_many(ops_tensor *input, ops_tensor *other)
{
    return misfit("solve_many", input, other) ? NULL : solved(input, other);
}

ops_tensor *opsk_invert(ops_tensor *input)
{
    return misfit("invert", input, input) ? NULL : solved(input, NULL);
}

static void substitute_range(int64_t lo, int64_t hi, void *arg)
{
    job *j = arg;
    int64_t n = j->m, columns = j->n, item = ops_itemsize(j->out);
    const ops_tensor *t = j->input;
    int64_t row = t->stride[t->ndim - 2], col = t->stride[t->ndim - 1];
    void *scratch = malloc((size_t)(n > LEAF ? (n / 2 + 1) * (n / 2 + 1) * item : 1));
    if (scratch == NULL) {
        j->failed = 1;
        return;
    }
    for (int64_t q = lo; q < hi; ++q) {
        const char *a = t->data + matrix_at(t, q) * item;
        char *b = j->out->data + q * n * columns * item;
        if (j->out->dtype == OPS_F32) {
            substitute_f32(n, columns, (const float *)a, row, col, j->upper, j->unit, (float *)b,
                           columns, scratch);
        } else {
            substitute_f64(n, columns, (const double *)a, row, col, j->upper, j->unit, (double *)b,
                           columns, scratch);
        }
    }
    free(scratch);
}

ops_tensor *opsk_solve_triangle(ops_tensor *input, ops_tensor *other, int upper, int unitriangular)
{
    if (misfit("solve_triangle", input, other)) {
        return NULL;
    }
    int n = input->ndim;
    job j = {.input = input, .m = other->shape[n - 2], .n = other->shape[n - 1], .upper = upper,
             .unit = unitriangular};
    j.out = ops_tensor_new(other->dtype, other->device, n, other->shape);
    if (j.out == NULL || (worth(&j) && (!ops_tensor_copy(j.out, other) ||
                                        run(&j, j.m * j.m * j.n, substitute_range)))) {
        return forget(&j);
    }
    return j.out;
}
