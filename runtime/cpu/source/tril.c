/* tril and triu: the lower or upper triangle of matrices, zeros elsewhere. */
#include "opsmith/entry.h"
#include "opsmith/parallel.h"

enum { GRAIN = 16384 };

ops_tensor *opsk_tril(ops_tensor *input, int64_t diagonal);
ops_tensor *opsk_triu(ops_tensor *input, int64_t diagonal);

typedef struct job {
    const char *from;
    char *to;
    int64_t rows, columns, item, diagonal;
    int lower;
} job;

/* Rows lo .. hi of all matrices, one below the other. */
static void triangle_rows(int64_t lo, int64_t hi, void *arg)
{
    const job *j = arg;
    int64_t bytes = j->columns * j->item;
    for (int64_t r = lo; r < hi; ++r) {
        int64_t edge = r % j->rows + j->diagonal + (j->lower ? 1 : 0);
        edge = edge < 0 ? 0 : edge > j->columns ? j->columns : edge;
        int64_t left = edge * j->item;
        const char *from = j->from + r * bytes;
        char *to = j->to + r * bytes;
        if (j->lower) {
            memcpy(to, from, (size_t)left);
            memset(to + left, 0, (size_t)(bytes - left));
        } else {
            memset(to, 0, (size_t)left);
            memcpy(to + left, from + left, (size_t)(bytes - left));
        }
    }
}

static ops_tensor *triangle(const char *name, ops_tensor *input, int64_t diagonal, int lower)
{
    int n = input->ndim;
    if (n < 2) {
        return ops_fail(OPS_RUNTIME_ERROR,
                        "%s: input tensor must have at least 2 dimensions", name);
    }
    ops_tensor *out = ops_tensor_new(input->dtype, input->device, n, input->shape);
    if (out == NULL || !ops_devices[input->device]->has_memory || input->numel == 0) {
        return out;
    }
    ops_tensor *dense = ops_tensor_dense(input, input->dtype);
    if (dense == NULL) {
        ops_tensor_drop(out);
        return NULL;
    }
    int64_t rows = input->shape[n - 2], columns = input->shape[n - 1];
    /* Beyond the corners nothing changes; the clamp keeps row + diagonal from overflowing. */
    diagonal = diagonal < -rows ? -rows : diagonal > columns ? columns : diagonal;
    job j = {dense->data, out->data, rows, columns, ops_itemsize(input), diagonal, lower};
    void *lock = ops_gil_leave(input->numel);
    ops_parallel_for(input->numel / columns, GRAIN / columns + 1, triangle_rows, &j);
    ops_gil_enter(lock);
    ops_tensor_drop(dense);
    return out;
}

ops_tensor *opsk_tril(ops_tensor *input, int64_t diagonal)
{
    return triangle("tril", input, diagonal, 1);
}

ops_tensor *opsk_triu(ops_tensor *input, int64_t diagonal)
{
    return triangle("triu", input, diagonal, 0);
}
