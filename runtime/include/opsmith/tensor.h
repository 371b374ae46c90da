/* The tensor, its storage and its version cell; errors; thread-local modes.
 *
 * Reference counts, free lists and version cells are touched only while the interpreter lock is
 * held; kernels may run without it, on tensors that their caller keeps alive.
 */
#ifndef OPSMITH_TENSOR_H
#define OPSMITH_TENSOR_H

#include <stdint.h>
#include <stddef.h>
#include <string.h>

#include "opsmith/dtype.h"

#ifdef __cplusplus
extern "C" {
#endif

#define OPS_EXPORT __attribute__((visibility("default")))
#define OPS_LIKELY(x) __builtin_expect(!!(x), 1)
#define OPS_UNLIKELY(x) __builtin_expect(!!(x), 0)

enum { OPS_MAX_NDIM = 32, OPS_INLINE_NDIM = 4, OPS_MAX_OPERANDS = 16 };

enum ops_device { OPS_CPU, OPS_META, OPS_CUDA, OPS_DEVICE_COUNT };

enum ops_flag {
    OPS_CONTIGUOUS = 1, /* row-major without gaps (size-1 and empty dims do not matter) */
    OPS_SUBCLASS = 2,   /* instance of a class that overrides functions */
    OPS_WRAPPED = 4,    /* batched, dual or traced: the handle stands for a Python object */
    OPS_NONE = 8,       /* the reserved handle that means None */
    OPS_VIEW = 16,      /* shares its storage with a base */
    OPS_NUMBER = 32,    /* a Python number on its way through promotion */
    OPS_ALWAYS = 64,    /* no tensor's flag: a mode is on */
};

/* Shared by a base, its views and detach(); fresh for .data. */
typedef struct ops_version {
    int32_t refcount; /* 0 when it lives inside its storage */
    uint32_t count;   /* in-place writes so far */
    double stamp;     /* sequence number of the newest in-place write */
} ops_version;

typedef struct ops_storage {
    int32_t refcount;
    int16_t size_class; /* free list it returns to, -1 for none */
    uint8_t device;
    uint8_t readonly;
    int64_t nbytes;
    char *data;
    void (*release)(void *owner); /* foreign memory: called once, with the lock held */
    void *owner;
    ops_version version;
} ops_storage;

typedef struct ops_tensor {
    int32_t refcount;
    uint8_t dtype;
    uint8_t ndim;
    uint8_t device;
    uint8_t flags;
    int64_t numel;
    char *data; /* first element: storage data + offset */
    ops_storage *storage;
    ops_version *version;
    int64_t *stride; /* in elements; points behind shape[capacity] */
    uint32_t born;   /* views: the version count when made */
    uint32_t capacity;
    int64_t shape[];
} ops_tensor;

/* A Python number argument of a kernel, in both readings. */
typedef struct ops_scalar {
    double f;
    int64_t i;
} ops_scalar;

struct ops_backend; /* opsmith/backend.h */
typedef struct ops_backend ops_backend;

/* Per-device memory, and the backend whose kernels serve it. */
typedef struct ops_device_table {
    const char *name;
    char *(*allocate)(int64_t nbytes, int16_t *size_class);
    void (*release)(char *data, int64_t nbytes, int16_t size_class);
    int has_memory; /* meta has none: kernels are skipped */
    const ops_backend *backend; /* null: the CPU's kernels */
} ops_device_table;

OPS_EXPORT extern ops_device_table *ops_devices[OPS_DEVICE_COUNT];
OPS_EXPORT extern ops_tensor ops_none;

/* Errors: thread-local. Python maps the code to an exception type. */
enum ops_status {
    OPS_OK,
    OPS_RUNTIME_ERROR,
    OPS_INDEX_ERROR,
    OPS_TYPE_ERROR,
    OPS_VALUE_ERROR,
    OPS_NOT_IMPLEMENTED,
    OPS_MEMORY_ERROR,
    OPS_SLOW_PATH, /* not an error: an operand or a mode needs Python's handler stack */
    OPS_STALE_VIEW /* not an error: an operand is a view older than its base's last write */
};
OPS_EXPORT void *ops_fail(enum ops_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));
OPS_EXPORT int ops_take_status(void); /* the pending status; clears it */
OPS_EXPORT const char *ops_error_text(void);
/* "[2, 3]" into one of a few rotating thread-local buffers, for messages. */
OPS_EXPORT const char *ops_shape_text(int ndim, const int64_t *shape);

/* Modes, thread-local. */
OPS_EXPORT extern __thread int ops_grad_enabled;
/* Operands with one of these flags take the slow path; with OPS_ALWAYS every call does. */
OPS_EXPORT extern __thread int ops_diverted;
OPS_EXPORT extern uint8_t ops_default_dtype;

/* The interpreter lock: set by the Python side, null in pure C programs. */
OPS_EXPORT extern void *(*ops_gil_release)(void);
OPS_EXPORT extern void (*ops_gil_acquire)(void *state);

/* Let other Python threads run during work on so many elements; what ops_gil_enter takes back. Little
 * work keeps the lock: giving it up costs more than it takes. */
static inline void *ops_gil_leave(double elements)
{
    return elements > 32768 && ops_gil_release != NULL ? ops_gil_release() : NULL;
}

static inline void ops_gil_enter(void *state)
{
    if (state != NULL) {
        ops_gil_acquire(state);
    }
}

/* Tensors. Functions that return a tensor return null with an error set on failure. */
OPS_EXPORT ops_tensor *ops_tensor_new(int dtype, int device, int ndim, const int64_t *shape);
/* Dense with the stride order of `order` (slowest dim first). */
OPS_EXPORT ops_tensor *ops_tensor_new_ordered(int dtype, int device, int ndim, const int64_t *shape,
                                              const uint8_t *order);
/* Of the same shape and stride order. */
OPS_EXPORT ops_tensor *ops_tensor_like(const ops_tensor *t, int dtype, int device);
/* A tensor struct for `ndim` dims that shares the storage of `base`; the caller fills geometry and
 * calls ops_tensor_refresh. */
OPS_EXPORT ops_tensor *ops_tensor_share(const ops_tensor *base, int ndim);
OPS_EXPORT ops_tensor *ops_tensor_alias(const ops_tensor *t);
/* Recompute numel and the contiguous flag from shape and stride. */
OPS_EXPORT void ops_tensor_refresh(ops_tensor *t);
OPS_EXPORT void ops_tensor_free(ops_tensor *t);
/* Note an in-place write: bump the version, stamp it, keep a written view fresh. */
OPS_EXPORT void ops_tensor_written(ops_tensor *t, double stamp);
/* The newest stamp of any write: where it is older than a node, nothing the node saved was written. */
OPS_EXPORT double ops_last_write(void);
/* Give an empty tensor a new shape and fresh storage (out=). */
OPS_EXPORT int ops_tensor_resize(ops_tensor *t, int ndim, const int64_t *shape);
OPS_EXPORT ops_tensor *ops_tensor_foreign(int dtype, int ndim, const int64_t *shape,
                                          const int64_t *stride, char *data, int readonly,
                                          void (*release)(void *), void *owner);
/* A contiguous tensor of `dtype` with the same values: the tensor itself (held once more) when it
 * already is one. */
OPS_EXPORT ops_tensor *ops_tensor_dense(ops_tensor *t, int dtype);
/* Copy values with conversion; shapes must be equal. Returns 0 on failure. */
OPS_EXPORT int ops_tensor_copy(ops_tensor *to, const ops_tensor *from);
/* Would writing through `t` touch an element twice? */
OPS_EXPORT int ops_tensor_overlaps_itself(const ops_tensor *t);
/* Do the two touch common memory other than being exactly the same elements in the same order? */
enum ops_overlap { OPS_APART, OPS_MAY_OVERLAP, OPS_OVERLAP };
OPS_EXPORT void ops_refuse_overlap(void); /* set the error of an operand that does */
OPS_EXPORT int ops_tensors_overlap(const ops_tensor *a, const ops_tensor *b);
OPS_EXPORT int64_t ops_live_bytes(void);
OPS_EXPORT int64_t ops_live_tensors(void);

static inline ops_tensor *ops_tensor_hold(ops_tensor *t)
{
    ++t->refcount;
    return t;
}

static inline void ops_tensor_drop(ops_tensor *t)
{
    if (--t->refcount == 0) {
        ops_tensor_free(t);
    }
}

static inline int64_t ops_itemsize(const ops_tensor *t)
{
    return ops_dtype_size[t->dtype];
}

static inline int ops_same_shape(const ops_tensor *a, const ops_tensor *b)
{
    if (a->ndim != b->ndim) {
        return 0;
    }
    for (int d = 0; d < a->ndim; ++d) {
        if (a->shape[d] != b->shape[d]) {
            return 0;
        }
    }
    return 1;
}

#ifdef __cplusplus
}
#endif
#endif
