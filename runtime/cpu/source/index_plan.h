/* What indexing with several tensors means: where each element of the result lies. Of index_at.c,
 * whose first lines say how places are counted. */
#ifndef OPSMITH_INDEX_PLAN_H
#define OPSMITH_INDEX_PLAN_H

#include <stdio.h>
#include <stdlib.h>

#include "opsmith/entry.h"

typedef struct walk {
    int ndim;
    int64_t shape[OPS_MAX_NDIM];
    int64_t stride[OPS_MAX_NDIM];
} walk;

typedef struct plan {
    int first;        /* dims of the result before those of the indices */
    int ndim;         /* of the result */
    int spread;       /* dims of the indices */
    int64_t shape[OPS_MAX_NDIM]; /* of the result */
    int64_t stride[OPS_MAX_NDIM]; /* in the indexed tensor; 0 for the dims of the indices */
    int64_t count;    /* broadcast indices */
    int64_t *at;      /* (count) offsets in elements */
} plan;

/* One dim per index, each a dim of the tensor. */
static int check_dims(const char *name, int ndim, int64_t n_indices, int64_t n_dims, const int64_t *dims)
{
    int bad = n_indices != n_dims || n_indices > ndim;
    for (int64_t k = 0; !bad && k < n_dims; ++k) {
        bad = dims[k] < 0 || dims[k] >= ndim || (k > 0 && dims[k] <= dims[k - 1]);
    }
    if (bad) {
        ops_fail(OPS_INDEX_ERROR, "%s: expected one increasing dim of a %d-d tensor per index, found "
                 "%lld indices and dims %s", name, ndim, (long long)n_indices,
                 ops_shape_text(n_dims < 0 ? 0 : (int)n_dims, dims));
    }
    return bad;
}

/* Offsets of all elements of `w`, in row-major order. */
static void fill_offsets(const walk *w, int64_t count, int64_t *out)
{
    int64_t position[OPS_MAX_NDIM] = {0};
    int64_t offset = 0;
    for (int64_t k = 0; k < count; ++k) {
        out[k] = offset;
        for (int d = w->ndim - 1; d >= 0; --d) {
            offset += w->stride[d];
            if (++position[d] < w->shape[d]) {
                break;
            }
            offset -= w->shape[d] * w->stride[d];
            position[d] = 0;
        }
    }
}

static int64_t count_of(const walk *w)
{
    int64_t n = 1;
    for (int d = 0; d < w->ndim; ++d) {
        n *= w->shape[d];
    }
    return n;
}

static void drop_plan(plan *p)
{
    free(p->at);
    p->at = NULL;
}

/* Broadcast the shapes of the indices. */
static int broadcast_indices(plan *p, walk *all, const double *indices, int64_t n)
{
    (void)p;
    all->ndim = 0;
    for (int64_t k = 0; k < n; ++k) {
        const ops_tensor *t = ops_from_handle(indices[k]);
        all->ndim = t->ndim > all->ndim ? t->ndim : all->ndim;
    }
    for (int d = 0; d < all->ndim; ++d) {
        all->shape[d] = 1;
    }
    for (int64_t k = 0; k < n; ++k) {
        const ops_tensor *t = ops_from_handle(indices[k]);
        for (int d = 0; d < t->ndim; ++d) {
            int64_t *have = &all->shape[all->ndim - t->ndim + d];
            if (*have == 1) {
                *have = t->shape[d];
            } else if (t->shape[d] != 1 && t->shape[d] != *have) {
                char text[512];
                size_t used = 0;
                for (int64_t j = 0; j < n && used < sizeof text - 80; ++j) {
                    const ops_tensor *u = ops_from_handle(indices[j]);
                    used += (size_t)snprintf(text + used, sizeof text - used, "%s%s",
                                             j ? ", " : "", ops_shape_text(u->ndim, u->shape));
                }
                ops_fail(OPS_INDEX_ERROR, "shape mismatch: indexing tensors could not be broadcast "
                         "together with shapes %s", text);
                return 1;
            }
        }
    }
    return 0;
}

/* Add index tensor k, times its dim's stride, to the offsets. */
static int add_index(plan *p, const walk *all, ops_tensor *index, int64_t dim, int64_t size,
                     int64_t stride)
{
    ops_tensor *wide = ops_tensor_dense(index, OPS_I64);
    if (wide == NULL) {
        return 1;
    }
    walk w = *all;
    int lead = all->ndim - wide->ndim;
    for (int d = 0; d < all->ndim; ++d) {
        w.stride[d] = d < lead || wide->shape[d - lead] == 1 ? 0 : wide->stride[d - lead];
    }
    const int64_t *value = (const int64_t *)wide->data;
    int64_t position[OPS_MAX_NDIM] = {0};
    int64_t offset = 0;
    for (int64_t k = 0; k < p->count; ++k) {
        int64_t v = value[offset];
        int64_t i = v < 0 ? v + size : v;
        if (OPS_UNLIKELY(i < 0 || i >= size)) {
            if (size == 0) {
                ops_fail(OPS_INDEX_ERROR, "index is out of bounds for dimension with size 0");
                ops_tensor_drop(wide);
                return 1;
            }
            ops_fail(OPS_INDEX_ERROR, "index %lld is out of bounds for dimension %lld with size %lld",
                     (long long)v, (long long)dim, (long long)size);
            ops_tensor_drop(wide);
            return 1;
        }
        p->at[k] += i * stride;
        for (int d = w.ndim - 1; d >= 0; --d) {
            offset += w.stride[d];
            if (++position[d] < w.shape[d]) {
                break;
            }
            offset -= w.shape[d] * w.stride[d];
            position[d] = 0;
        }
    }
    ops_tensor_drop(wide);
    return 0;
}

/* What indexing `t` (its shape and strides) means; `look` reads the indices' values. */
static int make_plan(plan *p, int ndim, const int64_t *shape, const int64_t *stride,
                     const double *indices, int64_t n, const int64_t *dims, int look)
{
    walk all;
    p->at = NULL;
    if (broadcast_indices(p, &all, indices, n)) {
        return 1;
    }
    int taken[OPS_MAX_NDIM] = {0}, adjacent = 1;
    for (int64_t k = 0; k < n; ++k) {
        taken[dims[k]] = 1;
        adjacent &= k == 0 || dims[k] == dims[k - 1] + 1;
    }
    p->first = adjacent && n > 0 ? (int)dims[0] : 0;
    p->spread = all.ndim;
    if (all.ndim + ndim - n > OPS_MAX_NDIM) {
        ops_fail(OPS_RUNTIME_ERROR, "indexing gives a tensor of more than %d dimensions",
                 OPS_MAX_NDIM);
        return 1;
    }
    int d = 0;
    p->ndim = 0;
    for (; p->ndim < p->first; ++d) {
        if (!taken[d]) {
            p->shape[p->ndim] = shape[d];
            p->stride[p->ndim++] = stride[d];
        }
    }
    for (int k = 0; k < all.ndim; ++k) {
        p->shape[p->ndim] = all.shape[k];
        p->stride[p->ndim++] = 0;
    }
    for (; d < ndim; ++d) {
        if (!taken[d]) {
            p->shape[p->ndim] = shape[d];
            p->stride[p->ndim++] = stride[d];
        }
    }
    p->count = count_of(&all);
    if (!look || p->count == 0) {
        p->count = look ? p->count : 0;
        return 0;
    }
    p->at = calloc((size_t)p->count, sizeof *p->at);
    if (p->at == NULL) {
        ops_fail(OPS_MEMORY_ERROR, "not enough memory for %lld indices", (long long)p->count);
        return 1;
    }
    for (int64_t k = 0; k < n; ++k) {
        if (add_index(p, &all, ops_from_handle(indices[k]), dims[k], shape[dims[k]],
                      stride[dims[k]])) {
            drop_plan(p);
            return 1;
        }
    }
    return 0;
}

/* Dims [from, to) of a strided tensor, neighbours merged where both walks allow it. */
static void part_of(const plan *p, const int64_t *other, int from, int to, walk *a, walk *b)
{
    a->ndim = 0;
    for (int d = from; d < to; ++d) {
        int k = a->ndim;
        if (p->shape[d] == 1) {
            continue;
        }
        if (k > 0 && a->stride[k - 1] == p->shape[d] * p->stride[d] &&
            b->stride[k - 1] == p->shape[d] * other[d]) {
            a->shape[k - 1] *= p->shape[d];
            a->stride[k - 1] = p->stride[d];
            b->stride[k - 1] = other[d];
            continue;
        }
        a->shape[k] = p->shape[d];
        a->stride[k] = p->stride[d];
        b->stride[k] = other[d];
        a->ndim = k + 1;
    }
    b->ndim = a->ndim;
    for (int d = 0; d < a->ndim; ++d) {
        b->shape[d] = a->shape[d];
    }
}

#endif
