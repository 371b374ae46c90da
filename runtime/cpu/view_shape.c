/* Views of the same elements in another shape, and the copies where there is none. See
 * opsmith/view.h. */
#include "view_checks.h"

static int64_t count(const ops_geometry *g)
{
    int64_t n = 1;
    for (int d = 0; d < g->ndim; ++d) {
        n *= g->shape[d];
    }
    return n;
}

static int is_contiguous(const ops_geometry *g)
{
    int64_t step = 1;
    int contiguous = 1;
    for (int d = g->ndim - 1; d >= 0; --d) {
        contiguous &= (g->shape[d] == 1) | (g->stride[d] == step);
        step *= g->shape[d];
    }
    return contiguous | (step == 0);
}

/* `want` with its -1 filled in, into `shape`. */
static int infer(int64_t numel, int64_t n, const int64_t *want, int64_t *shape)
{
    int unknown = -1, overflow = 0;
    int64_t known = 1;
    for (int d = 0; d < n && d < OPS_MAX_NDIM; ++d) {
        shape[d] = want[d];
        if (OPS_LIKELY(want[d] >= 0)) {
            overflow |= __builtin_mul_overflow(known, want[d], &known);
        } else if (want[d] == -1 && unknown < 0) {
            unknown = d;
        } else if (want[d] == -1) {
            return ops_view_refuse(OPS_RUNTIME_ERROR, "only one dimension can be inferred");
        } else {
            return ops_view_refuse(OPS_RUNTIME_ERROR,
                                   "invalid shape dimension %lld at index %d of shape %s",
                                   (long long)want[d], d, ops_shape_text((int)n, want));
        }
    }
    if (room_for(n)) {
        return 1;
    }
    if (OPS_LIKELY(!overflow)) {
        if (unknown < 0 && known == numel) {
            return 0;
        }
        if (unknown >= 0 && known != 0 && numel % known == 0) {
            shape[unknown] = numel / known;
            return 0;
        }
        if (unknown >= 0 && known == 0 && numel == 0) {
            return ops_view_refuse(OPS_RUNTIME_ERROR,
                                   "cannot reshape tensor of 0 elements into shape %s because "
                                   "the unspecified dimension size -1 can be any value and is "
                                   "ambiguous",
                                   ops_shape_text((int)n, want));
        }
    }
    return ops_view_refuse(OPS_RUNTIME_ERROR, "shape '%s' is invalid for input of size %lld",
                           ops_shape_text((int)n, want), (long long)numel);
}

static void dense_strides(int n, const int64_t *shape, int64_t *stride)
{
    int64_t step = 1;
    for (int d = n - 1; d >= 0; --d) {
        stride[d] = step;
        step *= shape[d] > 1 ? shape[d] : 1;
    }
}

/* Strides with which the elements of g, in order, have `shape`; 0 if there are none.
 *
 * Dims of g that lie behind each other without gaps form a run. From the back, each run must be
 * cut exactly by dims of the new shape. */
static int regroup_strides(const ops_geometry *g, int64_t numel, int n, const int64_t *shape,
                           int64_t *stride)
{
    if (numel == 0) {
        int same = n == g->ndim;
        for (int d = 0; same && d < n; ++d) {
            same = shape[d] == g->shape[d];
        }
        if (same) {
            memcpy(stride, g->stride, sizeof(int64_t) * (size_t)n);
        } else {
            dense_strides(n, shape, stride);
        }
        return 1;
    }
    if (g->ndim == 0) {
        dense_strides(n, shape, stride);
        return 1;
    }
    int next = n - 1;
    int64_t base = g->stride[g->ndim - 1], run = 1, used = 1;
    for (int d = g->ndim - 1; d >= 0; --d) {
        run *= g->shape[d];
        if (d > 0 && (g->shape[d - 1] == 1 || g->stride[d - 1] == run * base)) {
            continue;
        }
        while (next >= 0 && (used < run || shape[next] == 1)) {
            stride[next] = used * base;
            used *= shape[next--];
        }
        if (used != run) {
            return 0;
        }
        base = d > 0 ? g->stride[d - 1] : 0;
        run = used = 1;
    }
    return next < 0;
}

/* Copy the elements into a fresh dense source. */
static int copy_out(ops_geometry *g)
{
    ops_tensor *view = ops_geometry_view(g, 0);
    ops_tensor *copy = NULL;
    if (view != NULL) {
        copy = ops_tensor_new(view->dtype, view->device, view->ndim, view->shape);
    }
    int ok = copy != NULL && ops_tensor_copy(copy, view);
    if (view != NULL) {
        ops_tensor_drop(view);
    }
    if (!ok) {
        if (copy != NULL) {
            ops_tensor_drop(copy);
        }
        return 1;
    }
    ops_geometry_load(g, copy);
    g->owned = 1;
    return 0;
}

static int regroup(ops_geometry *g, int64_t n, const int64_t *want, int may_copy)
{
    int64_t shape[OPS_MAX_NDIM], stride[OPS_MAX_NDIM], numel = count(g);
    if (infer(numel, n, want, shape)) {
        return 1;
    }
    if (!regroup_strides(g, numel, (int)n, shape, stride)) {
        if (!may_copy) {
            return ops_view_refuse(OPS_RUNTIME_ERROR,
                                   "view size is not compatible with input tensor's size and "
                                   "stride (at least one dimension spans across two contiguous "
                                   "subspaces). Use .reshape(...) instead.");
        }
        if (copy_out(g)) {
            return 1;
        }
        dense_strides((int)n, shape, stride);
    }
    g->ndim = (int)n;
    for (int d = 0; d < g->ndim; ++d) {
        g->shape[d] = shape[d];
        g->stride[d] = stride[d];
    }
    return 0;
}

int ops_view_regroup(ops_geometry *g, int64_t n, const int64_t *shape)
{
    return regroup(g, n, shape, 0);
}

int ops_view_reshape(ops_geometry *g, int64_t n, const int64_t *shape)
{
    return regroup(g, n, shape, 1);
}

int ops_view_merge(ops_geometry *g, int64_t first, int64_t last)
{
    int a = wrap(first, g->ndim), b = a < 0 ? -1 : wrap(last, g->ndim);
    if (b < 0) {
        return 1;
    }
    if (a > b) {
        return ops_view_refuse(OPS_RUNTIME_ERROR,
                               "flatten() has invalid args: start_dim cannot come after end_dim");
    }
    int64_t shape[OPS_MAX_NDIM];
    int n = 0;
    for (int d = 0; d < a; ++d) {
        shape[n++] = g->shape[d];
    }
    shape[n] = 1;
    for (int d = a; d <= b && d < g->ndim; ++d) {
        shape[n] *= g->shape[d];
    }
    ++n;
    for (int d = b + 1; d < g->ndim; ++d) {
        shape[n++] = g->shape[d];
    }
    return regroup(g, n, shape, 1);
}

int ops_view_split(ops_geometry *g, int64_t dim, int64_t n, const int64_t *sizes)
{
    if (n == 0) {
        return ops_view_refuse(OPS_RUNTIME_ERROR, "unflatten: sizes must be non-empty");
    }
    int d = wrap(dim, g->ndim);
    if (d < 0) {
        return 1;
    }
    if (g->ndim == 0) {
        return ops_view_refuse(OPS_INDEX_ERROR,
                               "Dimension specified as %lld but tensor has no dimensions",
                               (long long)dim);
    }
    if (room_for(g->ndim - 1 + n)) {
        return 1;
    }
    /* Dims around the split one, and what it is split into. */
    int64_t shape[OPS_MAX_NDIM], known = 1, have = g->shape[d];
    int unknown = -1;
    for (int k = 0; k < n; ++k) {
        if (sizes[k] == -1 && unknown >= 0) {
            return ops_view_refuse(OPS_RUNTIME_ERROR, "only one dimension can be inferred");
        }
        unknown = sizes[k] == -1 ? k : unknown;
        if (sizes[k] < -1 || (sizes[k] >= 0 && __builtin_mul_overflow(known, sizes[k], &known))) {
            known = -1; /* matches nothing */
            break;
        }
    }
    if (unknown < 0 ? known != have : known <= 0 || have % known != 0) {
        return ops_view_refuse(OPS_RUNTIME_ERROR,
                               "unflatten: Provided sizes %s don't multiply up to the size of dim "
                               "%d (%lld) in the input tensor",
                               ops_shape_text((int)n, sizes), d, (long long)have);
    }
    memcpy(shape, g->shape, sizeof(int64_t) * (size_t)d);
    for (int k = 0; k < n; ++k) {
        shape[d + k] = k == unknown ? have / known : sizes[k];
    }
    for (int k = d + 1; k < g->ndim; ++k) {
        shape[k - 1 + n] = g->shape[k];
    }
    return regroup(g, g->ndim - 1 + n, shape, 0);
}

int ops_view_dense(ops_geometry *g)
{
    return is_contiguous(g) ? 0 : copy_out(g);
}
