/* groups: which rows of a matrix are equal. What unique and unique_consecutive are made of. */
#include "opsmith/entry.h"
#include "opsmith/order.h"

ops_tensor *opsk_groups(ops_tensor *input, int consecutive);

typedef struct job {
    int64_t n, m; /* rows and columns */
    int floats;
    ops_entry *entries; /* of all elements, row by row; then scratch */
    int64_t *order;     /* rows in sorted order */
    int64_t *spare;
} job;

static int compare(const job *j, int64_t a, int64_t b)
{
    const ops_entry *x = j->entries + a * j->m, *y = j->entries + b * j->m;
    for (int64_t k = 0; k < j->m; ++k) {
        if (x[k].key != y[k].key) {
            return x[k].key < y[k].key ? -1 : 1;
        }
    }
    return 0;
}

/* NaN equals nothing, itself neither. */
static int has_nan(const job *j, int64_t a)
{
    const ops_entry *x = j->entries + a * j->m;
    for (int64_t k = 0; j->floats && k < j->m; ++k) {
        if (x[k].key == OPS_KEY_NAN) {
            return 1;
        }
    }
    return 0;
}

static void sort_rows(job *j)
{
    int64_t *from = j->order, *to = j->spare, n = j->n;
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t lo = 0; lo < n; lo += 2 * width) {
            int64_t mid = lo + width < n ? lo + width : n;
            int64_t hi = lo + 2 * width < n ? lo + 2 * width : n;
            int64_t a = lo, b = mid;
            for (int64_t k = lo; k < hi; ++k) {
                int left = b >= hi || (a < mid && compare(j, from[a], from[b]) <= 0);
                to[k] = left ? from[a++] : from[b++];
            }
        }
        int64_t *t = from;
        from = to;
        to = t;
    }
    j->order = from;
}

/* `group` of each row, in the order of `order`; returns how many groups. */
static int64_t count_groups(job *j, int64_t *inverse)
{
    int64_t groups = 0;
    for (int64_t k = 0; k < j->n; ++k) {
        int64_t row = j->order[k];
        int again = k > 0 && compare(j, j->order[k - 1], row) == 0 && !has_nan(j, row);
        groups += !again;
        inverse[row] = groups - 1;
    }
    return groups;
}

ops_tensor *opsk_groups(ops_tensor *input, int consecutive)
{
    if (!ops_devices[input->device]->has_memory) {
        return ops_fail(OPS_NOT_IMPLEMENTED,
                        "unique: the size of the result depends on the values, and a "
                        "%s tensor has none", ops_devices[input->device]->name);
    }
    int64_t n = input->shape[0], m = input->shape[1];
    ops_tensor *dense = ops_tensor_dense(input, input->dtype);
    ops_tensor *inverse = ops_tensor_new(OPS_I64, input->device, 1, &n);
    int64_t all = n * m;
    job j = {.n = n, .m = m, .floats = ops_is_float(input->dtype)};
    j.entries = malloc(ops_sort_bytes(all) + sizeof *j.entries);
    int64_t *rows = malloc((size_t)(2 * n + 1) * sizeof *rows);
    ops_tensor *first = NULL, *counts = NULL;
    if (dense == NULL || inverse == NULL || j.entries == NULL || rows == NULL) {
        ops_fail(OPS_MEMORY_ERROR, "unique: not enough memory for %lld elements", (long long)all);
        goto done;
    }
    j.order = rows;
    j.spare = rows + n;
    void *lock = ops_gil_leave(all);
    ops_entries(dense->dtype, all, dense->data, ops_itemsize(dense), 0, j.entries);
    for (int64_t k = 0; k < n; ++k) {
        rows[k] = k;
    }
    if (!consecutive && m == 1) { /* sort the elements themselves, then put keys back in place */
        ops_sort_entries(n, j.entries);
        for (int64_t k = 0; k < n; ++k) {
            rows[k] = j.entries[k].at;
        }
        ops_entries(dense->dtype, n, dense->data, ops_itemsize(dense), 0, j.entries);
    } else if (!consecutive) {
        sort_rows(&j);
    }
    int64_t groups = count_groups(&j, (int64_t *)inverse->data);
    ops_gil_enter(lock);
    first = ops_tensor_new(OPS_I64, input->device, 1, &groups);
    counts = first ? ops_tensor_new(OPS_I64, input->device, 1, &groups) : NULL;
    if (counts == NULL) {
        goto done;
    }
    int64_t *f = (int64_t *)first->data, *c = (int64_t *)counts->data;
    memset(c, 0, (size_t)groups * sizeof *c);
    for (int64_t k = n - 1; k >= 0; --k) {
        int64_t row = j.order[k], g = ((const int64_t *)inverse->data)[row];
        f[g] = row; /* equal rows stand in order: the first one stays */
        ++c[g];
    }
done:
    free(j.entries);
    free(rows);
    if (dense) {
        ops_tensor_drop(dense);
    }
    if (counts == NULL) {
        if (inverse) {
            ops_tensor_drop(inverse);
        }
        if (first) {
            ops_tensor_drop(first);
        }
        return NULL;
    }
    ops_more[1] = ops_to_handle(inverse);
    ops_more[2] = ops_to_handle(counts);
    return first;
}
