/* Tensors that Python makes and writes, by handles. See opsmith/boundary.h. */
#include <math.h>
#include <stdlib.h>

#include "opsmith/abi.h"
#include "opsmith/backend.h"
#include "opsmith/convert.h"
#include "opsmith/pointwise.h"

#pragma GCC visibility push(default)
#include "opsmith/boundary.h"

#define T(h) ops_from_handle(h)

/* Making tensors ------------------------------------------------------------------------------- */

/* A number after a conversion to `dtype` and back to `wide`. */
static void round_trip(int dtype, int wide, const void *value, void *back)
{
    int64_t room;
    ops_convert(dtype, wide, 1, value, 8, (char *)&room);
    ops_convert(wide, dtype, 1, (const char *)&room, 8, back);
}

/* Does the number fit the dtype? Unsigned dtypes take negative integers too, modulo their range. */
static int fits(int dtype, int kind, double f, int64_t i)
{
    if (kind == 2 || dtype == OPS_BOOL) {
        return 1;
    }
    if (ops_is_float(dtype)) {
        double v = kind == 1 ? f : (double)i, back;
        round_trip(dtype, OPS_F64, &v, &back);
        return isfinite(back) || !isfinite(v);
    }
    if (kind == 1) {
        double v = f < 0 ? floor(f) : ceil(f), back; /* the range ends at integers */
        round_trip(dtype, OPS_F64, &v, &back);
        return back == v;
    }
    int64_t minus = -1, back;
    round_trip(dtype, OPS_I64, &minus, &back);
    int64_t v = i < 0 && back > 0 && i != INT64_MIN ? -i : i;
    round_trip(dtype, OPS_I64, &v, &back);
    return back == v;
}

static int fill(ops_tensor *t, int kind, double f, int64_t i)
{
    if (OPS_UNLIKELY(!fits(t->dtype, kind, f, i))) {
        ops_fail(OPS_RUNTIME_ERROR, "value cannot be converted to type %s without overflow",
                 ops_dtype_name[t->dtype]);
        return 0;
    }
    ops_number n;
    return ops_tensor_copy(t, ops_number_tensor(&n, kind, f, i));
}

/* A fresh tensor, filled; null with an error set. */
static ops_tensor *filled(ops_tensor *t, int kind, double f, int64_t i)
{
    if (t != NULL && OPS_UNLIKELY(!fill(t, kind, f, i))) {
        ops_tensor_drop(t);
        return NULL;
    }
    return t;
}

/* A 0-d tensor that takes part in promotion as a Python number does. */
double ops_make_number(int kind, double f, int64_t i)
{
    ops_tensor *t = ops_tensor_new(kind == 1 ? OPS_F64 : kind == 2 ? OPS_BOOL : OPS_I64, OPS_CPU, 0, NULL);
    if (t != NULL) {
        fill(t, kind, f, i);
        t->flags |= OPS_NUMBER;
    }
    return ops_to_handle(t);
}

double ops_empty(int dtype, int device, int64_t n, int64_t a, int64_t b, int64_t c, int64_t d)
{
    int64_t small[4];
    return ops_to_handle(ops_tensor_new(dtype, device, (int)n, ops_ints(n, a, b, c, d, small)));
}

double ops_empty_strided(int dtype, int device, int64_t n, const int64_t *shape, const int64_t *stride)
{
    int64_t last = 0, empty = 0;
    for (int64_t d = 0; d < n; ++d) {
        last += (shape[d] - 1) * stride[d];
        empty |= shape[d] == 0;
    }
    int64_t room = empty ? 0 : last + 1;
    ops_tensor *base = ops_tensor_new(dtype, device, 1, &room);
    ops_tensor *t = base ? ops_tensor_share(base, (int)n) : NULL;
    if (t != NULL) {
        memcpy(t->shape, shape, sizeof(int64_t) * (size_t)n);
        memcpy(t->stride, stride, sizeof(int64_t) * (size_t)n);
        t->flags = 0;
        ops_tensor_refresh(t);
    }
    if (base != NULL) {
        ops_tensor_drop(base);
    }
    return ops_to_handle(t);
}

double ops_full(int dtype, int device, int kind, double f, int64_t i, int64_t n, int64_t a,
                int64_t b, int64_t c, int64_t d)
{
    int64_t small[4];
    ops_tensor *t = ops_tensor_new(dtype, device, (int)n, ops_ints(n, a, b, c, d, small));
    return ops_to_handle(filled(t, kind, f, i));
}

/* That with another value; kind -1 leaves it uninitialised. */
double ops_like(double h, int dtype, int kind, double f, int64_t i)
{
    const ops_tensor *t = T(h);
    ops_tensor *out = ops_tensor_like(t, dtype < 0 ? t->dtype : dtype, t->device);
    return ops_to_handle(kind < 0 ? out : filled(out, kind, f, i));
}

double ops_ones_like(double h)
{
    const ops_tensor *t = T(h);
    ops_tensor *out = ops_tensor_new(t->dtype, t->device, t->ndim, t->shape);
    if (out != NULL) {
        fill(out, 0, 1.0, 1);
    }
    return ops_to_handle(out);
}

double ops_from_block(int dtype, int source, const char *block, int64_t n, int64_t a, int64_t b,
                      int64_t c, int64_t d)
{
    int64_t small[4];
    ops_tensor *t = ops_tensor_new(dtype, OPS_CPU, (int)n, ops_ints(n, a, b, c, d, small));
    if (t != NULL && t->numel > 0) {
        ops_convert(dtype, source, t->numel, block, ops_dtype_size[source], t->data);
    }
    return ops_to_handle(t);
}

double ops_range(int64_t start, int64_t step, int64_t count)
{
    ops_tensor *t = ops_tensor_new(OPS_I64, OPS_CPU, 1, &count);
    if (t != NULL) {
        int64_t *p = (int64_t *)t->data;
        uint64_t v = (uint64_t)start;
        for (int64_t k = 0; k < count; ++k, v += (uint64_t)step) {
            p[k] = (int64_t)v;
        }
    }
    return ops_to_handle(t);
}

double ops_from_doubles(int dtype, const char *block, int64_t n)
{
    ops_tensor *t = ops_tensor_new(dtype, OPS_CPU, 1, &n);
    if (t != NULL) {
        ops_convert(dtype, OPS_F64, n, block, 8, t->data);
    }
    return ops_to_handle(t);
}

typedef struct foreign {
    double owner;
    void (*release)(double);
} foreign;

static void release_foreign(void *owner)
{
    foreign *f = owner;
    f->release(f->owner);
    free(f);
}

double ops_from_foreign(int dtype, char *data, int readonly, int64_t ndim, const int64_t *shape,
                        const int64_t *stride, double owner, void (*release)(double))
{
    foreign *f = malloc(sizeof *f);
    if (f == NULL) {
        ops_fail(OPS_MEMORY_ERROR, "out of memory");
        return 0.0;
    }
    f->owner = owner;
    f->release = release;
    ops_tensor *t = ops_tensor_foreign(dtype, (int)ndim, shape, stride, data, readonly,
                                       release_foreign, f);
    if (t == NULL) {
        free(f);
    }
    return ops_to_handle(t);
}

/* Writing -------------------------------------------------------------------------------------- */

static int writable(const ops_tensor *t)
{
    if (t->storage->readonly) {
        ops_fail(OPS_RUNTIME_ERROR, "the tensor's memory is read-only");
        return 0;
    }
    if (ops_tensor_overlaps_itself(t)) {
        ops_fail(OPS_RUNTIME_ERROR,
                 "unsupported operation: more than one element of the written-to tensor refers to "
                 "a single memory location. Please clone() the tensor before performing the "
                 "operation.");
        return 0;
    }
    return 1;
}

int ops_fill(double h, int kind, double f, int64_t i, double stamp)
{
    ops_tensor *t = T(h);
    if (!writable(t) || !fill(t, kind, f, i)) {
        return 0;
    }
    ops_tensor_written(t, stamp);
    return 1;
}

int ops_copy(double to, double from, double stamp)
{
    ops_tensor *a = T(to), *b = T(from);
    int shift = a->ndim - b->ndim, fits = shift >= 0;
    for (int d = 0; fits && d < b->ndim; ++d) {
        fits = b->shape[d] == 1 || b->shape[d] == a->shape[d + shift];
    }
    if (!fits) {
        ops_fail(OPS_RUNTIME_ERROR,
                 "output with shape %s doesn't match the broadcast shape of a source with shape %s",
                 ops_shape_text(a->ndim, a->shape), ops_shape_text(b->ndim, b->shape));
        return 0;
    }
    if (!writable(a)) {
        return 0;
    }
    ops_tensor *apart = NULL;
    int overlap = ops_tensors_overlap(a, b);
    if (overlap == OPS_OVERLAP) {
        ops_refuse_overlap();
        return 0;
    }
    if (overlap) {
        apart = ops_tensor_new(b->dtype, b->device, b->ndim, b->shape);
        if (apart == NULL || !ops_tensor_copy(apart, b)) {
            return 0;
        }
        b = apart;
    }
    int ok = ops_tensor_copy(a, b);
    if (apart != NULL) {
        ops_tensor_drop(apart);
    }
    if (ok) {
        ops_tensor_written(a, stamp);
    }
    return ok;
}

double ops_convert_to(double h, int dtype, int device, int always_copy, int contiguous)
{
    ops_tensor *t = T(h);
    int to = device < 0 ? t->device : device;
    int type = dtype < 0 ? t->dtype : dtype;
    if (to != t->device && !ops_devices[t->device]->has_memory) {
        ops_fail(OPS_NOT_IMPLEMENTED, "Cannot copy out of meta tensor; no data!");
        return 0.0;
    }
    if (!always_copy && type == t->dtype && to == t->device &&
        (!contiguous || (t->flags & OPS_CONTIGUOUS))) {
        return ops_to_handle(ops_tensor_hold(t));
    }
    ops_tensor *out = contiguous ? ops_tensor_new(type, to, t->ndim, t->shape) : ops_tensor_like(t, type, to);
    if (out != NULL && !ops_tensor_copy(out, t)) {
        ops_tensor_drop(out);
        return 0.0;
    }
    return ops_to_handle(out);
}

/* The same bytes read as another dtype: view(dtype). The last dim grows or shrinks with the size. */
double ops_bitcast(double h, int dtype)
{
    const ops_tensor *t = T(h);
    int64_t from = ops_itemsize(t), to = ops_dtype_size[dtype];
    int last = t->ndim - 1;
    if (from != to && (last < 0 || t->stride[last] != 1 || t->shape[last] * from % to != 0)) {
        ops_fail(OPS_RUNTIME_ERROR,
                 "self.size(-1) must be divisible by %lld and contiguous to view %s as %s (different "
                 "element sizes), but got shape %s", (long long)(to > from ? to / from : 1),
                 ops_dtype_name[t->dtype], ops_dtype_name[dtype], ops_shape_text(t->ndim, t->shape));
        return 0.0;
    }
    for (int d = 0; from != to && d < last; ++d) {
        if (t->stride[d] * from % to != 0) {
            ops_fail(OPS_RUNTIME_ERROR, "strides of %s are no multiple of the new element size",
                     ops_shape_text(t->ndim, t->shape));
            return 0.0;
        }
    }
    ops_tensor *out = ops_tensor_alias(t);
    if (out == NULL) {
        return 0.0;
    }
    out->dtype = (uint8_t)dtype;
    out->flags |= OPS_VIEW;
    if (from != to) {
        for (int d = 0; d < last; ++d) {
            out->stride[d] = t->stride[d] * from / to;
        }
        out->shape[last] = t->shape[last] * from / to;
        ops_tensor_refresh(out);
    }
    return ops_to_handle(out);
}

#pragma GCC visibility pop
