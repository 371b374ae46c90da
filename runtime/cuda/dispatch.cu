/* From an operation's descriptor to its kernel, and how a reduction is cut. */
#include "reduce.cuh"
#include "state.cuh"

extern const ops_cuda_entry ops_cuda_table[]; /* generated, sorted by key */
extern const int ops_cuda_table_size;

/* Lookup --------------------------------------------------------------------------------------- */

/* Descriptors seen, by address: the search by halves is done once each. */
enum { SLOTS = 4096 };

typedef struct slot {
    const char *key; /* keys are the descriptors' own strings: equal addresses, equal keys */
    const ops_launcher *launcher;
} slot;

static slot slots[SLOTS];

static const ops_launcher *search(const char *key)
{
    if (strcmp(key, "accumulate") == 0) {
        return &ops_accumulate__cuda;
    }
    int lo = 0, hi = ops_cuda_table_size;
    while (lo < hi) {
        const int middle = (lo + hi) / 2, order = strcmp(ops_cuda_table[middle].key, key);
        if (order == 0) {
            return ops_cuda_table[middle].launcher;
        }
        if (order < 0) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    return NULL;
}

static const ops_launcher *find(const char *name, const char *key)
{
    const ops_launcher *found = NULL;
    ops_cuda_here();
    if (key != NULL) {
        slot *s = &slots[((uintptr_t)key >> 3) % SLOTS];
        if (s->key == key) {
            found = s->launcher;
        } else {
            found = search(key);
            if (found != NULL) {
                s->key = key;
                s->launcher = found;
            }
        }
    }
    if (found == NULL) {
        ops_fail(OPS_NOT_IMPLEMENTED,
                 "%s() has no CUDA kernel in this build: it is of a family or a registry without "
                 "one, or the registry changed since libopsmith_cuda.so was made (build.py --cuda)",
                 name);
    }
    return found;
}

static int run_pointwise(const ops_pointwise_op *op, int compute, const ops_plan *plan,
                         const ops_scalar *s)
{
    const ops_launcher *found = find(op->name, op->key);
    if (found == NULL) {
        return 0;
    }
    if (found->pointwise[compute] == NULL) {
        ops_fail(OPS_NOT_IMPLEMENTED, "%s() has no CUDA kernel for this dtype", op->name);
        return 0;
    }
    return ops_cuda_launched(found->pointwise[compute](plan, s, ops_cuda_stream), op->name);
}

static int run_reduce(const ops_reduce_op *op, const ops_reduce_work *work)
{
    const ops_launcher *found = find(op->name, op->key);
    if (found == NULL) {
        return 0;
    }
    if (found->reduce[work->compute] == NULL) {
        ops_fail(OPS_NOT_IMPLEMENTED, "%s() has no CUDA kernel for this dtype", op->name);
        return 0;
    }
    return ops_cuda_launched(found->reduce[work->compute](work, ops_cuda_stream), op->name);
}

static int run_rows(const ops_rows_op *op, const ops_rows_work *work)
{
    const ops_launcher *found = find(op->name, op->key);
    if (found == NULL) {
        return 0;
    }
    const ops_rows_launcher launch = found->rows[2 * work->variant + work->compute];
    return ops_cuda_launched(launch(work, ops_cuda_stream), op->name);
}

static void *find_function(const char *name, const char *key)
{
    const ops_launcher *found = find(name, key);
    return found == NULL ? NULL : found->function;
}

const ops_backend ops_cuda_backend = {run_pointwise, run_reduce, run_rows, ops_cuda_copy,
                                      ops_cuda_zero, find_function};

#pragma GCC visibility push(default)

extern "C" int ops_cuda_kernel_count(void)
{
    return ops_cuda_table_size;
}

extern "C" int ops_cuda_has_kernel(const char *key)
{
    return search(key) != NULL;
}

#pragma GCC visibility pop

/* Cutting a reduction -------------------------------------------------------------------------- */

static int fill_axes(ops_device_axes *to, const ops_reduce_axis *from, int n, int64_t *total)
{
    if (n > OPS_REDUCE_DIMS) {
        return 0;
    }
    to->n = n;
    *total = 1;
    for (int d = 0; d < n; ++d) {
        const ops_reduce_axis *a = &from[n - 1 - d];
        to->size[d] = a->size;
        to->stride[d] = a->stride;
        to->weight[d] = a->weight;
        to->divider[d] = ops_divider_of(a->size);
        *total *= a->size;
    }
    to->wide = *total >= ((int64_t)1 << 31);
    return 1;
}

static int64_t power_of_two(int64_t least)
{
    int64_t p = 1;
    while (p < least) {
        p *= 2;
    }
    return p;
}

static int64_t between(int64_t lo, int64_t x, int64_t hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

static int64_t magnitude(int64_t x)
{
    return x < 0 ? -x : x;
}

int ops_reduce_cut(ops_reduce_plan *p, const ops_reduce_work *w, int scalars)
{
    int64_t folded;
    memset(p, 0, sizeof *p);
    if (scalars > OPS_REDUCE_SCALARS || !fill_axes(&p->keep, w->keep, w->keeps, &p->outputs) ||
        !fill_axes(&p->fold, w->fold, w->folds, &folded)) {
        return 0;
    }
    p->count = w->count;
    p->data = w->data;
    p->dtype = w->dtype;
    for (int k = 0; k < 4; ++k) {
        p->out[k] = w->out[k];
        p->out_dtype[k] = w->out_dtype[k];
        p->out_size[k] = (int)ops_dtype_size[w->out_dtype[k]];
    }
    memcpy(p->s, w->s, w->s != NULL ? sizeof(ops_scalar) * (size_t)scalars : 0);
    /* Neighbouring threads read along the smaller stride. */
    const int64_t keep = magnitude(p->keep.stride[0]), fold = magnitude(p->fold.stride[0]);
    p->rows = p->outputs == 1 || (keep == 0 ? fold != 0 : fold != 0 && keep > fold);
    /* Threads of an output: about four elements each. In columns a warp's width of outputs comes
     * first. */
    const int64_t wanted = power_of_two((p->count + 3) / 4);
    const int64_t side = p->rows ? 1 : between(1, power_of_two(p->outputs), 32);
    p->across = (int)(OPS_THREADS / between(1, wanted, OPS_THREADS / side));
    const int64_t lanes = OPS_THREADS / p->across, groups = (p->outputs + p->across - 1) / p->across;
    /* Four blocks a multiprocessor; a part is worth its merge from 16 elements a thread on. */
    const int64_t busy = 4 * (int64_t)ops_cuda_multiprocessors();
    p->parts = (int)between(1, busy / groups, between(1, p->count / (lanes * 16), 1024));
    p->part = (p->count + p->parts - 1) / p->parts;
    p->part = (p->part + lanes - 1) / lanes * lanes;
    return 1;
}
