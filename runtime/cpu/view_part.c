/* Views of a part of the elements, and what views are asked for. See opsmith/view.h. */
#include "view_checks.h"

/* Parts ---------------------------------------------------------------------------------------- */

/* The dim counted from the front of a tensor that has dims. */
static int part_dim(const ops_geometry *g, int64_t dim, const char *name, enum ops_status status)
{
    if (OPS_UNLIKELY(g->ndim == 0)) {
        ops_fail(status, "%s() cannot be applied to a 0-dim tensor.", name);
        return -1;
    }
    return wrap(dim, g->ndim);
}

int ops_view_slice(ops_geometry *g, int64_t dim, int64_t start, int64_t end, int64_t step)
{
    int d = part_dim(g, dim, "slice", OPS_INDEX_ERROR);
    if (d < 0) {
        return 1;
    }
    if (OPS_UNLIKELY(step <= 0)) {
        return ops_view_refuse(OPS_VALUE_ERROR, "step must be greater than zero");
    }
    int64_t size = g->shape[d];
    start = start == OPS_NO_INT ? 0 : start < 0 ? start + size : start;
    end = end == OPS_NO_INT ? size : end < 0 ? end + size : end;
    start = start < 0 ? 0 : start > size ? size : start;
    end = end < start ? start : end > size ? size : end;
    g->offset += start * g->stride[d];
    g->shape[d] = end - start;
    if (step != 1) {
        g->shape[d] = end > start ? (end - start - 1) / step + 1 : 0;
        g->stride[d] = times(g->stride[d], step);
    }
    return 0;
}

int ops_view_narrow(ops_geometry *g, int64_t dim, int64_t start, int64_t length)
{
    int d = part_dim(g, dim, "narrow", OPS_RUNTIME_ERROR);
    if (d < 0) {
        return 1;
    }
    if (length < 0) {
        return ops_view_refuse(OPS_RUNTIME_ERROR, "narrow(): length must be non-negative.");
    }
    int64_t size = g->shape[d];
    if (start < -size || start > size) {
        return ops_view_refuse(OPS_INDEX_ERROR,
                               "start out of range (expected to be in range of [%lld, %lld], but "
                               "got %lld)", (long long)-size, (long long)size, (long long)start);
    }
    start = start < 0 ? start + size : start;
    if (start > size - length) {
        return ops_view_refuse(OPS_RUNTIME_ERROR,
                               "start (%lld) + length (%lld) exceeds dimension size (%lld).",
                               (long long)start, (long long)length, (long long)size);
    }
    g->offset += start * g->stride[d];
    g->shape[d] = length;
    return 0;
}

int ops_view_select(ops_geometry *g, int64_t dim, int64_t index)
{
    int d = part_dim(g, dim, "select", OPS_INDEX_ERROR);
    if (d < 0) {
        return 1;
    }
    int64_t size = g->shape[d];
    if (OPS_UNLIKELY(index < -size || index >= size)) {
        return ops_view_refuse(
            OPS_INDEX_ERROR,
            "select(): index %lld out of range for tensor of size %s at dimension %d",
            (long long)index, ops_shape_text(g->ndim, g->shape), d);
    }
    g->offset += (index < 0 ? index + size : index) * g->stride[d];
    erase(g, d);
    return 0;
}

int ops_view_diagonal(ops_geometry *g, int64_t offset, int64_t dim0, int64_t dim1)
{
    int a = wrap(dim0, g->ndim), b = a < 0 ? -1 : wrap(dim1, g->ndim);
    if (b < 0) {
        return 1;
    }
    if (a == b) {
        return ops_view_refuse(OPS_RUNTIME_ERROR,
                               "diagonal dimensions cannot be identical %lld, %lld",
                               (long long)dim0, (long long)dim1);
    }
    /* Below the main diagonal rows are skipped, above it columns. */
    int64_t rows = g->shape[a], columns = g->shape[b], step = g->stride[a] + g->stride[b];
    int64_t length = offset < 0 ? ops_view_min(rows + offset, columns)
                                : ops_view_min(rows, columns - offset);
    if (length > 0) {
        g->offset += offset < 0 ? -offset * g->stride[a] : offset * g->stride[b];
    }
    erase(g, a > b ? a : b);
    erase(g, a > b ? b : a);
    g->shape[g->ndim] = length > 0 ? length : 0;
    g->stride[g->ndim] = step;
    ++g->ndim;
    return 0;
}

int ops_view_unfold(ops_geometry *g, int64_t dim, int64_t size, int64_t step)
{
    int d = wrap(dim, g->ndim);
    if (d < 0 || room_for(g->ndim + 1)) {
        return 1;
    }
    int64_t have = g->ndim > 0 ? g->shape[d] : 1, stride = g->ndim > 0 ? g->stride[d] : 1;
    if (size < 0) {
        return ops_view_refuse(OPS_RUNTIME_ERROR, "size is %lld but must be >= 0", (long long)size);
    }
    if (size > have) {
        return ops_view_refuse(OPS_RUNTIME_ERROR,
                               "maximum size for tensor at dimension %d is %lld but size is %lld",
                               d, (long long)have, (long long)size);
    }
    if (step <= 0) {
        return ops_view_refuse(OPS_RUNTIME_ERROR, "step is %lld but must be > 0", (long long)step);
    }
    if (g->ndim > 0) {
        g->shape[d] = (have - size) / step + 1;
        g->stride[d] = times(stride, step);
    }
    g->shape[g->ndim] = size;
    g->stride[g->ndim] = stride;
    ++g->ndim;
    return 0;
}

int ops_view_restride(ops_geometry *g, int64_t n, const int64_t *size, int64_t m,
                      const int64_t *stride, int64_t offset)
{
    if (n != m) {
        return ops_view_refuse(OPS_RUNTIME_ERROR, "mismatch in length of strides and shape");
    }
    if (room_for(n)) {
        return 1;
    }
    if (offset == OPS_NO_INT) {
        offset = g->offset;
    }
    int64_t low, high, last = offset, empty = 0, overflow = 0;
    bounds(g->source, &low, &high);
    for (int64_t d = 0; d < n; ++d) {
        if (stride[d] < 0) {
            return ops_view_refuse(OPS_RUNTIME_ERROR,
                                   "as_strided: Negative strides are not supported at the moment, "
                                   "got strides: %s", ops_shape_text((int)n, stride));
        }
        int64_t reach = 0;
        empty |= size[d] == 0;
        overflow |= size[d] < 0 || __builtin_mul_overflow(size[d] - 1, stride[d], &reach) ||
                    __builtin_add_overflow(last, reach, &last);
    }
    if (overflow && !empty) {
        return ops_view_refuse(OPS_RUNTIME_ERROR,
                               "Storage size calculation overflowed with sizes=%s and strides=%s",
                               ops_shape_text((int)n, size), ops_shape_text((int)n, stride));
    }
    if (offset < 0 && low >= 0) {
        return ops_view_refuse(OPS_RUNTIME_ERROR, "Tensor: invalid storage offset %lld",
                               (long long)offset);
    }
    if (!empty && (offset < low || last >= high)) {
        int64_t item = ops_itemsize(g->source);
        return ops_view_refuse(OPS_RUNTIME_ERROR,
                               "setStorage: sizes %s, strides %s, storage offset %lld, and "
                               "itemsize %lld requiring a storage size of %lld are out of bounds "
                               "for storage of size %lld",
                               ops_shape_text((int)n, size), ops_shape_text((int)n, stride),
                               (long long)offset, (long long)item, (long long)((last + 1) * item),
                               (long long)(high * item));
    }
    g->ndim = (int)n;
    g->offset = offset;
    for (int d = 0; d < g->ndim; ++d) {
        g->shape[d] = size[d];
        g->stride[d] = stride[d];
    }
    return 0;
}

/* Expressions ---------------------------------------------------------------------------------- */

static int existing_dim(ops_geometry *g, int64_t dim)
{
    int d = wrap(dim, g->ndim);
    if (d >= 0 && g->ndim == 0) {
        ops_fail(OPS_INDEX_ERROR, "Dimension specified as %lld but tensor has no dimensions",
                 (long long)dim);
        d = -1;
    }
    g->failed |= d < 0;
    return d;
}

int64_t ops_view_size(ops_geometry *g, int64_t dim)
{
    int d = existing_dim(g, dim);
    return d < 0 ? 0 : g->shape[d];
}

int64_t ops_view_stride(ops_geometry *g, int64_t dim)
{
    int d = existing_dim(g, dim);
    return d < 0 ? 0 : g->stride[d];
}

int64_t ops_view_floor_divide(ops_geometry *g, int64_t a, int64_t b)
{
    if (b == 0 || (a == INT64_MIN && b == -1)) {
        g->failed |= ops_view_refuse(OPS_RUNTIME_ERROR, "integer division or modulo by zero");
        return 0;
    }
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

int64_t ops_view_remainder(ops_geometry *g, int64_t a, int64_t b)
{
    return a - times(ops_view_floor_divide(g, a, b), b);
}
