/* Part of conv_loops.h: backward_weight, a sum over pixels. */

enum {
    ROWS_PER_PART = 28, /* two panels of the largest micro-kernel */
    PIXELS_IN_L1 = 128, /* their gradients, 64 channels of f32, fill 32 KB */
};

/* A unit is a band of output rows of one plane of one image; a chunk of units is packed, then every
 * part of dw passes over it. Units follow in the same order whatever the chunk, so sums do too. */
typedef struct {
    const shape_t *shape;
    const real *x, *g;
    real *dw;
    int64_t group, bands, x_pitch, g_pitch, sum_pitch;
    int64_t x_size, g_size;       /* of one packed unit, in reals */
    int64_t first, count;         /* units of the chunk */
    int64_t pieces, piece, parts; /* sums: pieces of `piece` rows (tap, channel), each in parts */
    int whole_rows;               /* a piece is a kernel row, else one tap */
    real *packed, *sums;          /* sums: (taps, in_channels, sum_pitch) */
} scatter_t;

typedef struct {
    int64_t image, z, y, end;
} unit_t;

static unit_t unit_at(const scatter_t *t, int64_t index)
{
    const axis_t *axis = t->shape->axis;
    const int64_t band = index % t->bands, plane = index / t->bands;
    const unit_t unit = {plane / axis[0].out, plane % axis[0].out, axis[1].out * band / t->bands,
                         axis[1].out * (band + 1) / t->bands};
    return unit;
}

static void pack_units(int64_t lo, int64_t hi, void *arg)
{
    const scatter_t *t = arg;
    const shape_t *s = t->shape;
    const axis_t *axis = s->axis;
    const int64_t size[3] = {axis[0].in, axis[1].in, axis[2].in};
    for (int64_t i = lo; i < hi; ++i) {
        const unit_t unit = unit_at(t, t->first + i);
        const run_t depth = forward_run(&axis[0], unit.z);
        const int64_t plane = unit.image * s->groups + t->group;
        real *x = t->packed + i * (t->x_size + t->g_size), *g = x + t->x_size;
        pack_image(x, t->x_pitch, t->x + plane * s->in_channels * s->in_pixels, s->in_channels,
                   size, depth.start, depth.distance, depth.count,
                   forward_span(&axis[1], unit.y, unit.end),
                   forward_span(&axis[2], 0, axis[2].out));
        OPS_CONV_NAME(ops_gemm_transpose)(s->out_channels, (unit.end - unit.y) * axis[2].out,
                                          t->g + plane * s->out_channels * s->out_pixels
                                              + (unit.z * axis[1].out + unit.y) * axis[2].out,
                                          s->out_pixels, g, t->g_pitch);
    }
}

/* One part of one piece, summed over the units of the chunk. */
static void sum_part(const scatter_t *t, int64_t piece, int64_t part)
{
    const shape_t *s = t->shape;
    const axis_t *axis = s->axis;
    const int64_t row = t->piece * part / t->parts, end = t->piece * (part + 1) / t->parts;
    const int64_t tap_w = t->whole_rows ? 0 : piece % axis[2].kernel;
    const int64_t line = t->whole_rows ? piece : piece / axis[2].kernel;
    const int64_t tap_h = line % axis[1].kernel, tap_d = line / axis[1].kernel;
    const span_t cols = forward_span(&axis[2], 0, axis[2].out);
    const int64_t width = cols.hi - cols.lo;
    int64_t offset[PIXELS_IN_L1];
    segments_t job = {.m = end - row,
                      .n = s->out_channels,
                      .k = axis[2].out,
                      .a_offset = offset,
                      .a_row = 1,
                      .a_col = axis[2].stride * t->x_pitch,
                      .b_row = t->g_pitch,
                      .b_panel = OPS_CONV_NAME(ops_gemm_columns)(),
                      .c = t->sums + (piece * t->piece + row) * t->sum_pitch,
                      .c_row = t->sum_pitch};
    const int64_t rows = at_least(PIXELS_IN_L1 / axis[2].out, 1);
    for (int64_t i = 0; i < rows; ++i) {
        offset[i] = i * axis[1].stride * width * t->x_pitch;
    }
    for (int64_t i = 0; i < t->count; ++i) {
        const unit_t unit = unit_at(t, t->first + i);
        const span_t lines = forward_span(&axis[1], unit.y, unit.end);
        const real *x = t->packed + i * (t->x_size + t->g_size), *g = x + t->x_size;
        const int64_t height = lines.hi - lines.lo;
        for (int64_t y = unit.y; y < unit.end; y += rows) {
            const int64_t from =
                tap_d * height + (y - unit.y) * axis[1].stride + tap_h * axis[1].dilation;
            job.a = x + (from * width + tap_w * axis[2].dilation) * t->x_pitch + row;
            job.b = g + (y - unit.y) * axis[2].out * t->g_pitch;
            job.segments = at_most(unit.end - y, rows);
            job.accumulate = t->first + i > 0 || y > unit.y;
            OPS_CONV_NAME(ops_gemm_run_segments)(&job);
        }
    }
}

static void sum_parts(int64_t lo, int64_t hi, void *arg)
{
    const scatter_t *t = arg;
    for (int64_t task = lo; task < hi; ++task) {
        sum_part(t, task / t->parts, task % t->parts);
    }
}

/* sums: (taps, in_channels, out_channels) -> dw: (out_channels, in_channels, taps) */
static void unpack_sums(int64_t lo, int64_t hi, void *arg)
{
    const scatter_t *t = arg;
    const shape_t *s = t->shape;
    real *dw = t->dw + t->group * s->out_channels * s->in_channels * s->taps;
    for (int64_t c = lo; c < hi; ++c) {
        OPS_CONV_NAME(ops_gemm_transpose)(s->taps, s->out_channels, t->sums + c * t->sum_pitch,
                                          s->in_channels * t->sum_pitch, dw + c * s->taps,
                                          s->in_channels * s->taps);
    }
}

static int run_scatter(const shape_t *s, const real *x, const real *g, real *dw)
{
    const axis_t *axis = s->axis;
    const int64_t lanes = OPS_CONV_NAME(ops_gemm_lanes)(), threads = ops_num_threads();
    scatter_t t = {.shape = s, .x = x, .g = g, .dw = dw};
    t.x_pitch = pitch_of(s->in_channels);
    t.g_pitch = pitch_of(ceil_div(s->out_channels, lanes) * lanes);
    t.sum_pitch = pitch_of(s->out_channels);
    t.whole_rows = axis[2].dilation == 1 && t.x_pitch == s->in_channels;
    t.pieces = t.whole_rows ? axis[0].kernel * axis[1].kernel : s->taps;
    t.piece = s->taps / t.pieces * s->in_channels;
    t.parts = at_most(ceil_div(4 * threads, t.pieces), ceil_div(t.piece, ROWS_PER_PART));
    if (threads == 1) {
        t.parts = 1;
    }

    const span_t cols = forward_span(&axis[2], 0, axis[2].out);
    const int64_t x_line = axis[0].kernel * (cols.hi - cols.lo) * t.x_pitch;
    const int64_t g_line = axis[2].out * t.g_pitch;
    const int64_t line_bytes = (x_line * axis[1].stride + g_line) * (int64_t)sizeof(real);
    const int64_t lines = at_most(at_least(CHUNK_BYTES / line_bytes, 1), axis[1].out);
    t.bands = ceil_div(axis[1].out, lines);
    const span_t rows = forward_span(&axis[1], 0, ceil_div(axis[1].out, t.bands));
    t.x_size = ceil_div(x_line * (rows.hi - rows.lo), 16) * 16;
    t.g_size = ceil_div(g_line * ceil_div(axis[1].out, t.bands), 16) * 16;
    const int64_t units = s->batch * axis[0].out * t.bands;
    const int64_t unit_bytes = (t.x_size + t.g_size) * (int64_t)sizeof(real);
    const int64_t chunk = at_most(at_least(threads * CHUNK_BYTES / unit_bytes, threads), units);
    const int64_t sums = s->taps * s->in_channels * t.sum_pitch;
    t.packed =
        ops_scratch(OPS_SCRATCH_CONV, (size_t)(chunk * unit_bytes) + (size_t)sums * sizeof(real));
    if (!t.packed) {
        return 0;
    }
    t.sums = t.packed + chunk * (t.x_size + t.g_size);
    for (t.group = 0; t.group < s->groups; ++t.group) {
        for (t.first = 0; t.first < units; t.first += chunk) {
            t.count = at_most(units - t.first, chunk);
            ops_parallel_for(t.count, 1, pack_units, &t);
            ops_parallel_for(t.pieces * t.parts, 1, sum_parts, &t);
        }
        ops_parallel_for(s->in_channels, 16, unpack_sums, &t);
    }
    return 1;
}

/* As run_scatter, for few output channels: one plane of x, packed by rows, meets all their planes
 * of g. Tasks: (group, input channel). */
typedef struct {
    const shape_t *shape;
    const real *x, *g;
    real *dw;
    atomic_int failed;
} scatter_narrow_t;

static void sum_planes(int64_t lo, int64_t hi, void *arg)
{
    scatter_narrow_t *t = arg;
    const shape_t *s = t->shape;
    const axis_t *axis = s->axis;
    const int64_t size[3] = {axis[0].in, axis[1].in, axis[2].in};
    const int64_t lanes = OPS_CONV_NAME(ops_gemm_lanes)();
    const span_t rows = forward_span(&axis[1], 0, axis[1].out),
                 cols = forward_span(&axis[2], 0, axis[2].out);
    const row_t row = row_layout(cols.hi - cols.lo, axis[2].stride);
    const int64_t height = rows.hi - rows.lo, table = table_size(s->taps);
    const int64_t plane_size = ceil_div(axis[0].kernel * height * row.length + lanes, 16) * 16;
    const int64_t sums_size = s->out_channels * s->taps * lanes;
    int64_t *offset =
        ops_scratch(OPS_SCRATCH_CONV_TASK, (size_t)table * sizeof(int64_t)
                                               + (size_t)(plane_size + sums_size) * sizeof(real));
    if (!offset) {
        atomic_store(&t->failed, 1);
        return;
    }
    real *pixels = (real *)(offset + table), *sums = pixels + plane_size;
    for (int64_t tap = 0; tap < s->taps; ++tap) {
        const int64_t line = tap / axis[2].kernel, d = line / axis[1].kernel,
                      h = line % axis[1].kernel;
        offset[tap] = (d * height + h * axis[1].dilation) * row.length
                      + place_in_row(&row, tap % axis[2].kernel * axis[2].dilation);
    }
    for (int64_t task = lo; task < hi; ++task) {
        const int64_t group = task / s->in_channels, c = task % s->in_channels;
        memset(sums, 0, (size_t)sums_size * sizeof(real));
        for (int64_t unit = 0; unit < s->batch * axis[0].out; ++unit) {
            const int64_t image = unit / axis[0].out * s->groups + group, z = unit % axis[0].out;
            const run_t depth = forward_run(&axis[0], z);
            pack_rows(pixels, &row, t->x + (image * s->in_channels + c) * s->in_pixels, 1, size,
                      depth.start, depth.distance, depth.count, rows, cols);
            for (int64_t o = 0; o < s->out_channels; ++o) {
                OPS_CONV_NAME(ops_gemm_sum_taps)(
                    axis[1].out, axis[2].out, s->taps, offset, pixels, axis[1].stride * row.length,
                    t->g
                        + ((image * s->out_channels + o) * axis[0].out + z) * axis[1].out
                              * axis[2].out,
                    axis[2].out, sums + o * s->taps * lanes);
            }
        }
        for (int64_t o = 0; o < s->out_channels; ++o) {
            for (int64_t tap = 0; tap < s->taps; ++tap) {
                t->dw[((group * s->out_channels + o) * s->in_channels + c) * s->taps + tap] =
                    OPS_CONV_NAME(ops_gemm_sum_lanes)(sums + (o * s->taps + tap) * lanes);
            }
        }
    }
}

static int run_scatter_narrow(const shape_t *s, const real *x, const real *g, real *dw)
{
    scatter_narrow_t t = {.shape = s, .x = x, .g = g, .dw = dw};
    ops_parallel_for(s->groups * s->in_channels, 1, sum_planes, &t);
    return !atomic_load(&t.failed);
}
