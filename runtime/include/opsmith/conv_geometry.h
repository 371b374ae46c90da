/* Part of conv_loops.h: shapes, which taps meet which positions, and zero-padded images. */
#include "opsmith/parallel.h"

#include <stdatomic.h>
#include <string.h>

static inline int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t at_least(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static inline int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Rows a multiple of 1 KB apart fall into few cache sets: then leave a gap. */
static int64_t pitch_of(int64_t channels)
{
    return channels * (int64_t)sizeof(real) % 1024 == 0 ? channels + 16 : channels;
}

/* A table of int64_t ahead of reals keeps them aligned to a cache line. */
static int64_t table_size(int64_t entries)
{
    return ceil_div(entries, 8) * 8;
}

typedef struct {
    int64_t in, out, kernel, stride, padding, dilation;
} axis_t;

typedef struct {
    int64_t batch, groups, in_channels, out_channels; /* channels of one group */
    axis_t axis[3];                                   /* depth, height, width */
    int64_t taps, in_pixels, out_pixels;
} shape_t;

static shape_t read_shape(const ops_conv_shape *s)
{
    shape_t shape = {s->batch,
                     s->groups,
                     s->in_channels / s->groups,
                     s->out_channels / s->groups,
                     {{1, 1, 1, 1, 0, 1}, {1, 1, 1, 1, 0, 1}, {1, 1, 1, 1, 0, 1}},
                     1,
                     1,
                     1};
    for (int i = 0; i < s->spatial; ++i) {
        const axis_t axis = {s->in_size[i], s->out_size[i], s->kernel[i],
                             s->stride[i],  s->padding[i],  s->dilation[i]};
        shape.axis[3 - s->spatial + i] = axis;
        shape.taps *= axis.kernel;
        shape.in_pixels *= axis.in;
        shape.out_pixels *= axis.out;
    }
    return shape;
}

/* Taps along one axis: tap `first`, first + tap_step, ... read the source at `start`,
 * start + distance, ... */
typedef struct {
    int64_t count, start, distance, first, tap_step;
} run_t;

/* Taps k with k * dilation mod stride below `residue`. */
static int64_t taps_below(const axis_t *axis, int64_t residue)
{
    int64_t count = 0;
    for (int64_t k = 0; k < axis->kernel; ++k) {
        count += k * axis->dilation % axis->stride < residue;
    }
    return count;
}

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static run_t forward_run(const axis_t *axis, int64_t p)
{
    const run_t run = {axis->kernel, p * axis->stride - axis->padding, axis->dilation, 0, 1};
    return run;
}

static int64_t phase_of(const axis_t *axis, int64_t p)
{
    return (p + axis->padding) % axis->stride;
}

/* The taps through which input position p reached the output, by ascending output position. */
static run_t backward_run(const axis_t *axis, int64_t p)
{
    const int64_t residue = phase_of(axis, p),
                  divisor = common_divisor(axis->dilation, axis->stride);
    run_t run = {0, 0, axis->dilation / divisor, 0, -(axis->stride / divisor)};
    for (int64_t k = 0; k < axis->kernel; ++k) {
        if (k * axis->dilation % axis->stride == residue) {
            run.first = k;
            ++run.count;
        }
    }
    run.start =
        (p + axis->padding) / axis->stride + (residue - run.first * axis->dilation) / axis->stride;
    return run;
}

/* Source positions that targets [p, end) of an axis read: [lo, hi). */
typedef struct {
    int64_t lo, hi;
} span_t;

static span_t forward_span(const axis_t *axis, int64_t p, int64_t end)
{
    const span_t span = {p * axis->stride - axis->padding, (end - 1) * axis->stride - axis->padding
                                                               + (axis->kernel - 1) * axis->dilation
                                                               + 1};
    return span;
}

static span_t backward_span(const axis_t *axis, int64_t p, int64_t end)
{
    const span_t span = {(p + axis->padding) / axis->stride
                             - (axis->kernel - 1) * axis->dilation / axis->stride,
                         (end - 1 + axis->padding) / axis->stride + 1};
    return span;
}

/* from: (channels, depth, height, width) -> to: (planes, rows, cols, pitch), zero outside `from`.
 * Planes are plane, plane + plane_step, ... */
static void pack_image(real *to, int64_t pitch, const real *from, int64_t channels,
                       const int64_t size[3], int64_t plane, int64_t plane_step, int64_t planes,
                       span_t rows, span_t cols)
{
    const int64_t height = rows.hi - rows.lo, width = cols.hi - cols.lo;
    const int64_t left = at_least(cols.lo, 0), right = at_most(cols.hi, size[2]);
    const int64_t pixels = size[0] * size[1] * size[2];
    for (int64_t i = 0; i < planes; ++i, plane += plane_step) {
        for (int64_t row = rows.lo; row < rows.hi; ++row) {
            real *line = to + (i * height + row - rows.lo) * width * pitch;
            const int inside = plane >= 0 && plane < size[0] && row >= 0 && row < size[1];
            if (!inside || left >= right) {
                memset(line, 0, (size_t)(width * pitch) * sizeof(real));
                continue;
            }
            memset(line, 0, (size_t)((left - cols.lo) * pitch) * sizeof(real));
            memset(line + (right - cols.lo) * pitch, 0,
                   (size_t)((cols.hi - right) * pitch) * sizeof(real));
            const real *source = from + (plane * size[1] + row) * size[2] + left;
            real *target = line + (left - cols.lo) * pitch;
            if (channels == 1) {
                for (int64_t x = 0; x < right - left; ++x) {
                    target[x * pitch] = source[x];
                }
            } else {
                OPS_CONV_NAME(ops_gemm_transpose)(channels, right - left, source, pixels, target,
                                                  pitch);
            }
        }
    }
}

/* Row layout of an image with pixels innermost: `phases` runs of `run` pixels, columns that are
 * equal modulo phases side by side, so that a strided row is read as a contiguous one. */
typedef struct {
    int64_t phases, run, length;
} row_t;

static row_t row_layout(int64_t width, int64_t phases)
{
    const row_t row = {phases, ceil_div(width, phases), ceil_div(width, phases) * phases};
    return row;
}

static int64_t place_in_row(const row_t *row, int64_t column)
{
    return column % row->phases * row->run + column / row->phases;
}

/* from: (channels, depth, height, width) -> to: (channels, planes, rows, row), zero outside `from`
 */
static void pack_rows(real *to, const row_t *row, const real *from, int64_t channels,
                      const int64_t size[3], int64_t plane, int64_t plane_step, int64_t planes,
                      span_t rows, span_t cols)
{
    const int64_t height = rows.hi - rows.lo;
    const int64_t left = at_least(cols.lo, 0), right = at_most(cols.hi, size[2]);
    memset(to, 0, (size_t)(channels * planes * height * row->length) * sizeof(real));
    if (left >= right) {
        return;
    }
    for (int64_t c = 0; c < channels; ++c) {
        for (int64_t i = 0; i < planes; ++i) {
            const int64_t z = plane + i * plane_step;
            if (z < 0 || z >= size[0]) {
                continue;
            }
            for (int64_t y = at_least(rows.lo, 0); y < at_most(rows.hi, size[1]); ++y) {
                real *line = to + ((c * planes + i) * height + y - rows.lo) * row->length;
                const real *source = from + ((c * size[0] + z) * size[1] + y) * size[2];
                if (row->phases == 1) {
                    memcpy(line + left - cols.lo, source + left,
                           (size_t)(right - left) * sizeof(real));
                    continue;
                }
                if (row->phases == 2) {
                    const int64_t pairs = (right - left) / 2;
                    real *restrict first = line + place_in_row(row, left - cols.lo);
                    real *restrict second = line + place_in_row(row, left - cols.lo + 1);
                    for (int64_t x = 0; x < pairs; ++x) {
                        first[x] = source[left + 2 * x];
                        second[x] = source[left + 2 * x + 1];
                    }
                    if ((right - left) % 2) {
                        first[pairs] = source[right - 1];
                    }
                    continue;
                }
                for (int64_t first = left; first < at_most(left + row->phases, right); ++first) {
                    real *run = line + place_in_row(row, first - cols.lo);
                    for (int64_t x = first; x < right; x += row->phases) {
                        *run++ = source[x];
                    }
                }
            }
        }
    }
}

/* Whether a vector of pixels of one channel does more than a vector of channels of one pixel. */
static int is_narrow(int64_t channels, int64_t width)
{
    const int64_t lanes = OPS_CONV_NAME(ops_gemm_lanes)();
    return channels <= NARROW
           && 6 * channels * ceil_div(width, lanes) <= 5 * ceil_div(channels, lanes) * width;
}
