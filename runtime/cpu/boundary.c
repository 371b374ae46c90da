/* The Python side's view of tensors: small functions on handles, modes, the generator. See
 * opsmith/boundary.h. */
#include <math.h>
#include <stdlib.h>

#include "opsmith/abi.h"
#include "opsmith/backend.h"
#include "opsmith/convert.h"
#include "opsmith/generator.h"
#include "opsmith/parallel.h"
#include "opsmith/pointwise.h"
#include "opsmith/reduce.h"

#pragma GCC visibility push(default)
#include "opsmith/boundary.h"

#define T(h) ops_from_handle(h)

void ops_drop(double h)
{
    ops_tensor_drop(T(h));
}

double ops_hold(double h)
{
    return ops_to_handle(ops_tensor_hold(T(h)));
}

double ops_alias(double h)
{
    return ops_to_handle(ops_tensor_alias(T(h)));
}

/* For .data: the same storage under a version cell of its own. */
double ops_unshared_alias(double h)
{
    ops_tensor *t = ops_tensor_alias(T(h));
    ops_version *cell = t ? calloc(1, sizeof *cell) : NULL;
    if (cell == NULL) {
        ops_fail(OPS_MEMORY_ERROR, "out of memory");
        return 0.0;
    }
    if (t->version->refcount > 0 && --t->version->refcount == 0) {
        free(t->version);
    }
    cell->refcount = 1;
    t->version = cell;
    t->flags &= (uint8_t)~OPS_VIEW;
    t->born = 0;
    return ops_to_handle(t);
}

double ops_next_output(int k)
{
    return ops_more[k];
}

void ops_put_output(int k, double h)
{
    ops_more[k] = h;
}

int ops_check_plain(double h)
{
    ops_tensor *t = T(h);
    return ops_check_operands("", &t, 1) || ops_check_views(&t, 1, 0);
}

/* A number that is equal for equal small shapes, -1 for others: a key for cached tuples. */
double ops_shape_key(double h)
{
    const ops_tensor *t = T(h);
    uint64_t key = t->ndim;
    if (t->ndim > 3) {
        return -1.0;
    }
    for (int d = 0; d < t->ndim; ++d) {
        if ((uint64_t)t->shape[d] >= 65536) {
            return -1.0;
        }
        key = key << 16 | (uint64_t)t->shape[d];
    }
    return (double)key;
}

int ops_ndim(double h)
{
    return T(h)->ndim;
}

int64_t *ops_shape(double h)
{
    return T(h)->shape;
}

int64_t *ops_strides(double h)
{
    return T(h)->stride;
}

int64_t ops_numel(double h)
{
    return T(h)->numel;
}

int ops_dtype(double h)
{
    return T(h)->dtype;
}

int ops_device(double h)
{
    return T(h)->device;
}

int ops_flags(double h)
{
    return T(h)->flags;
}

int64_t ops_itemsize_of(double h)
{
    return ops_itemsize(T(h));
}

int64_t ops_storage_offset(double h)
{
    const ops_tensor *t = T(h);
    return (t->data - t->storage->data) / ops_itemsize(t);
}

int64_t ops_storage_bytes(double h)
{
    return T(h)->storage->nbytes;
}

int64_t ops_storage_pointer(double h)
{
    return (int64_t)(intptr_t)T(h)->storage->data;
}

int64_t ops_data_pointer(double h)
{
    return (int64_t)(intptr_t)T(h)->data;
}

int64_t ops_version_of(double h)
{
    return T(h)->version->count;
}

int ops_overlap(double a, double b)
{
    const ops_tensor *x = T(a), *y = T(b);
    return x->numel > 0 && (ops_tensors_overlap(x, y) != OPS_APART ||
                            (x->storage == y->storage && x->data == y->data && y->numel > 0));
}

void ops_bump_version(double h, double stamp)
{
    ops_tensor_written(T(h), stamp);
}

int ops_is_stale(double h)
{
    const ops_tensor *t = T(h);
    return (t->flags & OPS_VIEW) && t->born != t->version->count;
}

void ops_refresh_view(double h)
{
    T(h)->born = T(h)->version->count;
}

void ops_set_flag(double h, int flag, int on)
{
    ops_tensor *t = T(h);
    t->flags = (uint8_t)(on ? t->flags | flag : t->flags & ~flag);
}

int ops_storage_refcount(double h)
{
    return T(h)->storage->refcount;
}

int ops_overlaps_itself(double h)
{
    return ops_tensor_overlaps_itself(T(h));
}

double ops_none_handle(void)
{
    return ops_to_handle(&ops_none);
}

/* Has a saved tensor been written since the node with sequence number `seq` was made? */
int ops_saved_is_valid(double h, double seq)
{
    const ops_tensor *t = T(h);
    return t->version == NULL || t->version->stamp <= seq;
}

/* The element of a tensor on any device; an error is pending if it cannot be read. */
static void item(const ops_tensor *t, int dtype, void *to)
{
    const ops_backend *backend = ops_backend_of(t->device);
    if (OPS_LIKELY(backend == NULL)) {
        ops_convert(dtype, t->dtype, 1, t->data, 0, to);
        return;
    }
    ops_plan plan = {.ndim = 1, .operands = 2, .numel = 1, .shape = {1}};
    plan.op[0] = (ops_operand_plan){
        .data = to, .stride = {8}, .dtype = (uint8_t)dtype, .output = 1, .device = OPS_CPU};
    plan.op[1] = (ops_operand_plan){
        .data = t->data, .stride = {ops_itemsize(t)}, .dtype = t->dtype, .device = t->device};
    backend->copy(&plan);
}

double ops_item_float(double h)
{
    double v = 0.0;
    item(T(h), OPS_F64, &v);
    return v;
}

int64_t ops_item_int(double h)
{
    int64_t v = 0;
    item(T(h), OPS_I64, &v);
    return v;
}

/* Modes, threads, random numbers --------------------------------------------------------------- */

void ops_set_grad_enabled(int on)
{
    ops_grad_enabled = on;
}

int ops_get_grad_enabled(void)
{
    return ops_grad_enabled;
}

int ops_divert(int flags)
{
    int before = ops_diverted;
    ops_diverted = flags;
    return before;
}

int ops_diverted_flags(void)
{
    return ops_diverted;
}

void ops_set_default_dtype(int dtype)
{
    ops_default_dtype = (uint8_t)dtype;
}

/* As many as a call has lists, with some to spare: each list of a call has a buffer of its own. */
int64_t *ops_long_ints(void)
{
    enum { LISTS = 8, LENGTH = 64 };
    static __thread int64_t buffers[LISTS][LENGTH];
    static __thread unsigned next;
    return buffers[next++ % LISTS];
}

int ops_num_threads_now(void)
{
    return ops_num_threads();
}

void ops_set_threads(int n)
{
    ops_set_num_threads(n);
}

static uint64_t seed = 2147483647u, offset;

void ops_seed(uint64_t value)
{
    seed = value;
    offset = 0;
}

uint64_t ops_get_seed(void)
{
    return seed;
}

uint64_t ops_get_offset(void)
{
    return offset;
}

void ops_set_offset(uint64_t value)
{
    offset = value;
}

uint64_t ops_generator_seed(void)
{
    return seed;
}

uint64_t ops_generator_reserve(int64_t n)
{
    uint64_t first = offset;
    offset += (uint64_t)(n > 0 ? n : 1);
    return first;
}

#pragma GCC visibility pop
