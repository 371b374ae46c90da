/* The Python side's view of tensors: small functions on handles. See opsmith/boundary.h. */
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

/* Same shape and stride order. */
static ops_tensor *like(const ops_tensor *t, int dtype, int device)
{
    if (t->flags & OPS_CONTIGUOUS) {
        return ops_tensor_new(dtype, device, t->ndim, t->shape);
    }
    uint8_t order[OPS_MAX_NDIM];
    for (int d = 0; d < t->ndim; ++d) {
        int at = d;
        for (; at > 0 && t->stride[order[at - 1]] < t->stride[d]; --at) {
            order[at] = order[at - 1];
        }
        order[at] = (uint8_t)d;
    }
    return ops_tensor_new_ordered(dtype, device, t->ndim, t->shape, order);
}

/* That with another value; kind -1 leaves it uninitialised. */
double ops_like(double h, int dtype, int kind, double f, int64_t i)
{
    const ops_tensor *t = T(h);
    ops_tensor *out = like(t, dtype < 0 ? t->dtype : dtype, t->device);
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
    ops_tensor *out = contiguous ? ops_tensor_new(type, to, t->ndim, t->shape) : like(t, type, to);
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

/* Exchange what two handles refer to: geometry, storage and version (x.data = y, set_). */
int ops_swap_contents(double a, double b)
{
    ops_tensor *x = T(a), *y = T(b);
    if (x->capacity != y->capacity) {
        ops_fail(OPS_RUNTIME_ERROR, "cannot exchange tensors of %d and %d dims", x->ndim, y->ndim);
        return 0;
    }
    size_t bytes = sizeof *x + 2 * sizeof(int64_t) * x->capacity;
    char keep[sizeof(ops_tensor) + 2 * sizeof(int64_t) * OPS_MAX_NDIM];
    int32_t rx = x->refcount, ry = y->refcount;
    memcpy(keep, x, bytes);
    memcpy(x, y, bytes);
    memcpy(y, keep, bytes);
    x->refcount = rx;
    y->refcount = ry;
    x->stride = x->shape + x->capacity;
    y->stride = y->shape + y->capacity;
    return 1;
}

/* Backward's accumulation ---------------------------------------------------------------------- */

static void add_f64(int64_t n, char *const *p, const ops_scalar *s, int64_t start)
{
    double *out = (double *)p[0];
    const double *a = (const double *)p[1], *b = (const double *)p[2];
    (void)s;
    (void)start;
#pragma GCC ivdep
    for (int64_t k = 0; k < n; ++k) {
        out[k] = a[k] + b[k];
    }
}

static void add_f32(int64_t n, char *const *p, const ops_scalar *s, int64_t start)
{
    float *out = (float *)p[0];
    const float *a = (const float *)p[1], *b = (const float *)p[2];
    (void)s;
    (void)start;
#pragma GCC ivdep
    for (int64_t k = 0; k < n; ++k) {
        out[k] = a[k] + b[k];
    }
}

static const ops_pointwise_op accumulate = {
    .name = "accumulate",
    .key = "accumulate", /* the runtime's own, on every device */
    .kernels = {add_f64, add_f32, NULL, NULL, NULL},
    .inputs = 2,
    .outputs = 1,
    .rule = OPS_RULE_COMMON,
    .cost = 0.3f,
};

/* a + g; gives both references back. Writes into `a` when nobody else can see it. */
double ops_accumulate(double ha, double hg)
{
    ops_tensor *in[] = {T(ha), T(hg)};
    ops_tensor *a = in[0], *g = in[1];
    int mine = a->refcount == 1 && a->storage->refcount == 1 && a->dtype == g->dtype &&
               ops_same_shape(a, g) && !a->storage->readonly && !ops_tensor_overlaps_itself(a);
    int diverted = ops_diverted;
    ops_diverted = 0;
    double out = ops_pointwise(&accumulate, in, 0, NULL, mine ? a : NULL, 0, 0.0);
    ops_diverted = diverted;
    ops_tensor_drop(g);
    if (!mine) {
        ops_tensor_drop(a);
    }
    return out;
}

/* A gradient fit to be kept: dense and unshared; the same handle when it already is. */
double ops_settle(double hg)
{
    ops_tensor *g = T(hg);
    if (g->refcount == 1 && g->storage->refcount == 1 && !g->storage->readonly &&
        !ops_tensor_overlaps_itself(g)) {
        return ops_to_handle(g);
    }
    double out = ops_like(hg, -1, -1, 0.0, 0);
    if (out != 0.0) {
        ops_tensor_copy(T(out), g);
    }
    ops_tensor_drop(g);
    return out;
}

static void scale_f64(int64_t n, char *const *p, const ops_scalar *s, int64_t start)
{
    double *out = (double *)p[0];
    const double *a = (const double *)p[1];
    const double factor = s[0].f;
    (void)start;
#pragma GCC ivdep
    for (int64_t k = 0; k < n; ++k) {
        out[k] = a[k] * factor;
    }
}

static void scale_f32(int64_t n, char *const *p, const ops_scalar *s, int64_t start)
{
    float *out = (float *)p[0];
    const float *a = (const float *)p[1];
    const float factor = (float)s[0].f;
    (void)start;
#pragma GCC ivdep
    for (int64_t k = 0; k < n; ++k) {
        out[k] = a[k] * factor;
    }
}

static const ops_pointwise_op scale = {
    .name = "scale",
    .kernels = {scale_f64, scale_f32, NULL, NULL, NULL},
    .inputs = 1,
    .outputs = 1,
    .scalars = 1,
    .rule = OPS_RULE_COMMON,
    .cost = 0.3f,
};

/* factor * g (over the number of reduced elements, when asked), broadcast back over the reduced dims
 * of the shape; consumes g. */
double ops_unreduce(double hg, uint64_t dims, int keepdim, double factor, int divide, int64_t n,
                    int64_t a, int64_t b, int64_t c, int64_t d)
{
    int64_t small[4];
    const int64_t *shape = ops_ints(n, a, b, c, d, small);
    ops_tensor *g = T(hg);
    uint64_t axes;
    if (!ops_resolve_dims(dims == 0 ? (n >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << n) - 1) : dims, (int)n,
                          &axes)) {
        return 0.0;
    }
    if (divide) {
        double count = 1.0;
        for (int64_t k = 0; k < n; ++k) {
            count *= axes >> k & 1 ? (double)shape[k] : 1.0;
        }
        factor /= count;
    }
    if (factor != 1.0) {
        ops_scalar s = {factor, 0};
        double scaled = ops_pointwise(&scale, &g, 0, &s, NULL, 0, 0.0);
        ops_tensor_drop(g);
        if (scaled == 0.0) {
            return 0.0;
        }
        g = T(scaled);
    }
    ops_tensor *out = ops_tensor_share(g, (int)n);
    if (out == NULL) {
        return 0.0;
    }
    int at = 0;
    for (int64_t k = 0; k < n; ++k) {
        int reduced = (int)(axes >> k & 1);
        out->shape[k] = shape[k];
        out->stride[k] = reduced ? 0 : g->stride[at];
        at += !reduced || keepdim;
    }
    out->flags = 0;
    ops_tensor_refresh(out);
    ops_tensor_drop(g);
    return ops_to_handle(out);
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
