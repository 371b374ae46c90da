/* Views of all elements in another order or with other dims of size 1. See opsmith/view.h. */
#include <stdarg.h>
#include <stdio.h>

#include "view_checks.h"

/* Geometry and tensor -------------------------------------------------------------------------- */

void ops_geometry_load(ops_geometry *g, ops_tensor *t)
{
    int ndim = t->ndim;
    g->source = t;
    g->owned = 0;
    g->failed = 0;
    g->ndim = ndim;
    g->offset = (t->data - t->storage->data) >> item_shift(t);
    for (int d = 0; d < ndim; ++d) {
        g->shape[d] = t->shape[d];
        g->stride[d] = t->stride[d];
    }
}

ops_tensor *ops_geometry_view(ops_geometry *g, int failed)
{
    ops_tensor *source = g->source, *t = NULL;
    int64_t numel = 1;
    for (int d = 0; d < g->ndim; ++d) {
        if (OPS_UNLIKELY(__builtin_mul_overflow(numel, g->shape[d], &numel)) && !failed) {
            failed = ops_view_refuse(OPS_RUNTIME_ERROR, "a view of shape %s has too many elements",
                                     ops_shape_text(g->ndim, g->shape));
        }
    }
    if (OPS_LIKELY(!(failed | g->failed))) {
        t = ops_tensor_share(source, g->ndim);
    }
    if (OPS_LIKELY(t != NULL)) {
        t->data = source->storage->data + g->offset * ((int64_t)1 << item_shift(source));
        for (int d = 0; d < g->ndim; ++d) {
            t->shape[d] = g->shape[d];
            t->stride[d] = g->stride[d];
        }
        ops_tensor_refresh(t);
    }
    if (OPS_UNLIKELY(g->owned)) {
        if (t != NULL) {
            t->flags &= (uint8_t)~OPS_VIEW;
        }
        ops_tensor_drop(source);
        g->owned = 0;
    }
    return t;
}

/* Checks --------------------------------------------------------------------------------------- */

int ops_view_refuse(enum ops_status status, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ops_fail(status, "%s", text);
    return 1;
}

/* Dims of a list, counted from the front, into `at`. A dim named twice goes to `repeated`, else -1;
 * the caller says what that means. */
static int wrap_all(const ops_geometry *g, int64_t n, const int64_t *dims, int *at, uint64_t *seen,
                    int *repeated)
{
    *seen = 0;
    *repeated = -1;
    for (int64_t k = 0; k < n; ++k) {
        int d = wrap(dims[k], g->ndim);
        if (d < 0) {
            return 1;
        }
        if (*seen >> d & 1) {
            *repeated = d;
            return 0;
        }
        *seen |= (uint64_t)1 << d;
        at[k] = d;
    }
    return 0;
}

/* Order ---------------------------------------------------------------------------------------- */

static void swap(ops_geometry *g, int a, int b)
{
    int64_t size = g->shape[a], stride = g->stride[a];
    g->shape[a] = g->shape[b];
    g->stride[a] = g->stride[b];
    g->shape[b] = size;
    g->stride[b] = stride;
}

int ops_view_swap(ops_geometry *g, int64_t dim0, int64_t dim1)
{
    int a = wrap(dim0, g->ndim), b = a < 0 ? -1 : wrap(dim1, g->ndim);
    if (b < 0) {
        return 1;
    }
    if (a != b) {
        swap(g, a, b);
    }
    return 0;
}

int ops_view_reverse(ops_geometry *g)
{
    for (int a = 0, b = g->ndim - 1; a < b; ++a, --b) {
        swap(g, a, b);
    }
    return 0;
}

/* Dim k of the result is dim order[k]. */
static void reorder(ops_geometry *g, const int *order)
{
    int64_t shape[OPS_MAX_NDIM], stride[OPS_MAX_NDIM];
    memcpy(shape, g->shape, sizeof(int64_t) * (size_t)g->ndim);
    memcpy(stride, g->stride, sizeof(int64_t) * (size_t)g->ndim);
    for (int k = 0; k < g->ndim; ++k) {
        g->shape[k] = shape[order[k]];
        g->stride[k] = stride[order[k]];
    }
}

static int permutation(const ops_geometry *g, int64_t n, const int64_t *dims, int *order)
{
    if (n != g->ndim) {
        return ops_view_refuse(OPS_RUNTIME_ERROR,
                               "permute(sparse_coo): number of dimensions in the tensor input does "
                               "not match the length of the desired ordering of dimensions i.e. "
                               "input.dim() = %d is not equal to len(dims) = %lld",
                               g->ndim, (long long)n);
    }
    uint64_t seen;
    int repeated;
    if (wrap_all(g, n, dims, order, &seen, &repeated)) {
        return 1;
    }
    if (repeated >= 0) {
        return ops_view_refuse(OPS_RUNTIME_ERROR, "permute(): duplicate dims are not allowed.");
    }
    return 0;
}

int ops_view_permute(ops_geometry *g, int64_t n, const int64_t *dims)
{
    int order[OPS_MAX_NDIM];
    if (permutation(g, n, dims, order)) {
        return 1;
    }
    reorder(g, order);
    return 0;
}

int ops_view_unpermute(ops_geometry *g, int64_t n, const int64_t *dims)
{
    int order[OPS_MAX_NDIM], inverse[OPS_MAX_NDIM];
    if (permutation(g, n, dims, order)) {
        return 1;
    }
    for (int k = 0; k < g->ndim; ++k) {
        inverse[order[k]] = k;
    }
    reorder(g, inverse);
    return 0;
}

/* Wrapped dims of one side of a move. */
static int move_side(const ops_geometry *g, const char *side, int64_t n, const int64_t *dims,
                     int *at, uint64_t *seen)
{
    int repeated;
    if (wrap_all(g, n, dims, at, seen, &repeated)) {
        return 1;
    }
    if (repeated >= 0) {
        return ops_view_refuse(OPS_RUNTIME_ERROR, "movedim: repeated dim in `%s` (%s)", side,
                               ops_shape_text((int)n, dims));
    }
    return 0;
}

int ops_view_move(ops_geometry *g, int64_t n, const int64_t *source, int64_t m,
                  const int64_t *destination)
{
    if (n != m) {
        return ops_view_refuse(OPS_RUNTIME_ERROR,
                               "movedim: Invalid source or destination dims: source (%s dims) "
                               "should contain the same number of dims as destination (%s dims)",
                               ops_shape_text((int)n, source), ops_shape_text((int)m, destination));
    }
    int from[OPS_MAX_NDIM], to[OPS_MAX_NDIM], order[OPS_MAX_NDIM];
    uint64_t taken, placed;
    if (move_side(g, "source", n, source, from, &taken) ||
        move_side(g, "destination", n, destination, to, &placed)) {
        return 1;
    }
    if (g->ndim == 0) {
        return 0;
    }
    for (int64_t k = 0; k < n; ++k) {
        order[to[k]] = from[k];
    }
    for (int k = 0, next = 0; k < g->ndim; ++k) {
        if (!(placed >> k & 1)) {
            while (taken >> next & 1) {
                ++next;
            }
            order[k] = next++;
        }
    }
    reorder(g, order);
    return 0;
}

/* Dims of size 1 ------------------------------------------------------------------------------- */

int ops_view_insert(ops_geometry *g, int64_t dim, int64_t size, int64_t stride)
{
    int d = wrap(dim, g->ndim + 1);
    if (d < 0 || room_for(g->ndim + 1)) {
        return 1;
    }
    if (stride == OPS_NO_INT) {
        stride = d < g->ndim ? times(g->shape[d], g->stride[d]) : 1;
    }
    for (int k = g->ndim; k > d; --k) {
        g->shape[k] = g->shape[k - 1];
        g->stride[k] = g->stride[k - 1];
    }
    ++g->ndim;
    g->shape[d] = size;
    g->stride[d] = stride;
    return 0;
}

int ops_view_squeeze(ops_geometry *g, int64_t n, const int64_t *dims)
{
    int at[OPS_MAX_NDIM], repeated = -1;
    uint64_t drop = UINT64_MAX;
    if (n >= 0 && wrap_all(g, n, dims, at, &drop, &repeated)) {
        return 1;
    }
    if (repeated >= 0) {
        return ops_view_refuse(OPS_RUNTIME_ERROR,
                               "dim %d appears multiple times in the list of dims", repeated);
    }
    int kept = 0;
    for (int d = 0; d < g->ndim; ++d) {
        g->shape[kept] = g->shape[d];
        g->stride[kept] = g->stride[d];
        kept += !((drop >> d & 1) && g->shape[d] == 1);
    }
    g->ndim = kept;
    return 0;
}

int ops_view_broadcast(ops_geometry *g, int64_t n, const int64_t *size)
{
    if (n < g->ndim) {
        return ops_view_refuse(
            OPS_RUNTIME_ERROR,
            "expand(torch.%sTensor{%s}, size=%s): the number of sizes provided (%lld) must be "
            "greater or equal to the number of dimensions in the tensor (%d)",
            ops_dtype_name[g->source->dtype], ops_shape_text(g->ndim, g->shape),
            ops_shape_text((int)n, size), (long long)n, g->ndim);
    }
    if (room_for(n)) {
        return 1;
    }
    int added = (int)n - g->ndim;
    /* From the back: dim d is written after dim d - added was read. */
    for (int d = (int)n - 1; d >= 0; --d) {
        int64_t have = 1, stride, want = size[d];
        if (d >= added) {
            have = g->shape[d - added];
            stride = g->stride[d - added];
            want = want == -1 ? have : want;
        } else {
            stride = d + 1 < n ? times(g->shape[d + 1], g->stride[d + 1]) : 1;
            if (want == -1) {
                return ops_view_refuse(OPS_RUNTIME_ERROR,
                                       "The expanded size of the tensor (-1) isn't allowed in a "
                                       "leading, non-existing dimension %d", d);
            }
        }
        if (want != have) {
            if (have != 1 || want < 0) {
                int ndim = g->source->ndim;
                return ops_view_refuse(OPS_RUNTIME_ERROR,
                                       "The expanded size of the tensor (%lld) must match the "
                                       "existing size (%lld) at non-singleton dimension %d.  "
                                       "Target sizes: %s.  Tensor sizes: %s",
                                       (long long)want, (long long)have, d,
                                       ops_shape_text((int)n, size),
                                       ops_shape_text(ndim, g->source->shape));
            }
            stride = 0;
        }
        g->shape[d] = want;
        g->stride[d] = stride;
    }
    g->ndim = (int)n;
    return 0;
}
