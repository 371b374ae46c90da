/* Part of conv_loops.h: forward and backward_input. Each position of the target gathers from the
 * source: y from x, or dx from g. */

enum { TILE = 64 }; /* weights transposed at a time; no micro-kernel has more columns */

typedef struct {
    const shape_t *shape;
    int backward;
    int64_t source_channels, target_channels; /* of one group */
    int64_t source_size[3], target_size[3];
    int64_t source_pixels, target_pixels;
    const real *source, *w, *bias;
    real *target;
    int64_t source_pitch, target_pitch, columns;
    int64_t *tap_position; /* (taps,): place of a tap in packed, by phases */
    real *packed;          /* (groups, panels, taps * source_channels, columns) */
    int64_t panels, bands;
    int narrow;        /* few target channels: pixels, not channels, fill the vectors */
    atomic_int failed; /* a task found no memory */
} gather_t;

static run_t run_at(const gather_t *t, int axis, int64_t p)
{
    return t->backward ? backward_run(&t->shape->axis[axis], p)
                       : forward_run(&t->shape->axis[axis], p);
}

static span_t span_of(const gather_t *t, int axis, int64_t p, int64_t end)
{
    return t->backward ? backward_span(&t->shape->axis[axis], p, end)
                       : forward_span(&t->shape->axis[axis], p, end);
}

/* Taps of the phases before the one of target p, and of that phase, along one axis. */
static void phase_extent(const gather_t *t, int axis, int64_t p, int64_t *before, int64_t *count)
{
    const axis_t *a = &t->shape->axis[axis];
    const int64_t phase = t->backward ? phase_of(a, p) : 0;
    *before = t->backward ? taps_below(a, phase) : 0;
    *count = t->backward ? taps_below(a, phase + 1) - *before : a->kernel;
}

/* Where the taps of the phase of target (z, y, x) begin in packed. */
static int64_t phase_start(const gather_t *t, int64_t z, int64_t y, int64_t x)
{
    const axis_t *axis = t->shape->axis;
    int64_t before[3], count[3];
    phase_extent(t, 0, z, &before[0], &count[0]);
    phase_extent(t, 1, y, &before[1], &count[1]);
    phase_extent(t, 2, x, &before[2], &count[2]);
    return (before[0] * axis[1].kernel + count[0] * before[1]) * axis[2].kernel
           + count[0] * count[1] * before[2];
}

static int64_t phases(const gather_t *t, int axis)
{
    return t->backward ? at_most(t->shape->axis[axis].stride, t->target_size[axis]) : 1;
}

static void place_taps(const gather_t *t)
{
    const axis_t *axis = t->shape->axis;
    for (int64_t z = 0; z < phases(t, 0); ++z) {
        const run_t d = run_at(t, 0, z);
        for (int64_t y = 0; y < phases(t, 1); ++y) {
            const run_t h = run_at(t, 1, y);
            for (int64_t x = 0; x < phases(t, 2); ++x) {
                const run_t w = run_at(t, 2, x);
                int64_t place = phase_start(t, z, y, x);
                for (int64_t i = 0; i < d.count; ++i) {
                    for (int64_t j = 0; j < h.count; ++j) {
                        for (int64_t k = 0; k < w.count; ++k) {
                            const int64_t tap_d = d.first + i * d.tap_step;
                            const int64_t tap_h = h.first + j * h.tap_step;
                            const int64_t tap_w = w.first + k * w.tap_step;
                            t->tap_position[(tap_d * axis[1].kernel + tap_h) * axis[2].kernel
                                            + tap_w] = place++;
                        }
                    }
                }
            }
        }
    }
}

/* w: (out, in, taps) -> packed: panels of (tap by position, source channel, columns) */
static void pack_weights(int64_t lo, int64_t hi, void *arg)
{
    const gather_t *t = arg;
    const shape_t *s = t->shape;
    const int64_t taps = s->taps, channels = t->source_channels;
    const int64_t per_out = s->in_channels * taps;
    const int64_t target_step = t->backward ? taps : per_out,
                  source_step = t->backward ? per_out : taps;
    for (int64_t task = lo; task < hi; ++task) {
        const int64_t group = task / t->panels, first = task % t->panels * t->columns;
        const int64_t width = at_most(t->target_channels - first, t->columns);
        const real *w = t->w + group * s->out_channels * per_out + first * target_step;
        real *panel = t->packed + task * taps * channels * t->columns;
        if (width < t->columns) {
            memset(panel, 0, (size_t)(taps * channels * t->columns) * sizeof(real));
        }
        if (taps == 1 && !t->backward) {
            OPS_CONV_NAME(ops_gemm_transpose)(width, channels, w, target_step, panel, t->columns);
            continue;
        }
        /* (target, run of taps) tiles; forward, the taps of all source channels are one run. */
        const int64_t runs = t->backward ? channels : 1, run = taps * channels / runs;
        for (int64_t r = 0; r < runs; ++r) {
            for (int64_t first_tap = 0; first_tap < run; first_tap += TILE) {
                real tile[TILE * TILE];
                const int64_t count = at_most(run - first_tap, TILE);
                OPS_CONV_NAME(ops_gemm_transpose)(width, count, w + r * source_step + first_tap,
                                                  target_step, tile, width);
                for (int64_t i = 0; i < count; ++i) {
                    const int64_t tap = (first_tap + i) % taps, c = r + (first_tap + i) / taps;
                    const int64_t position = t->tap_position[tap];
                    if (position >= 0) { /* else no target position uses the tap */
                        memcpy(panel + (position * channels + c) * t->columns, tile + i * width,
                               (size_t)width * sizeof(real));
                    }
                }
            }
        }
    }
}

/* Rows [y, end) of one plane of the target, of one image and group. */
static void gather_band(gather_t *t, int64_t image, int64_t group, int64_t z, int64_t y,
                        int64_t end)
{
    const shape_t *s = t->shape;
    const int64_t channels = t->source_channels, pitch = t->source_pitch;
    const int64_t target_width = t->target_size[2];
    const run_t depth = run_at(t, 0, z);
    const span_t rows = span_of(t, 1, y, end), cols = span_of(t, 2, 0, target_width);
    const int64_t height = rows.hi - rows.lo, width = cols.hi - cols.lo;
    const int64_t image_size = depth.count * height * width * pitch;
    const int64_t result_size = (end - y) * target_width * t->target_pitch;
    const size_t bytes = (size_t)(image_size + result_size) * sizeof(real)
                         + (size_t)table_size(s->taps) * sizeof(int64_t);
    int64_t *offset = ops_scratch(OPS_SCRATCH_CONV_TASK, bytes);
    if (!offset) {
        atomic_store(&t->failed, 1);
        return;
    }
    real *pixels = (real *)(offset + table_size(s->taps)), *result = pixels + image_size;
    const real *source = t->source + (image * s->groups + group) * channels * t->source_pixels;
    pack_image(pixels, pitch, source, channels, t->source_size, depth.start, depth.distance,
               depth.count, rows, cols);
    segments_t job = {.n = t->target_channels,
                      .a_offset = offset,
                      .a = pixels,
                      .a_row = (t->backward ? 1 : s->axis[2].stride) * pitch,
                      .a_col = 1,
                      .b_row = t->columns,
                      .b_panel = s->taps * channels * t->columns};
    const int64_t spacing = phases(t, 2);
    for (int64_t row = y; row < end; ++row) {
        const run_t h = run_at(t, 1, row);
        for (int64_t x = 0; x < spacing; ++x) {
            const run_t w = run_at(t, 2, x);
            const int whole_rows = w.distance == 1 && pitch == channels;
            const int64_t pieces = whole_rows ? 1 : w.count;
            int64_t count = 0;
            for (int64_t i = 0; i < depth.count; ++i) {
                for (int64_t j = 0; j < h.count; ++j) {
                    const int64_t at = i * height + h.start - rows.lo + j * h.distance;
                    for (int64_t k = 0; k < pieces; ++k) {
                        offset[count++] = (at * width + w.start - cols.lo + k * w.distance) * pitch;
                    }
                }
            }
            job.segments = w.count ? count : 0;
            job.k = whole_rows ? w.count * channels : channels;
            job.m = ceil_div(target_width - x, spacing);
            job.b =
                t->packed
                + (group * t->panels * s->taps + phase_start(t, z, row, x)) * channels * t->columns;
            job.c = result + ((row - y) * target_width + x) * t->target_pitch;
            job.c_row = spacing * t->target_pitch;
            OPS_CONV_NAME(ops_gemm_run_segments)(&job);
        }
    }
    const int64_t first_channel = group * t->target_channels, count = (end - y) * target_width;
    real *target = t->target
                   + (image * s->groups * t->target_channels + first_channel) * t->target_pixels
                   + (z * t->target_size[1] + y) * target_width;
    OPS_CONV_NAME(ops_gemm_transpose)(count, t->target_channels, result, t->target_pitch, target,
                                      t->target_pixels);
    for (int64_t o = 0; t->bias && o < t->target_channels; ++o) {
        const real bias = t->bias[first_channel + o];
        for (int64_t i = 0; i < count; ++i) {
            target[o * t->target_pixels + i] += bias;
        }
    }
}

/* Offsets and weights of every (source channel, tap) that target phase (h, w) reads. */
static int64_t list_taps(const gather_t *t, const run_t *depth, const run_t *h, const run_t *w,
                         int64_t height, int64_t top, int64_t left, const row_t *row,
                         int64_t *offset, int64_t *tap)
{
    const axis_t *axis = t->shape->axis;
    int64_t count = 0;
    for (int64_t c = 0; c < t->source_channels; ++c) {
        for (int64_t i = 0; i < depth->count; ++i) {
            for (int64_t j = 0; j < h->count; ++j) {
                const int64_t line =
                    (c * depth->count + i) * height + h->start - top + j * h->distance;
                const int64_t tap_line = (depth->first + i * depth->tap_step) * axis[1].kernel
                                         + h->first + j * h->tap_step;
                for (int64_t k = 0; k < w->count; ++k) {
                    offset[count] =
                        line * row->length + place_in_row(row, w->start - left + k * w->distance);
                    tap[count++] =
                        c * (t->backward ? t->shape->in_channels * t->shape->taps : t->shape->taps)
                        + tap_line * axis[2].kernel + w->first + k * w->tap_step;
                }
            }
        }
    }
    return count;
}

/* As gather_band, for few target channels. */
static void gather_band_narrow(gather_t *t, int64_t image, int64_t group, int64_t z, int64_t y,
                               int64_t end)
{
    const shape_t *s = t->shape;
    const int64_t channels = t->source_channels, target_width = t->target_size[2];
    const int64_t lanes = OPS_CONV_NAME(ops_gemm_lanes)();
    const run_t depth = run_at(t, 0, z);
    const span_t rows = span_of(t, 1, y, end), cols = span_of(t, 2, 0, target_width);
    const row_t row = row_layout(cols.hi - cols.lo, t->backward ? 1 : s->axis[2].stride);
    const int64_t height = rows.hi - rows.lo, table = table_size(channels * s->taps);
    const int64_t image_size =
        ceil_div(channels * depth.count * height * row.length + lanes, 16) * 16;
    const int64_t result_size = (end - y) * target_width;
    const size_t bytes = (size_t)(2 * table) * sizeof(int64_t)
                         + (size_t)(table + image_size + result_size) * sizeof(real);
    int64_t *offset = ops_scratch(OPS_SCRATCH_CONV_TASK, bytes);
    if (!offset) {
        atomic_store(&t->failed, 1);
        return;
    }
    int64_t *tap = offset + table;
    real *weights = (real *)(tap + table), *pixels = weights + table, *result = pixels + image_size;
    pack_rows(pixels, &row, t->source + (image * s->groups + group) * channels * t->source_pixels,
              channels, t->source_size, depth.start, depth.distance, depth.count, rows, cols);
    const int64_t tall = phases(t, 1), wide = phases(t, 2);
    for (int64_t first = y; first < at_most(y + tall, end); ++first) {
        const run_t h = run_at(t, 1, first);
        for (int64_t x = 0; x < wide; ++x) {
            const run_t w = run_at(t, 2, x);
            const int64_t count =
                list_taps(t, &depth, &h, &w, height, rows.lo, cols.lo, &row, offset, tap);
            const int64_t lines = ceil_div(end - first, tall), m = ceil_div(target_width - x, wide);
            for (int64_t o = 0; o < t->target_channels; ++o) {
                const int64_t channel = group * t->target_channels + o;
                const real *from =
                    t->backward
                        ? t->w + group * s->out_channels * s->in_channels * s->taps + o * s->taps
                        : t->w + channel * s->in_channels * s->taps;
                real *target =
                    t->target
                    + (image * s->groups * t->target_channels + channel) * t->target_pixels
                    + (z * t->target_size[1] + first) * target_width + x;
                for (int64_t i = 0; i < count; ++i) {
                    weights[i] = from[tap[i]];
                }
                OPS_CONV_NAME(ops_gemm_run_taps)(
                    lines, m, count, offset, weights, t->bias ? t->bias[channel] : 0, pixels,
                    (t->backward ? 1 : s->axis[1].stride) * row.length, wide == 1 ? target : result,
                    wide == 1 ? tall * target_width : m);
                for (int64_t i = 0; wide > 1 && i < lines; ++i) {
                    for (int64_t j = 0; j < m; ++j) {
                        target[i * tall * target_width + j * wide] = result[i * m + j];
                    }
                }
            }
        }
    }
}

static void run_gather_tasks(int64_t lo, int64_t hi, void *arg)
{
    gather_t *t = arg;
    const int64_t height = t->target_size[1];
    for (int64_t task = lo; task < hi; ++task) {
        const int64_t band = task % t->bands, z = task / t->bands % t->target_size[0];
        const int64_t unit = task / t->bands / t->target_size[0];
        (t->narrow ? gather_band_narrow
                   : gather_band)(t, unit / t->shape->groups, unit % t->shape->groups, z,
                                  height * band / t->bands, height * (band + 1) / t->bands);
    }
}

static int pack_all_weights(gather_t *t)
{
    const shape_t *s = t->shape;
    t->columns = OPS_CONV_NAME(ops_gemm_columns)();
    t->panels = ceil_div(t->target_channels, t->columns);
    const int64_t size = s->groups * t->panels * s->taps * t->source_channels * t->columns;
    t->tap_position =
        ops_scratch(OPS_SCRATCH_CONV,
                    (size_t)size * sizeof(real) + (size_t)table_size(s->taps) * sizeof(int64_t));
    if (!t->tap_position) {
        return 0;
    }
    t->packed = (real *)(t->tap_position + table_size(s->taps));
    for (int64_t tap = 0; tap < s->taps; ++tap) {
        t->tap_position[tap] = -1;
    }
    place_taps(t);
    ops_parallel_for(s->groups * t->panels, 1, pack_weights, t);
    return 1;
}

static int run_gather(gather_t *t)
{
    const shape_t *s = t->shape;
    const span_t cols = span_of(t, 2, 0, t->target_size[2]);
    const int64_t planes = s->batch * s->groups * t->target_size[0];
    t->narrow = is_narrow(t->target_channels, ceil_div(t->target_size[2], phases(t, 2)));
    t->source_pitch = t->narrow ? t->source_channels : pitch_of(t->source_channels);
    t->target_pitch = t->narrow ? 1 : pitch_of(t->target_channels);
    if (!t->narrow && !pack_all_weights(t)) {
        return 0;
    }
    /* A band that fits the cache; narrower ones where threads would be idle. */
    const int64_t stride = t->backward ? 1 : s->axis[1].stride;
    const int64_t source_row = stride * s->axis[0].kernel * (cols.hi - cols.lo) * t->source_pitch;
    const int64_t row_bytes =
        (source_row + t->target_size[2] * t->target_pitch) * (int64_t)sizeof(real);
    const int64_t wanted = ops_num_threads() > 1 ? ceil_div(4 * ops_num_threads(), planes) : 1;
    const int64_t rows = at_least(at_most(BAND_BYTES / row_bytes, t->target_size[1] / wanted), 1);
    t->bands = ceil_div(t->target_size[1], rows);
    ops_parallel_for(planes * t->bands, 1, run_gather_tasks, t);
    return !atomic_load(&t->failed);
}
