/* The rows driver: finds rows of contiguous elements in tensors of any dtype and stride, or packs
 * them, and hands them to a kernel; sums what a parameter of a position receives from all rows. */
#include <stdlib.h>

#include "opsmith/backend.h"
#include "opsmith/convert.h"
#include "opsmith/entry.h"
#include "opsmith/iterate.h"
#include "opsmith/parallel.h"

enum {
    GRAIN_NS = 8000,      /* least work worth handing to another thread */
    TILE = 8192,          /* elements packed at a time, unless one row has more */
    TILE_ROWS = 16,       /* rows packed together: a cache line of a strided operand */
    PART = 65536,         /* elements that share a partial sum of a column output */
    MOST_PARTS = 32,
};

typedef struct operand {
    char *data;
    int dtype, want;
    int layout, output;
    int64_t length; /* elements of a row */
    int direct;     /* a row can be passed by pointer */
    int zero;       /* an absent cotangent */
    int sum;        /* which column sum it is, or -1 */
} operand;

typedef struct job {
    const ops_rows_op *op;
    ops_rows_kernel kernel;
    const ops_scalar *s;
    int operands, compute;
    int row_axes, kept_axes;
    ops_rows_axis row[OPS_MAX_NDIM], kept[OPS_MAX_NDIM];
    operand at[OPS_MAX_OPERANDS];
    int64_t rows, n, tile;
    int columnwise;     /* rows lie side by side in memory */
    size_t scratch;     /* bytes a thread needs */
    int sums;           /* column outputs */
    char *partial;      /* (parts, sums, n) of the compute dtype */
    int64_t parts;
    int failed;
} job;

static int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t at_least(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t round_up(int64_t bytes)
{
    return (bytes + 63) & ~INT64_C(63);
}

/* Geometry ------------------------------------------------------------------------------------- */

/* Merge neighbouring axes where every operand steps through both as through one. */
static int merge(ops_rows_axis *axes, int count, int operands)
{
    int made = 0;
    for (int k = 0; k < count; ++k) {
        if (axes[k].size == 1) {
            continue;
        }
        int fits = made > 0;
        for (int o = 0; fits && o < operands; ++o) {
            fits = axes[made - 1].stride[o] == axes[k].stride[o] * axes[k].size;
        }
        if (fits) {
            axes[k].size *= axes[made - 1].size;
            axes[made - 1] = axes[k];
        } else {
            axes[made++] = axes[k];
        }
    }
    return made;
}

static int64_t locate(const ops_rows_axis *axes, int count, int operand, int64_t index)
{
    int64_t offset = 0;
    for (int k = count - 1; k >= 0; --k) {
        offset += index % axes[k].size * axes[k].stride[operand];
        index /= axes[k].size;
    }
    return offset;
}

static int64_t inner_size(const ops_rows_axis *axes, int count)
{
    return count > 0 ? axes[count - 1].size : 1;
}

static int64_t inner_stride(const ops_rows_axis *axes, int count, int operand)
{
    return count > 0 ? axes[count - 1].stride[operand] : 0;
}

/* Packing -------------------------------------------------------------------------------------- */

/* Square blocks in registers: at each stage, pairs of lines swap what is off the diagonal. A line is
 * as wide as the vectors of the instruction set. */
#if defined(__AVX512F__)
#define OPS_LINE 64
#else
#define OPS_LINE 32
#endif
typedef int32_t line4 __attribute__((vector_size(OPS_LINE)));
typedef int64_t line8 __attribute__((vector_size(OPS_LINE)));

/* Blocks of 2, 4, .. lines within a vector: element j of a line comes from the other line of its pair
 * where bit `half` of j differs from that of the line. */
#define OPS_LOW(n, half, j) ((j) & (half) ? (n) + (j) - (half) : (j))
#define OPS_HIGH(n, half, j) ((j) & (half) ? (n) + (j) : (j) + (half))
#define OPS_PICK_4(F, n, h, j) F(n, h, j), F(n, h, j + 1), F(n, h, j + 2), F(n, h, j + 3)
#define OPS_PICK_8(F, n, h, j) OPS_PICK_4(F, n, h, j), OPS_PICK_4(F, n, h, j + 4)
#define OPS_PICK_16(F, n, h, j) OPS_PICK_8(F, n, h, j), OPS_PICK_8(F, n, h, j + 8)
#define OPS_STAGE(v, n, half)                                                                     \
    for (int a = 0; a < n; ++a) {                                                                 \
        if (!(a & (half))) {                                                                      \
            const __typeof__(v[0]) x = v[a], y = v[a + (half)];                                   \
            v[a] = __builtin_shufflevector(x, y, OPS_PICK_##n(OPS_LOW, n, half, 0));              \
            v[a + (half)] = __builtin_shufflevector(x, y, OPS_PICK_##n(OPS_HIGH, n, half, 0));    \
        }                                                                                         \
    }
#define OPS_BLOCK_OF(size, n, STAGES)                                                             \
    static void block_of_##size(const char *from, int64_t from_step, char *to, int64_t to_step)   \
    {                                                                                             \
        line##size v[n];                                                                          \
        for (int k = 0; k < n; ++k) {                                                             \
            memcpy(&v[k], from + k * from_step, sizeof v[k]);                                     \
        }                                                                                         \
        STAGES                                                                                    \
        for (int k = 0; k < n; ++k) {                                                             \
            memcpy(to + k * to_step, &v[k], sizeof v[k]);                                         \
        }                                                                                         \
    }
#if OPS_LINE == 64
OPS_BLOCK_OF(4, 16, OPS_STAGE(v, 16, 1) OPS_STAGE(v, 16, 2) OPS_STAGE(v, 16, 4) OPS_STAGE(v, 16, 8))
OPS_BLOCK_OF(8, 8, OPS_STAGE(v, 8, 1) OPS_STAGE(v, 8, 2) OPS_STAGE(v, 8, 4))
#else
OPS_BLOCK_OF(4, 8, OPS_STAGE(v, 8, 1) OPS_STAGE(v, 8, 2) OPS_STAGE(v, 8, 4))
OPS_BLOCK_OF(8, 4, OPS_STAGE(v, 4, 1) OPS_STAGE(v, 4, 2))
#endif

/* to[j][i] = from[i][j] for i < lines, j < width; lines are contiguous, `step` bytes apart. */
static void transpose(int size, int64_t lines, int64_t width, const char *from, int64_t from_step,
                      char *to, int64_t to_step)
{
    const int64_t square = OPS_LINE / size;
    for (int64_t i = 0; i < lines; i += square) {
        for (int64_t j = 0; j < width; j += square) {
            const char *const a = from + i * from_step + j * size;
            char *const b = to + j * to_step + i * size;
            if (i + square <= lines && j + square <= width) {
                (size == 4 ? block_of_4 : block_of_8)(a, from_step, b, to_step);
                continue;
            }
            for (int64_t p = 0; p < at_most(square, lines - i); ++p) {
                for (int64_t q = 0; q < at_most(square, width - j); ++q) {
                    memcpy(b + q * to_step + p * size, a + p * from_step + q * size, (size_t)size);
                }
            }
        }
    }
}

/* Rows [first, first + rows) of operand k, to (or from) rows `pitch` bytes apart. `lines` is room
 * for rows * n elements, for what lies side by side in memory in another dtype. */
static void pack(const job *j, int k, int64_t first, int64_t rows, char *tight, int64_t pitch,
                 char *lines)
{
    const operand *o = &j->at[k];
    const int64_t size = ops_dtype_size[o->want];
    if (o->zero) {
        memset(tight, 0, (size_t)(o->length * size));
        return;
    }
    char *data = o->data + locate(j->kept, j->kept_axes, k, first);
    const int64_t step = inner_stride(j->kept, j->kept_axes, k);
    if (o->length == 1) {
        if (o->output) {
            ops_convert_out(o->dtype, o->want, rows, tight, data, step);
        } else {
            ops_convert(o->want, o->dtype, rows, data, step, tight);
        }
        return;
    }
    const int64_t inner = inner_size(j->row, j->row_axes);
    const int64_t stride = inner_stride(j->row, j->row_axes, k);
    if (rows > 1 && j->row_axes == 1 && step == ops_dtype_size[o->dtype] && size >= 4) {
        const int same = o->dtype == o->want;
        char *const from = same ? data : lines;
        const int64_t line = same ? stride : rows * size;
        for (int64_t i = 0; !same && !o->output && i < inner; ++i) {
            ops_convert(o->want, o->dtype, rows, data + i * stride, step, lines + i * line);
        }
        if (same) { /* the next tile, far apart in memory: fetched while this one is worked on */
            for (int64_t i = 0; i < inner; ++i) {
                __builtin_prefetch(data + i * stride + rows * size, 0, 3);
            }
        }
        if (o->output) {
            transpose((int)size, rows, inner, tight, pitch, from, line);
        } else {
            transpose((int)size, inner, rows, from, line, tight, pitch);
        }
        for (int64_t i = 0; !same && o->output && i < inner; ++i) {
            ops_convert_out(o->dtype, o->want, rows, lines + i * line, data + i * stride, step);
        }
        return;
    }
    for (int64_t r = 0; r < rows; ++r) {
        char *to = tight + r * pitch;
        for (int64_t done = 0; done < o->length; done += inner) {
            char *from = data + r * step + locate(j->row, j->row_axes, k, done);
            if (o->output) {
                ops_convert_out(o->dtype, o->want, inner, to + done * size, from, stride);
            } else {
                ops_convert(o->want, o->dtype, inner, from, stride, to + done * size);
            }
        }
    }
}

/* Running -------------------------------------------------------------------------------------- */

/* Bytes between packed rows: a line more than they need, so that equal positions of a few rows do
 * not fall into one set of the cache. */
static int64_t row_pitch(const operand *o)
{
    const int64_t size = ops_dtype_size[o->want];
    return o->length == 1 ? size : round_up(o->length * size) + 64;
}

static void run_rows(job *j, int64_t lo, int64_t hi, int64_t part)
{
    char *p[OPS_MAX_OPERANDS], *tight[OPS_MAX_OPERANDS];
    int64_t step[OPS_MAX_OPERANDS];
    char *scratch = j->scratch ? ops_scratch(OPS_SCRATCH_OTHER, j->scratch) : NULL;
    if (j->scratch && scratch == NULL) {
        __atomic_store_n(&j->failed, 2, __ATOMIC_RELAXED);
        return;
    }
    const int64_t pitch = round_up(j->n * 8);
    char *const lines = scratch + j->op->stashes * pitch; /* see pack */
    ops_rows_block b = {.n = j->n, .p = p, .step = step, .s = j->s, .stash = scratch, .pitch = pitch};
    char *next = lines + (j->columnwise ? round_up(j->tile * j->n * 8) : 0);
    int packed = 0;
    for (int k = 0; k < j->operands; ++k) {
        const operand *o = &j->at[k];
        const int64_t size = ops_dtype_size[o->want];
        tight[k] = NULL;
        step[k] = inner_stride(j->kept, j->kept_axes, k);
        if (o->sum >= 0) {
            p[k] = j->partial + (part * j->sums + o->sum) * pitch;
            step[k] = 0;
        } else if (o->data == NULL && !o->zero) { /* not wanted: the kernel writes somewhere else */
            p[k] = next;
            step[k] = 0;
            memset(next, 0, (size_t)(o->length * size));
            next += round_up(o->length * size);
        } else if (!o->direct) {
            const int fixed = o->layout == OPS_ROWS_COLUMN || o->zero;
            tight[k] = p[k] = next;
            step[k] = fixed ? 0 : row_pitch(o);
            next += fixed ? round_up(o->length * size) : round_up(j->tile * row_pitch(o));
            if (fixed) {
                pack(j, k, 0, 1, p[k], 0, lines);
                tight[k] = NULL;
            } else {
                packed = 1;
            }
        }
    }
    const int64_t line = inner_size(j->kept, j->kept_axes);
    while (lo < hi) {
        int64_t rows = at_most(hi - lo, line - lo % line);
        if (packed) {
            rows = at_most(rows, j->tile);
        }
        for (int k = 0; k < j->operands; ++k) {
            const operand *o = &j->at[k];
            if (tight[k] != NULL && !o->output) {
                pack(j, k, lo, rows, tight[k], step[k], lines);
            } else if (o->direct && o->data != NULL && o->sum < 0) {
                p[k] = o->data + locate(j->kept, j->kept_axes, k, lo);
            }
        }
        b.rows = rows;
        if (j->kernel(&b)) {
            __atomic_store_n(&j->failed, 1, __ATOMIC_RELAXED);
            return;
        }
        for (int k = 0; k < j->op->outputs; ++k) {
            if (tight[k] != NULL) {
                pack(j, k, lo, rows, tight[k], step[k], lines);
            }
        }
        lo += rows;
    }
}

static void run_range(int64_t lo, int64_t hi, void *arg)
{
    run_rows(arg, lo, hi, 0);
}

static void run_parts(int64_t lo, int64_t hi, void *arg)
{
    job *j = arg;
    for (int64_t part = lo; part < hi; ++part) {
        run_rows(j, j->rows * part / j->parts, j->rows * (part + 1) / j->parts, part);
    }
}

/* Add the parts of the column sums, in their order, and store them. */
static void finish_sums(job *j)
{
    const int64_t pitch = round_up(j->n * 8), row = j->sums * pitch;
    for (int k = 0; k < j->operands; ++k) {
        const operand *o = &j->at[k];
        if (o->sum < 0) {
            continue;
        }
        char *total = j->partial + o->sum * pitch;
        for (int64_t part = 1; part < j->parts; ++part) {
            const char *more = total + part * row;
            for (int64_t i = 0; i < j->n; ++i) {
                if (j->compute == 0) {
                    ((double *)total)[i] += ((const double *)more)[i];
                } else {
                    ((float *)total)[i] += ((const float *)more)[i];
                }
            }
        }
        ops_convert_out(o->dtype, o->want, j->n, total, o->data, ops_dtype_size[o->dtype]);
    }
}

static int run(job *j)
{
    const double work = (double)j->rows * (double)at_least(j->n, 1) * j->op->cost;
    const int64_t numel = j->rows * j->n;
    int64_t bytes = j->op->stashes * round_up(j->n * 8);
    for (int k = 0; k < j->operands; ++k) {
        operand *o = &j->at[k];
        const int64_t size = ops_dtype_size[o->want];
        o->direct = !o->zero && o->dtype == o->want &&
                    (o->length == 1 || j->row_axes == 0 ||
                     (j->row_axes == 1 && j->row[0].stride[k] == size));
        j->columnwise |= !o->direct && o->length > 1 &&
                         llabs(inner_stride(j->kept, j->kept_axes, k)) <
                         llabs(inner_stride(j->row, j->row_axes, k)) &&
                         inner_stride(j->kept, j->kept_axes, k) != 0;
    }
    j->tile = at_least(1, TILE / at_least(1, j->n));
    if (j->columnwise || j->tile > TILE_ROWS) {
        j->tile = j->n > TILE ? 4 : j->columnwise ? TILE_ROWS : at_most(j->tile, 512);
    }
    for (int k = 0; k < j->operands; ++k) {
        const operand *o = &j->at[k];
        if (o->data == NULL || !o->direct) {
            bytes += round_up((o->data ? j->tile : 1) * row_pitch(o));
        }
    }
    bytes += j->columnwise ? round_up(j->tile * j->n * 8) : 0;
    j->scratch = (size_t)bytes;
    j->parts = 1;
    if (j->sums) {
        j->parts = at_least(1, at_most(at_most(numel / PART, MOST_PARTS), j->rows));
        const size_t size = (size_t)(j->parts * j->sums * round_up(j->n * 8));
        j->partial = aligned_alloc(64, size ? size : 64);
        if (j->partial == NULL) {
            ops_fail(OPS_MEMORY_ERROR, "%s(): out of memory", j->op->name);
            return 0;
        }
        memset(j->partial, 0, size);
    }
    void *lock = ops_gil_leave(numel);
    if (j->sums) {
        ops_parallel_blocks(j->parts, run_parts, j);
        finish_sums(j);
    } else if (work < 2 * GRAIN_NS) {
        run_range(0, j->rows, j);
    } else {
        const double row = (double)at_least(j->n, 1) * j->op->cost;
        ops_parallel_for(j->rows, at_least(1, (int64_t)(GRAIN_NS / row)), run_range, j);
    }
    ops_gil_enter(lock);
    free(j->partial);
    if (j->failed == 1) {
        ops_fail((enum ops_status)j->op->check_error, "%s", j->op->check);
    } else if (j->failed) {
        ops_fail(OPS_MEMORY_ERROR, "%s(): out of memory", j->op->name);
    }
    return !j->failed;
}

/* Shapes --------------------------------------------------------------------------------------- */

typedef struct space {
    int ndim;
    int64_t shape[OPS_MAX_NDIM];
    uint64_t along; /* dims of a row */
    int64_t rows, n;
    int kept; /* do tensors with one element a row keep those dims? */
} space;

static int is_along(const space *v, int d)
{
    return v->along >> d & 1;
}

/* The shape of a tensor of a layout; returns its ndim. */
static int shape_of(const space *v, int layout, int64_t *shape)
{
    int ndim = 0;
    for (int d = 0; d < v->ndim; ++d) {
        if (layout == OPS_ROWS_FULL || (layout == OPS_ROWS_COLUMN && is_along(v, d)) ||
            (layout == OPS_ROWS_SINGLE && !is_along(v, d))) {
            shape[ndim++] = v->shape[d];
        } else if (layout == OPS_ROWS_SINGLE && v->kept) {
            shape[ndim++] = 1;
        }
    }
    return ndim;
}

static int has_shape(const space *v, int layout, const ops_tensor *t)
{
    int64_t shape[OPS_MAX_NDIM];
    const int ndim = shape_of(v, layout, shape);
    return t->ndim == ndim && !memcmp(t->shape, shape, sizeof *shape * (size_t)ndim);
}

/* Operand k reads or writes `t`. */
static int add_operand(job *j, const space *v, int k, const ops_tensor *t, int layout)
{
    const int64_t size = ops_itemsize(t);
    const int lead = v->ndim - t->ndim;
    int own = 0, kept = 0, along = 0;
    if (layout == OPS_ROWS_COLUMN && !has_shape(v, layout, t)) {
        int64_t shape[OPS_MAX_NDIM];
        const int ndim = shape_of(v, layout, shape);
        ops_fail(OPS_RUNTIME_ERROR, "%s(): expected a tensor of shape %s, found %s", j->op->name,
                 ops_shape_text(ndim, shape), ops_shape_text(t->ndim, t->shape));
        return 0;
    }
    const int dense = layout == OPS_ROWS_SINGLE && !v->kept && has_shape(v, layout, t);
    for (int d = 0; d < v->ndim; ++d) {
        int64_t stride = 0;
        if (layout == OPS_ROWS_COLUMN) {
            stride = is_along(v, d) ? t->stride[own++] * size : 0;
        } else if (dense) {
            stride = is_along(v, d) ? 0 : t->stride[own++] * size;
        } else if (d >= lead) {
            stride = t->shape[d - lead] == 1 ? 0 : t->stride[d - lead] * size;
        }
        ops_rows_axis *a = is_along(v, d) ? &j->row[along++] : &j->kept[kept++];
        a->size = v->shape[d];
        a->stride[k] = stride;
    }
    return 1;
}

static int space_of(space *v, const ops_rows_op *op, ops_tensor *const *in, uint64_t dims, int keepdim)
{
    ops_tensor *full[OPS_MAX_OPERANDS];
    int count = 0;
    for (int k = 0; k < op->inputs; ++k) {
        if (!(in[k]->flags & OPS_NONE) && op->input_layout[k] == OPS_ROWS_FULL) {
            full[count++] = in[k];
        }
    }
    v->ndim = ops_broadcast_shape(full, count, v->shape);
    if (v->ndim < 0 || !ops_resolve_dims(dims, v->ndim, &v->along)) {
        return 0;
    }
    if (dims == 0) {
        v->along = ~UINT64_C(0);
    }
    v->kept = keepdim;
    v->rows = v->n = 1;
    for (int d = 0; d < v->ndim; ++d) {
        *(is_along(v, d) ? &v->n : &v->rows) *= v->shape[d];
    }
    if (v->n > INT32_MAX) {
        ops_fail(OPS_NOT_IMPLEMENTED, "%s(): rows of more than 2^31 - 1 elements", op->name);
        return 0;
    }
    space kept = *v;
    kept.kept = 1;
    for (int k = 0; k < op->inputs; ++k) {
        if ((in[k]->flags & OPS_NONE) || op->input_layout[k] != OPS_ROWS_SINGLE) {
            continue;
        }
        int64_t have[OPS_MAX_NDIM], both[OPS_MAX_NDIM];
        const int ndim = shape_of(&kept, OPS_ROWS_SINGLE, have);
        int fits = has_shape(v, OPS_ROWS_SINGLE, in[k]) || in[k]->ndim <= ndim;
        for (int d = 0; fits && d < in[k]->ndim && in[k]->ndim <= ndim; ++d) {
            both[d] = in[k]->shape[d];
            fits = both[d] == 1 || both[d] == have[d + ndim - in[k]->ndim] ||
                   has_shape(v, OPS_ROWS_SINGLE, in[k]);
        }
        if (!fits) {
            ops_fail(OPS_RUNTIME_ERROR, "%s(): expected a tensor of shape %s, found %s", op->name,
                     ops_shape_text(ndim, have), ops_shape_text(in[k]->ndim, in[k]->shape));
            return 0;
        }
    }
    return 1;
}

static int element_dtype(int cls, int compute)
{
    return cls == OPS_OPERAND_BOOL ? OPS_BOOL
           : cls == OPS_OPERAND_LONG ? OPS_I64
           : compute == 0 ? OPS_F64 : OPS_F32;
}

/* Another device's kernels do it. */
static int hand_over(const job *j, int variant, const ops_backend *backend)
{
    ops_rows_operand at[OPS_MAX_OPERANDS];
    for (int k = 0; k < j->operands; ++k) {
        const operand *o = &j->at[k];
        at[k] = (ops_rows_operand){o->data, (uint8_t)o->dtype, (uint8_t)o->want, (uint8_t)o->layout};
    }
    const ops_rows_work work = {
        .compute = j->compute == 0 ? OPS_C_F64 : OPS_C_F32,
        .variant = variant,
        .operands = j->operands,
        .row_axes = j->row_axes,
        .kept_axes = j->kept_axes,
        .rows = j->rows,
        .n = j->n,
        .row = j->row,
        .kept = j->kept,
        .at = at,
        .s = j->s,
    };
    return backend->rows(j->op, &work);
}

/* Run on tensors that are ready; null outputs are not wanted. */
static int execute(const ops_rows_op *op, ops_tensor *const *in, ops_tensor *const *out,
                   const space *v, int common, const ops_scalar *s)
{
    job j;
    memset(&j, 0, offsetof(job, row));
    j.op = op;
    j.s = s;
    j.compute = common == OPS_F64 ? 0 : 1;
    j.operands = op->outputs + op->inputs;
    j.rows = v->rows;
    j.n = v->n;
    j.columnwise = j.sums = j.failed = 0;
    j.partial = NULL;
    int variant = 0;
    for (int k = 0; k < OPS_ROWS_VARIANTS; ++k) {
        variant |= (op->optional[k] >= 0 && (in[op->optional[k]]->flags & OPS_NONE)) << k;
    }
    j.kernel = op->kernels[2 * variant + j.compute];
    int device = OPS_CPU;
    for (int k = 0; k < j.operands; ++k) {
        const int is_output = k < op->outputs, i = k - op->outputs;
        operand *o = &j.at[k];
        const ops_tensor *t = is_output ? out[k] : in[i];
        const int layout = is_output ? op->output_layout[k] : op->input_layout[i];
        const int absent = t == NULL || (t->flags & OPS_NONE);
        o->layout = layout;
        o->output = is_output;
        o->want = element_dtype(is_output ? OPS_OPERAND_COMMON : op->input_class[i], j.compute);
        o->dtype = absent ? o->want : t->dtype;
        o->data = absent ? NULL : t->data;
        o->zero = !is_output && absent && i < op->cotangents;
        o->length = layout == OPS_ROWS_SINGLE ? 1 : v->n;
        o->sum = is_output && !absent && layout == OPS_ROWS_COLUMN ? j.sums++ : -1;
        for (int d = 0; d < v->ndim; ++d) {
            j.row[d].stride[k] = j.kept[d].stride[k] = 0;
        }
        if (!absent) {
            device = t->device;
            if (!add_operand(&j, v, k, t, layout)) {
                return 0;
            }
        }
    }
    const ops_backend *backend = ops_backend_of(device);
    if (!ops_devices[device]->has_memory || v->rows == 0) {
        int done = 1;
        for (int k = 0; k < op->outputs && ops_devices[device]->has_memory; ++k) {
            if (out[k] != NULL && out[k]->numel > 0) {
                const int64_t bytes = out[k]->numel * ops_itemsize(out[k]);
                if (backend != NULL) {
                    done &= backend->zero(out[k]->data, bytes);
                } else {
                    memset(out[k]->data, 0, (size_t)bytes);
                }
            }
        }
        return done;
    }
    int along = 0;
    for (int d = 0; d < v->ndim; ++d) {
        along += is_along(v, d);
    }
    j.row_axes = merge(j.row, along, j.operands);
    j.kept_axes = merge(j.kept, v->ndim - along, j.operands);
    return OPS_UNLIKELY(backend != NULL) ? hand_over(&j, variant, backend) : run(&j);
}

/* Entries -------------------------------------------------------------------------------------- */

static int common_of(const ops_rows_op *op, ops_tensor *const *in)
{
    const int common = ops_common_dtype(op->name, in, op->input_class, op->inputs);
    if (!ops_is_float(common)) {
        ops_fail(OPS_NOT_IMPLEMENTED, "\"%s\" not implemented for '%s'", op->name, ops_dtype_name[common]);
        return -1;
    }
    return common;
}

static int device_of(const ops_rows_op *op, ops_tensor *const *in)
{
    int device = -1;
    if (!ops_same_device(op->name, in, op->inputs, &device)) {
        return -1;
    }
    return device;
}

double ops_rows(const ops_rows_op *op, ops_tensor *const *in, int record, uint64_t dims, int keepdim,
                const ops_scalar *s)
{
    space v;
    ops_tensor *out[4] = {NULL};
    if (ops_check_operands(op->name, in, op->inputs) || ops_check_views(in, op->inputs, record)) {
        return 0.0;
    }
    const int common = common_of(op, in), device = common < 0 ? -1 : device_of(op, in);
    if (device < 0 || !space_of(&v, op, in, dims, keepdim)) {
        return 0.0;
    }
    int made = 1;
    for (int k = 0; made && k < op->outputs; ++k) {
        int64_t shape[OPS_MAX_NDIM];
        const int ndim = shape_of(&v, op->output_layout[k], shape);
        out[k] = ops_tensor_new(common, device, ndim, shape);
        made = out[k] != NULL;
    }
    if (!made || !execute(op, in, out, &v, common, s)) {
        for (int k = 0; k < op->outputs && out[k] != NULL; ++k) {
            ops_tensor_drop(out[k]);
        }
        return 0.0;
    }
    int rare = 0;
    for (int k = 0; k < op->inputs; ++k) {
        rare |= op->input_class[k] == OPS_OPERAND_COMMON && !(in[k]->flags & OPS_NONE) &&
                (in[k]->dtype != common || !has_shape(&v, op->input_layout[k], in[k]));
    }
    for (int k = 1; k < op->outputs; ++k) {
        ops_more[k] = ops_to_handle(out[k]);
    }
    return ops_result(out[0], record, rare);
}

double ops_rows_backward(const ops_rows_op *op, ops_tensor *const *in, uint64_t dims, int keepdim,
                         const ops_scalar *s, unsigned mask)
{
    space v;
    ops_tensor *out[4] = {NULL};
    double first = 0.0;
    const int common = common_of(op, in), device = common < 0 ? -1 : device_of(op, in);
    int made = device >= 0 && space_of(&v, op, in, dims, keepdim);
    v.kept = 1; /* the gradient of a parameter has the dims that the formula kept */
    for (int k = 0; made && k < op->outputs; ++k) {
        int64_t shape[OPS_MAX_NDIM];
        if (mask >> k & 1) {
            const int ndim = shape_of(&v, op->output_layout[k], shape);
            out[k] = ops_tensor_new(common, device, ndim, shape);
            made = out[k] != NULL;
        }
    }
    v.kept = keepdim;
    made = made && execute(op, in, out, &v, common, s);
    for (int k = 0; k < op->outputs; ++k) {
        ops_more[k] = 0.0;
        if (made && out[k] != NULL) {
            ops_more[k] = ops_to_handle(out[k]);
            first = first != 0.0 ? first : ops_more[k];
        } else if (out[k] != NULL) {
            ops_tensor_drop(out[k]);
        }
    }
    for (int k = 0; k < op->cotangents; ++k) {
        if (!(in[k]->flags & OPS_NONE)) {
            ops_tensor_drop(in[k]);
        }
    }
    return first;
}
