/* Tensors, storages, allocation, errors. See opsmith/tensor.h. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "opsmith/abi.h"
#include "opsmith/convert.h"
#include "opsmith/pointwise.h"

/* Modes and hooks ------------------------------------------------------------------------------ */

__thread int ops_grad_enabled = 1;
__thread int ops_diverted = OPS_SUBCLASS | OPS_WRAPPED;
uint8_t ops_default_dtype = OPS_DEFAULT_FLOAT;
void *(*ops_gil_release)(void);
void (*ops_gil_acquire)(void *state);
__thread double ops_more[OPS_MAX_OPERANDS];

ops_tensor ops_none = {.refcount = 1 << 30, .dtype = OPS_F32, .flags = OPS_NONE | OPS_CONTIGUOUS};

/* Errors --------------------------------------------------------------------------------------- */

static __thread int pending_status;
static __thread char error_text[1024];

void *ops_fail(enum ops_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error_text, sizeof error_text, format, args);
    va_end(args);
    pending_status = (int)status;
    return NULL;
}

int ops_take_status(void)
{
    int status = pending_status;
    pending_status = OPS_OK;
    return status;
}

const char *ops_error_text(void)
{
    return error_text;
}

const char *ops_shape_text(int ndim, const int64_t *shape)
{
    static __thread char buffers[4][256];
    static __thread int next;
    char *text = buffers[next++ & 3];
    int used = snprintf(text, 256, "[");
    for (int d = 0; d < ndim && used < 230; ++d) {
        used += snprintf(text + used, 256 - (size_t)used, d ? ", %lld" : "%lld", (long long)shape[d]);
    }
    snprintf(text + used, 256 - (size_t)used, "]");
    return text;
}

/* Memory: size classes (powers of two from 64 bytes) with free lists; small blocks are carved from
 * slabs; above 2 MB blocks are aligned to huge pages and cached too, since page faults cost more
 * than the kernels that fill them. */

enum { MIN_SHIFT = 6, CLASSES = 40, SLAB_BYTES = 1 << 18, SLAB_LIMIT = 4096 };
static const int64_t HUGE_BYTES = 2 << 20;
static const int64_t CACHE_LIMIT = (int64_t)1 << 31; /* bytes of large free blocks kept for reuse */

typedef struct free_block {
    struct free_block *next;
} free_block;

static free_block *free_blocks[CLASSES];
static int64_t cached_bytes, live_bytes, live_tensors;
static char *slab_at, *slab_end;

/* The next `nbytes` of a slab. */
static char *carve_from(char **at, char **end, int64_t nbytes)
{
    if (*end - *at < nbytes) {
        *at = aligned_alloc(64, SLAB_BYTES);
        if (*at == NULL) {
            *end = NULL;
            return NULL;
        }
        *end = *at + SLAB_BYTES;
    }
    char *block = *at;
    *at += nbytes;
    return block;
}

static char *carve(int64_t nbytes)
{
    return carve_from(&slab_at, &slab_end, nbytes);
}

/* Structs come from slabs of their own, packed: data blocks stay aligned to 64 bytes. */
static char *carve_struct(int64_t nbytes)
{
    static char *at, *end;
    return carve_from(&at, &end, (nbytes + 7) / 8 * 8);
}

/* Above 64 KB four classes per power of two: at most 25% slack. */
static int64_t class_bytes(int64_t nbytes, int16_t *size_class)
{
    if (nbytes <= 64) {
        *size_class = 0;
        return 64;
    }
    int shift = 64 - __builtin_clzll((uint64_t)nbytes - 1);
    *size_class = (int16_t)(shift - MIN_SHIFT);
    return (int64_t)1 << shift;
}

static char *cpu_allocate(int64_t nbytes, int16_t *size_class)
{
    int64_t bytes = class_bytes(nbytes, size_class);
    if (bytes > 8 * HUGE_BYTES) {
        /* A power of two would waste too much: exact size, mapped directly, not cached by class. */
        bytes = (nbytes + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
    }
    free_block *head = free_blocks[*size_class];
    if (OPS_LIKELY(head != NULL)) {
        if (bytes <= 8 * HUGE_BYTES) {
            free_blocks[*size_class] = head->next;
            cached_bytes -= bytes > SLAB_LIMIT ? bytes : 0;
            return (char *)head;
        }
        /* Large blocks carry their size behind the link. */
        for (free_block **at = &free_blocks[*size_class]; *at; at = &(*at)->next) {
            int64_t have = ((int64_t *)*at)[1];
            if (have >= bytes && have <= bytes + bytes / 4) {
                head = *at;
                *at = head->next;
                cached_bytes -= have;
                return (char *)head;
            }
        }
    }
    if (bytes <= SLAB_LIMIT) {
        return carve(bytes);
    }
    int64_t align = bytes >= HUGE_BYTES ? HUGE_BYTES : 64;
    char *block = aligned_alloc((size_t)align, (size_t)bytes);
    if (block != NULL && bytes >= HUGE_BYTES) {
        madvise(block, (size_t)bytes, MADV_HUGEPAGE);
    }
    return block;
}

static void cpu_release(char *data, int64_t nbytes, int16_t size_class)
{
    int16_t same;
    int64_t bytes = class_bytes(nbytes, &same);
    if (bytes > 8 * HUGE_BYTES) {
        bytes = (nbytes + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
    }
    if (bytes > SLAB_LIMIT) {
        if (cached_bytes + bytes > CACHE_LIMIT) {
            free(data);
            return;
        }
        cached_bytes += bytes;
        ((int64_t *)data)[1] = bytes;
    }
    free_block *block = (free_block *)data;
    block->next = free_blocks[size_class];
    free_blocks[size_class] = block;
}

static char *meta_allocate(int64_t nbytes, int16_t *size_class)
{
    (void)nbytes;
    *size_class = -1;
    return (char *)64; /* never read; aligned, so that alignment tests hold */
}

static void meta_release(char *data, int64_t nbytes, int16_t size_class)
{
    (void)data;
    (void)nbytes;
    (void)size_class;
}

static ops_device_table cpu_table = {"cpu", cpu_allocate, cpu_release, 1, NULL};
static ops_device_table meta_table = {"meta", meta_allocate, meta_release, 0, NULL};
ops_device_table *ops_devices[OPS_DEVICE_COUNT] = {&cpu_table, &meta_table, NULL};

/* Structs and storages ------------------------------------------------------------------------- */

static ops_tensor *free_tensors;
static ops_storage *free_storages;

static ops_tensor *tensor_struct(int ndim)
{
    ops_tensor *t;
    int capacity = OPS_INLINE_NDIM;
    if (OPS_LIKELY(ndim <= OPS_INLINE_NDIM)) {
        t = free_tensors;
        if (OPS_LIKELY(t != NULL)) {
            free_tensors = *(ops_tensor **)t;
        } else {
            t = (ops_tensor *)carve_struct((int64_t)(sizeof *t + 2 * sizeof(int64_t) * OPS_INLINE_NDIM));
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
        s = (ops_storage *)carve_struct((int64_t)sizeof *s);
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

/* Overlap -------------------------------------------------------------------------------------- */

/* Sufficient and, for strides that nest, exact: sorted by stride, each dim must step beyond
 * everything the smaller ones reach. Interleaving strides are reported as overlapping. */
int ops_tensor_overlaps_itself(const ops_tensor *t)
{
    if ((t->flags & OPS_CONTIGUOUS) || t->numel <= 1) {
        return 0;
    }
    int64_t stride[OPS_MAX_NDIM], size[OPS_MAX_NDIM];
    int n = 0;
    for (int d = 0; d < t->ndim; ++d) {
        if (t->shape[d] == 1) {
            continue;
        }
        int64_t step = t->stride[d] < 0 ? -t->stride[d] : t->stride[d];
        int at = n++;
        for (; at > 0 && stride[at - 1] > step; --at) {
            stride[at] = stride[at - 1];
            size[at] = size[at - 1];
        }
        stride[at] = step;
        size[at] = t->shape[d];
    }
    int64_t reach = 0;
    for (int k = 0; k < n; ++k) {
        if (stride[k] <= reach) {
            return 1;
        }
        reach += stride[k] * (size[k] - 1);
    }
    return 0;
}

static void extent(const ops_tensor *t, const char **lo, const char **hi)
{
    int64_t low = 0, high = 0;
    for (int d = 0; d < t->ndim; ++d) {
        int64_t reach = t->stride[d] * (t->shape[d] - 1);
        if (reach < 0) {
            low += reach;
        } else {
            high += reach;
        }
    }
    *lo = t->data + low * ops_itemsize(t);
    *hi = t->data + (high + 1) * ops_itemsize(t);
}

/* Do the elements fill the memory between the first and the last of them? */
static int fills(const ops_tensor *t, const char *lo, const char *hi)
{
    return hi - lo == t->numel * ops_itemsize(t) && !ops_tensor_overlaps_itself(t);
}

int ops_tensors_overlap(const ops_tensor *a, const ops_tensor *b)
{
    if (a->storage != b->storage || a->numel == 0 || b->numel == 0) {
        return 0;
    }
    if (a->data == b->data && a->dtype == b->dtype && ops_same_shape(a, b) &&
        memcmp(a->stride, b->stride, sizeof(int64_t) * a->ndim) == 0) {
        return 0;
    }
    const char *alo, *ahi, *blo, *bhi;
    extent(a, &alo, &ahi);
    extent(b, &blo, &bhi);
    if (alo >= bhi || blo >= ahi) {
        return OPS_APART;
    }
    return fills(a, alo, ahi) && fills(b, blo, bhi) ? OPS_OVERLAP : OPS_MAY_OVERLAP;
}

void ops_refuse_overlap(void)
{
    ops_fail(OPS_RUNTIME_ERROR,
             "unsupported operation: some elements of the input tensor and the written-to tensor "
             "refer to a single memory location. Please clone() the tensor before performing the "
             "operation.");
}
