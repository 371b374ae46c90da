/* Tensors and storages, and the modes of a thread. See opsmith/tensor.h. */
#include <stdlib.h>

#include "opsmith/abi.h"
#include "opsmith/convert.h"
#include "opsmith/pointwise.h"
#include "memory.h"

/* Modes and hooks ------------------------------------------------------------------------------ */

__thread int ops_grad_enabled = 1;
__thread int ops_diverted = OPS_SUBCLASS | OPS_WRAPPED;
uint8_t ops_default_dtype = OPS_DEFAULT_FLOAT;
void *(*ops_gil_release)(void);
void (*ops_gil_acquire)(void *state);
__thread double ops_more[OPS_MAX_OPERANDS];

ops_tensor ops_none = {.refcount = 1 << 30, .dtype = OPS_F32, .flags = OPS_NONE | OPS_CONTIGUOUS};

/* Structs and storages ------------------------------------------------------------------------- */

static ops_tensor *free_tensors;
static ops_storage *free_storages;
static int64_t live_bytes, live_tensors;

static ops_tensor *tensor_struct(int ndim)
{
    ops_tensor *t;
    int capacity = OPS_INLINE_NDIM;
    if (OPS_LIKELY(ndim <= OPS_INLINE_NDIM)) {
        t = free_tensors;
        if (OPS_LIKELY(t != NULL)) {
            free_tensors = *(ops_tensor **)t;
        } else {
            t = (ops_tensor *)ops_struct_allocate((int64_t)(sizeof *t + 2 * sizeof(int64_t) * OPS_INLINE_NDIM));
        }
    } else {
        capacity = OPS_MAX_NDIM;
        t = malloc(sizeof *t + 2 * sizeof(int64_t) * (size_t)capacity);
    }
    if (OPS_UNLIKELY(t == NULL)) {
        return ops_fail(OPS_MEMORY_ERROR, "out of memory");
    }
    ++live_tensors;
    t->refcount = 1;
    t->ndim = (uint8_t)ndim;
    t->capacity = (uint32_t)capacity;
    t->stride = t->shape + capacity;
    t->flags = 0;
    t->born = 0;
    return t;
}

static void tensor_struct_free(ops_tensor *t)
{
    --live_tensors;
    if (OPS_LIKELY(t->capacity == OPS_INLINE_NDIM)) {
        *(ops_tensor **)t = free_tensors;
        free_tensors = t;
    } else {
        free(t);
    }
}

static ops_storage *storage_new(int device, int64_t nbytes)
{
    ops_storage *s = free_storages;
    if (OPS_LIKELY(s != NULL)) {
        free_storages = (ops_storage *)s->owner;
    } else {
        s = (ops_storage *)ops_struct_allocate((int64_t)sizeof *s);
    }
    if (OPS_UNLIKELY(s == NULL)) {
        return ops_fail(OPS_MEMORY_ERROR, "out of memory");
    }
    s->data = ops_devices[device]->allocate(nbytes, &s->size_class);
    if (OPS_UNLIKELY(s->data == NULL)) {
        s->owner = free_storages;
        free_storages = s;
        return device == OPS_CPU
                   ? ops_fail(OPS_MEMORY_ERROR, "DefaultCPUAllocator: can't allocate memory: you "
                              "tried to allocate %lld bytes", (long long)nbytes)
                   : ops_fail(OPS_MEMORY_ERROR, "%s out of memory: tried to allocate %lld bytes",
                              ops_devices[device]->name, (long long)nbytes);
    }
    s->refcount = 1;
    s->device = (uint8_t)device;
    s->readonly = 0;
    s->nbytes = nbytes;
    s->release = NULL;
    s->version.refcount = 0;
    s->version.count = 0;
    s->version.stamp = 0.0;
    live_bytes += nbytes;
    return s;
}

static void storage_drop(ops_storage *s)
{
    if (--s->refcount != 0) {
        return;
    }
    live_bytes -= s->nbytes;
    if (OPS_UNLIKELY(s->release != NULL)) {
        s->release(s->owner);
    } else if (s->size_class >= 0) {
        ops_devices[s->device]->release(s->data, s->nbytes, s->size_class);
    }
    s->owner = free_storages;
    free_storages = s;
}

void ops_tensor_free(ops_tensor *t)
{
    if (OPS_UNLIKELY(t->version->refcount > 0) && --t->version->refcount == 0) {
        free(t->version);
    }
    storage_drop(t->storage);
    tensor_struct_free(t);
}

/* numel, or -1 on overflow or a negative size */
static int64_t count_elements(int ndim, const int64_t *shape)
{
    int64_t n = 1;
    for (int d = 0; d < ndim; ++d) {
        if (shape[d] < 0) {
            ops_fail(OPS_RUNTIME_ERROR, "Trying to create tensor with negative dimension %lld: %s",
                     (long long)shape[d], ops_shape_text(ndim, shape));
            return -1;
        }
        if (__builtin_mul_overflow(n, shape[d], &n)) {
            n = INT64_MAX; /* an empty dim may still follow */
        }
    }
    for (int d = 0; d < ndim; ++d) {
        if (shape[d] == 0) {
            return 0;
        }
    }
    if (n > INT64_MAX / 16) {
        ops_fail(OPS_RUNTIME_ERROR, "a tensor of shape %s has too many elements",
                 ops_shape_text(ndim, shape));
        return -1;
    }
    return n;
}

ops_tensor *ops_tensor_new(int dtype, int device, int ndim, const int64_t *shape)
{
    if (OPS_UNLIKELY(ndim > OPS_MAX_NDIM)) {
        return ops_fail(OPS_RUNTIME_ERROR, "a tensor may have at most %d dimensions, found %d",
                        OPS_MAX_NDIM, ndim);
    }
    int64_t n = count_elements(ndim, shape);
    if (OPS_UNLIKELY(n < 0)) {
        return NULL;
    }
    if (OPS_UNLIKELY(ops_devices[device] == NULL)) {
        return ops_fail(OPS_RUNTIME_ERROR, "device %d is not available", device);
    }
    ops_tensor *t = tensor_struct(ndim);
    if (OPS_UNLIKELY(t == NULL)) {
        return NULL;
    }
    ops_storage *s = storage_new(device, n * ops_dtype_size[dtype]);
    if (OPS_UNLIKELY(s == NULL)) {
        tensor_struct_free(t);
        return NULL;
    }
    t->dtype = (uint8_t)dtype;
    t->device = (uint8_t)device;
    t->flags = OPS_CONTIGUOUS;
    t->numel = n;
    t->data = s->data;
    t->storage = s;
    t->version = &s->version;
    int64_t step = 1;
    for (int d = ndim - 1; d >= 0; --d) {
        t->shape[d] = shape[d];
        t->stride[d] = step;
        step *= shape[d] > 1 ? shape[d] : 1;
    }
    return t;
}

ops_tensor *ops_tensor_new_ordered(int dtype, int device, int ndim, const int64_t *shape,
                                   const uint8_t *order)
{
    ops_tensor *t = ops_tensor_new(dtype, device, ndim, shape);
    if (t == NULL) {
        return NULL;
    }
    int64_t step = 1;
    for (int k = ndim - 1; k >= 0; --k) {
        t->stride[order[k]] = step;
        step *= shape[order[k]] > 1 ? shape[order[k]] : 1;
    }
    ops_tensor_refresh(t);
    return t;
}

ops_tensor *ops_tensor_like(const ops_tensor *t, int dtype, int device)
{
    if (t->flags & OPS_CONTIGUOUS) {
        return ops_tensor_new(dtype, device, t->ndim, t->shape);
    }
    uint8_t order[OPS_MAX_NDIM];
    for (int d = 0; d < t->ndim; ++d) {
        order[d] = (uint8_t)d;
        for (int at = d, before = d - 1; before >= 0; --before) {
            int64_t outer = t->stride[order[before]], inner = t->stride[order[at]];
            if (outer == 0 || inner == 0) {
                continue; /* an expanded dim stays where it is */
            }
            if (outer >= inner) {
                break;
            }
            uint8_t swapped = order[before];
            order[before] = order[at];
            order[at] = swapped;
            at = before;
        }
    }
    return ops_tensor_new_ordered(dtype, device, t->ndim, t->shape, order);
}

ops_tensor *ops_tensor_share(const ops_tensor *base, int ndim)
{
    if (OPS_UNLIKELY(ndim > OPS_MAX_NDIM)) {
        return ops_fail(OPS_RUNTIME_ERROR, "a tensor may have at most %d dimensions, found %d",
                        OPS_MAX_NDIM, ndim);
    }
    ops_tensor *t = tensor_struct(ndim);
    if (OPS_UNLIKELY(t == NULL)) {
        return NULL;
    }
    t->dtype = base->dtype;
    t->device = base->device;
    t->flags = OPS_VIEW;
    t->data = base->data;
    t->storage = base->storage;
    ++t->storage->refcount;
    t->version = base->version;
    if (OPS_UNLIKELY(t->version->refcount > 0)) {
        ++t->version->refcount;
    }
    t->born = t->version->count;
    return t;
}

ops_tensor *ops_tensor_alias(const ops_tensor *t)
{
    ops_tensor *out = ops_tensor_share(t, t->ndim);
    if (out != NULL) {
        out->numel = t->numel;
        out->flags = t->flags & (OPS_CONTIGUOUS | OPS_VIEW);
        out->born = t->born;
        memcpy(out->shape, t->shape, sizeof(int64_t) * t->ndim);
        memcpy(out->stride, t->stride, sizeof(int64_t) * t->ndim);
    }
    return out;
}

void ops_tensor_refresh(ops_tensor *t)
{
    int64_t n = 1, step = 1;
    int contiguous = 1;
    for (int d = t->ndim - 1; d >= 0; --d) {
        contiguous &= (t->shape[d] == 1) | (t->stride[d] == step);
        step *= t->shape[d];
        n *= t->shape[d];
    }
    t->numel = n;
    t->flags = (uint8_t)((t->flags & ~OPS_CONTIGUOUS) | (contiguous || n == 0 ? OPS_CONTIGUOUS : 0));
}

ops_tensor *ops_tensor_foreign(int dtype, int ndim, const int64_t *shape, const int64_t *stride,
                               char *data, int readonly, void (*release)(void *), void *owner)
{
    if (ndim > OPS_MAX_NDIM) {
        return ops_fail(OPS_RUNTIME_ERROR, "a tensor may have at most %d dimensions, found %d",
                        OPS_MAX_NDIM, ndim);
    }
    int64_t n = count_elements(ndim, shape);
    if (n < 0) {
        return NULL;
    }
    ops_tensor *t = tensor_struct(ndim);
    ops_storage *s = t ? storage_new(OPS_META, 0) : NULL;
    if (s == NULL) {
        return NULL;
    }
    int64_t reach = 0;
    for (int d = 0; d < ndim; ++d) {
        reach += stride[d] > 0 ? (shape[d] - 1) * stride[d] : 0;
    }
    s->device = OPS_CPU;
    s->size_class = -1;
    s->nbytes = n > 0 ? (reach + 1) * ops_dtype_size[dtype] : 0;
    live_bytes += s->nbytes;
    s->data = data;
    s->readonly = (uint8_t)readonly;
    s->release = release;
    s->owner = owner;
    t->dtype = (uint8_t)dtype;
    t->device = OPS_CPU;
    t->data = data;
    t->storage = s;
    t->version = &s->version;
    memcpy(t->shape, shape, sizeof(int64_t) * (size_t)ndim);
    memcpy(t->stride, stride, sizeof(int64_t) * (size_t)ndim);
    ops_tensor_refresh(t);
    return t;
}

static double last_write;

double ops_last_write(void)
{
    return last_write;
}

void ops_tensor_written(ops_tensor *t, double stamp)
{
    last_write = stamp > last_write ? stamp : last_write;
    ++t->version->count;
    t->version->stamp = stamp;
    t->born = t->version->count;
}

int ops_tensor_resize(ops_tensor *t, int ndim, const int64_t *shape)
{
    if (ndim > (int)t->capacity) {
        ops_fail(OPS_RUNTIME_ERROR, "cannot resize a tensor of %d dims to %d dims", t->ndim, ndim);
        return 0;
    }
    ops_tensor *fresh = ops_tensor_new(t->dtype, t->device, ndim, shape);
    if (fresh == NULL) {
        return 0;
    }
    if (t->version->refcount > 0 && --t->version->refcount == 0) {
        free(t->version);
    }
    storage_drop(t->storage);
    t->storage = fresh->storage;
    t->version = fresh->version;
    ++t->storage->refcount;
    t->data = fresh->data;
    t->ndim = (uint8_t)ndim;
    t->numel = fresh->numel;
    t->flags = (uint8_t)((t->flags & ~OPS_VIEW) | OPS_CONTIGUOUS);
    memcpy(t->shape, shape, sizeof(int64_t) * (size_t)ndim);
    memcpy(t->stride, fresh->stride, sizeof(int64_t) * (size_t)ndim);
    ops_tensor_free(fresh);
    return 1;
}

int64_t ops_live_bytes(void)
{
    return live_bytes;
}

int64_t ops_live_tensors(void)
{
    return live_tensors;
}
